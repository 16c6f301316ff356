package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// maxLine bounds a password, and what is typed on the terminal, in bytes.
const maxLine = 4096

// A Password says where a password comes from: a file, an environment variable, a
// credential of systemd, or the terminal. The command line is never one.
type Password struct {
	Flag       string // its flags are --FLAG-file and --FLAG-env
	File, Env  string // what they were given
	Where      string // they stand, if not anywhere: " after --user bob"
	Credential string // the name of the file that systemd's LoadCredential= makes, if it may come from there
	NotEmpty   bool   // one without a character is refused
}

// Flags adds the flags under that name, for the password that what describes.
func (p *Password) Flags(cmd *cobra.Command, flag, what string) {
	p.Flag = flag
	cmd.Flags().StringVar(&p.File, flag+"-file", "", "read "+what+" from the first line of `FILE`")
	cmd.Flags().StringVar(&p.Env, flag+"-env", "", "read "+what+" from the environment variable `VAR`")
}

// FileFlag and EnvFlag are the names of the flags.
func (p *Password) FileFlag() string { return "--" + p.Flag + "-file" }
func (p *Password) EnvFlag() string  { return "--" + p.Flag + "-env" }

// Given reports whether flags say where the password is.
func (p *Password) Given() bool { return p.File != "" || p.Env != "" }

// Read gets the password, of which what says whose it is. On the terminal it
// asks, and with twice it asks again and compares. When ctx ends meanwhile, its
// error is returned as it is.
func (p *Password) Read(ctx context.Context, what string, twice bool) ([]byte, error) {
	password, err := p.get(ctx, what, twice)
	if err == nil && p.NotEmpty && len(password) == 0 {
		err = errors.New("it is empty")
	}
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return password, nil
}

func (p *Password) get(ctx context.Context, what string, twice bool) ([]byte, error) {
	switch credential := p.credential(); {
	case p.File != "" && p.Env != "":
		return nil, fmt.Errorf("%s and %s exclude each other", p.FileFlag(), p.EnvFlag())
	case p.File != "":
		return firstLine(ctx, p.File)
	case p.Env != "":
		password, ok := os.LookupEnv(p.Env)
		if !ok {
			return nil, fmt.Errorf("the environment variable %s is not set", p.Env)
		}
		return []byte(password), nil
	case credential != "":
		return firstLine(ctx, credential)
	}
	terminal, err := openTerminal()
	if err != nil {
		return nil, fmt.Errorf("there is no terminal to ask on; use %s or %s%s", p.FileFlag(), p.EnvFlag(), p.Where)
	}
	defer terminal.Close()
	password, err := terminal.ask(ctx, what+": ")
	if err != nil || !twice {
		return password, err
	}
	again, err := terminal.ask(ctx, "the same again: ")
	if err == nil && !bytes.Equal(again, password) {
		err = errors.New("the two entries differ")
	}
	return password, err
}

// credential is the path of the file that systemd made, where there is one.
func (p *Password) credential() string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || p.Credential == "" {
		return ""
	}
	path := filepath.Join(dir, p.Credential)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// firstLine takes no more, so that a file made by an editor or by echo does what
// it looks like. The file may be a pipe: whoever waits for what comes through it
// may give up.
func firstLine(ctx context.Context, path string) ([]byte, error) {
	data, err := await(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxLine+1))
	})
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if len(line) > maxLine {
		return nil, fmt.Errorf("the first line of %s is longer than %d bytes", path, maxLine)
	}
	return bytes.TrimSuffix(line, []byte("\r")), nil
}
