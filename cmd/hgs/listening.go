package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
)

// listeningFlags say where a service listens. Those that are given win against what is set.
type listeningFlags struct {
	flags *cobra.Command
	given hgsserver.Listening
}

func (l *listeningFlags) add(cmd *cobra.Command) {
	l.flags = cmd
	cmd.Flags().StringVar(&l.given.Listen, "listen", "", "serve hosts at `ADDRESS` (default "+hgsserver.DefaultListen+")")
	cmd.Flags().StringVar(&l.given.TLSCert, "tls-cert", "", "serve HTTPS with the certificate in the PEM `FILE`; off for HTTP")
	cmd.Flags().StringVar(&l.given.TLSKey, "tls-key", "", "the key of --tls-cert, in the PEM `FILE`")
	cmd.Flags().StringVar(&l.given.Metrics, "metrics", "", "serve metrics and health alone at `ADDRESS`, for Prometheus; off for none")
	cmd.Flags().StringVar(&l.given.Admin, "admin-listen", "", "serve administrators and reviewers over TLS at `ADDRESS`, see hgs admin; off for none")
	cmd.Flags().StringVar(&l.given.AdminCert, "admin-cert", "", "the certificate of --admin-listen, in the PEM `FILE`, if not that of --tls-cert; off for that")
	cmd.Flags().StringVar(&l.given.AdminKey, "admin-key", "", "the key of --admin-cert, in the PEM `FILE`")
}

func (l *listeningFlags) changed(flags ...string) bool {
	for _, flag := range flags {
		if l.flags.Flags().Changed(flag) {
			return true
		}
	}
	return false
}

func (l *listeningFlags) any() bool {
	return l.changed("listen", "tls-cert", "tls-key", "metrics", "admin-listen", "admin-cert", "admin-key")
}

// pairs fails where a flag for a certificate comes without that for its key.
func (l *listeningFlags) pairs() error {
	for cert, key := range map[string]string{"tls-cert": "tls-key", "admin-cert": "admin-key"} {
		if one := l.changed(cert); one != l.changed(key) && (!one || l.flags.Flags().Lookup(cert).Value.String() != off) {
			return fmt.Errorf("--%s and --%s come together", cert, key)
		}
	}
	return nil
}

// over gives what is set with what the flags say in its place.
func (l *listeningFlags) over(set hgsserver.Listening) hgsserver.Listening {
	if l.changed("listen") {
		set.Listen = l.given.Listen
	}
	if l.changed("metrics") {
		set.Metrics = unlessOff(l.given.Metrics)
	}
	if l.changed("admin-listen") {
		set.Admin = unlessOff(l.given.Admin)
	}
	if l.changed("tls-cert", "tls-key") {
		set.TLSCert, set.TLSKey = unlessOff(l.given.TLSCert), unlessOff(l.given.TLSKey)
	}
	if l.changed("admin-cert", "admin-key") {
		set.AdminCert, set.AdminKey = unlessOff(l.given.AdminCert), unlessOff(l.given.AdminKey)
	}
	return set
}

// off takes away what is set.
const off = "off"

func unlessOff(value string) string {
	if value == off {
		return ""
	}
	return value
}

// change is what config set asks for. Files of this machine get their whole path, which the service needs.
func (l *listeningFlags) change(cmd *cobra.Command) (*hgsserver.Listening, error) {
	if err := l.pairs(); err != nil {
		return nil, cli.UsageError(cmd, err)
	}
	if !l.any() {
		return nil, nil
	}
	if serverOf(cmd) == "" {
		for _, file := range []*string{&l.given.TLSCert, &l.given.TLSKey, &l.given.AdminCert, &l.given.AdminKey} {
			if *file == "" || *file == off {
				continue
			}
			whole, err := filepath.Abs(*file)
			if err != nil {
				return nil, err
			}
			*file = whole
		}
	}
	var c hgsserver.Settings
	if err := ask(cmd, "GET", "/v1/config", nil, &c); err != nil {
		return nil, err
	}
	set := l.over(c.Listening)
	return &set, nil
}

// listeningFacts are for showing settings.
func listeningFacts(l hgsserver.Listening) []string {
	pair := func(cert, key string) string {
		if cert == "" {
			return ""
		}
		return cert + ", key " + key
	}
	if l.Listen == "" {
		l.Listen = hgsserver.DefaultListen
	}
	return []string{"hosts at", l.Listen, "certificate for hosts", pair(l.TLSCert, l.TLSKey), "metrics at", l.Metrics,
		"administration at", l.Admin, "certificate for administration", pair(l.AdminCert, l.AdminKey)}
}

// startAgain tells that addresses take effect later.
func startAgain(cmd *cobra.Command) {
	cli.Warn(cmd, "the addresses and certificates take effect when the service starts again")
}
