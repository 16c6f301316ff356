package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/signing"
)

// Where a service is administered over TLS, if flags do not say it.
const (
	serverEnv         = "HGS_SERVER"
	serverCertEnv     = "HGS_SERVER_CERT"
	clientCertEnv     = "HGS_CLIENT_CERT"
	clientPasswordEnv = "HGS_CLIENT_PASSWORD_FILE"
)

// remoteFlags adds the flags of administration over TLS to all commands.
func remoteFlags(root *cobra.Command) {
	root.PersistentFlags().String("server", "", "ask the service at `URL`, such as https://hgs.example.com:8443, over TLS; also $"+serverEnv)
	root.PersistentFlags().String("client-cert", "", "your certificate with its key, in `FILE.pfx|FILE.pem`, for --server; also $"+clientCertEnv)
	root.PersistentFlags().String("server-cert", "", "the certificate of --server, or of its issuer, in `FILE.pem`, else the system's roots; also $"+serverCertEnv)
	var password cli.Password
	of := &cobra.Command{}
	password.Flags(of, "client-password", "the password of --client-cert")
	of.Flags().Lookup("client-password-file").Usage += "; also $" + clientPasswordEnv
	root.PersistentFlags().AddFlagSet(of.Flags())
}

// atServer are the flags of administration over TLS.
var atServer = []string{"server", "client-cert", "server-cert", "client-password-file", "client-password-env"}

// given is what a flag, else an environment variable says.
func given(cmd *cobra.Command, flag, env string) string {
	value, _ := cmd.Flags().GetString(flag)
	if value == "" && env != "" {
		value = os.Getenv(env)
	}
	return value
}

// serverOf is where the service is that a command asks over TLS; empty, where it asks over a socket. A flag that names another
// service wins against the environment.
func serverOf(cmd *cobra.Command) string {
	if cmd.Flags().Changed("socket") || cmd.Flags().Changed("dir") {
		return given(cmd, "server", "")
	}
	return given(cmd, "server", serverEnv)
}

// client is for the service that a command asks.
func client(cmd *cobra.Command) (*hgsserver.Client, error) {
	socket, server := given(cmd, "socket", ""), serverOf(cmd)
	switch {
	case server != "" && socket != "":
		return nil, cli.UsageError(cmd, errors.New("--server and --socket exclude each other"))
	case server != "":
		return remoteClient(cmd, server)
	case socket == "":
		socket = filepath.Join(dirOf(cmd), hgsserver.SocketFile)
	}
	return hgsserver.NewClient(socket), nil
}

func remoteClient(cmd *cobra.Command, server string) (*hgsserver.Client, error) {
	own, pin := given(cmd, "client-cert", clientCertEnv), given(cmd, "server-cert", serverCertEnv)
	if own == "" {
		return nil, cli.UsageError(cmd, fmt.Errorf("--server needs your certificate: give --client-cert, or set $%s", clientCertEnv))
	}
	r := hgsserver.Remote{URL: server}
	var err error
	if pin != "" {
		if r.Server, err = readCertificates(pin); err != nil {
			return nil, err
		}
	}
	if r.Client, err = readIdentity(cmd, own); err != nil {
		return nil, err
	}
	return hgsserver.NewRemoteClient(r)
}

// readIdentity reads a certificate with its key from a PFX file, or from a PEM file, which has no password.
func readIdentity(cmd *cobra.Command, path string) (*signing.Identity, error) {
	data, err := cli.ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	var id *signing.Identity
	if signing.IsPEM(data) {
		id, err = signing.LoadPEM(data, data)
	} else {
		password := cli.Password{Flag: "client-password", Env: given(cmd, "client-password-env", "")}
		password.File = given(cmd, "client-password-file", "")
		if !password.Given() {
			password.File = os.Getenv(clientPasswordEnv)
		}
		var secret []byte
		if secret, err = password.Read(cmd.Context(), "the password of "+path, false); err != nil {
			return nil, err
		}
		id, err = signing.LoadPFX(data, string(secret))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return id, nil
}

// ask sends a message to the service, where there is one, and reads the answer.
func ask(cmd *cobra.Command, method, path string, message, answer any) error {
	c, err := client(cmd)
	if err != nil {
		return err
	}
	return c.Do(cmd.Context(), method, path, message, answer)
}

// stream sends a message to the service and gives what it answers, to be closed.
func stream(cmd *cobra.Command, method, path string, message any) (io.ReadCloser, error) {
	c, err := client(cmd)
	if err != nil {
		return nil, err
	}
	return c.Stream(cmd.Context(), method, path, message)
}

// here keeps a command that works on the folder of a service from being taken for one that asks another machine.
func here(cmd *cobra.Command) *cobra.Command {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("server") {
			return cli.UsageError(cmd, errors.New("it works on the folder of a service on this machine: --server is for the commands that ask one"))
		}
		return run(cmd, args)
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		hidden := atServer
		if cmd.Name() != "serve" { // which opens the socket
			hidden = append([]string{"socket"}, atServer...)
		}
		for _, flag := range hidden {
			cmd.InheritedFlags().Lookup(flag).Hidden = true
		}
		cmd.Root().HelpFunc()(cmd, args)
	})
	return cmd
}
