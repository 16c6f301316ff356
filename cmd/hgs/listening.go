package main

import (
	"fmt"
	"net"
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

// change is what the flags say; what none says is nil.
func (l *listeningFlags) change() *hgsserver.ListeningChange {
	c := &hgsserver.ListeningChange{}
	if l.changed("listen") {
		c.Listen = &l.given.Listen
	}
	if l.changed("metrics") {
		c.Metrics = unlessOff(l.given.Metrics)
	}
	if l.changed("admin-listen") {
		c.Admin = unlessOff(l.given.Admin)
	}
	if l.changed("tls-cert", "tls-key") {
		c.TLSCert, c.TLSKey = unlessOff(l.given.TLSCert), unlessOff(l.given.TLSKey)
	}
	if l.changed("admin-cert", "admin-key") {
		c.AdminCert, c.AdminKey = unlessOff(l.given.AdminCert), unlessOff(l.given.AdminKey)
	}
	return c
}

// over gives what is set with what the flags say in its place.
func (l *listeningFlags) over(set hgsserver.Listening) hgsserver.Listening {
	return l.change().Over(set)
}

// off takes away what is set.
const off = "off"

func unlessOff(value string) *string {
	if value == off {
		value = ""
	}
	return &value
}

// toKeep is what config set asks for. Files of this machine get their whole path, which the service needs.
func (l *listeningFlags) toKeep(cmd *cobra.Command) (*hgsserver.ListeningChange, error) {
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
	return l.change(), nil
}

// listeningFacts are for showing settings, and where a service listens.
func listeningFacts(l hgsserver.Listening, at *hgsserver.Status) []string {
	pair := func(cert, key string) string {
		if cert == "" {
			return ""
		}
		return cert + ", key " + key
	}
	if l.Listen == "" {
		l.Listen = hgsserver.DefaultListen
	}
	return []string{"hosts at", whereText(at.Address, l.Listen), "certificate for hosts", pair(l.TLSCert, l.TLSKey), "metrics at", whereText(at.Metrics, l.Metrics),
		"administration at", whereText(at.Admin, l.Admin), "certificate for administration", pair(l.AdminCert, l.AdminKey)}
}

// whereText says at which address something is served, and at which one it is set to be, where that is another one: a flag of serve
// won, or it was set since.
func whereText(now, set string) string {
	if sameAddress(now, set) {
		return now
	}
	next := "off"
	if set != "" {
		next = set
	}
	if now == "" {
		return "nothing now; at the next start without flags: " + next
	}
	return now + "; at the next start without flags: " + next
}

// sameAddress says whether an address is one that a listener at another one may have.
func sameAddress(now, set string) bool {
	nowHost, nowPort, nowErr := net.SplitHostPort(now)
	setHost, setPort, setErr := net.SplitHostPort(set)
	if nowErr != nil || setErr != nil {
		return now == set
	}
	any := func(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
	return nowPort == setPort && (nowHost == setHost || any(nowHost) && any(setHost))
}

// startAgain tells that addresses take effect later.
func startAgain(cmd *cobra.Command) {
	cli.Warn(cmd, "the addresses and certificates take effect when the service starts again")
}
