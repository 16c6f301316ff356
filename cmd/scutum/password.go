package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword bounds what is read from a password file, in bytes.
const maxPassword = 4096

// A passwordSource says where a password comes from: a file, an environment
// variable, or the terminal. The command line is never one.
type passwordSource struct {
	prefix    string // of the flags, where a command takes several passwords
	file, env string
	where     string // its flags stand, if not anywhere: " after --user bob"
}

func (s *passwordSource) flags(cmd *cobra.Command) { s.flagsFor(cmd, "", "the password") }

// flagsFor adds the flags under names with a prefix, for the password that what
// describes.
func (s *passwordSource) flagsFor(cmd *cobra.Command, prefix, what string) {
	s.prefix = prefix
	cmd.Flags().StringVar(&s.file, prefix+"password-file", "", "read "+what+" from the first line of `FILE`")
	cmd.Flags().StringVar(&s.env, prefix+"password-env", "", "read "+what+" from the environment variable `VAR`")
}

func (s *passwordSource) fileFlag() string { return "--" + s.prefix + "password-file" }
func (s *passwordSource) envFlag() string  { return "--" + s.prefix + "password-env" }

// input is the file that the password is in.
func (s *passwordSource) input() file { return file{s.fileFlag(), s.file} }

// given reports whether the password is to come from elsewhere than the terminal.
func (s *passwordSource) given() bool { return s.file != "" || s.env != "" }

// read gets the password, of which what says whose it is. On the terminal it
// asks, and with twice it asks again and compares.
func (s *passwordSource) read(ctx context.Context, what string, twice bool) (string, error) {
	password, err := s.get(ctx, what, twice)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return password, err
}

func (s *passwordSource) get(ctx context.Context, what string, twice bool) (string, error) {
	switch {
	case s.file != "" && s.env != "":
		return "", fmt.Errorf("%s and %s exclude each other", s.fileFlag(), s.envFlag())
	case s.file != "":
		return passwordFromFile(ctx, s.file)
	case s.env != "":
		password, ok := os.LookupEnv(s.env)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", s.env)
		}
		return password, nil
	}
	terminal, err := openTerminal()
	if err != nil {
		return "", fmt.Errorf("there is no terminal to ask on; use %s or %s%s", s.fileFlag(), s.envFlag(), s.where)
	}
	defer terminal.Close()
	password, err := terminal.ask(ctx, what+": ")
	if err != nil || !twice {
		return password, err
	}
	again, err := terminal.ask(ctx, "the same again: ")
	if err == nil && again != password {
		err = errors.New("the two entries differ")
	}
	return password, err
}

// passwordFromFile takes the first line, so that a file made by an editor or by
// echo does what it looks like. The file may be a pipe: whoever waits for what
// comes through it may give up.
func passwordFromFile(ctx context.Context, path string) (string, error) {
	type content struct {
		data []byte
		err  error
	}
	arrived := make(chan content, 1)
	go func() {
		data, err := readSome(path)
		arrived <- content{data, err}
	}()
	var data []byte
	select {
	case c := <-arrived:
		if c.err != nil {
			return "", c.err
		}
		data = c.data
	case <-ctx.Done():
		return "", ctx.Err()
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if len(line) > maxPassword {
		return "", fmt.Errorf("the first line of %s is longer than %d bytes", path, maxPassword)
	}
	return strings.TrimSuffix(line, "\r"), nil
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPassword+1))
}

// A terminal is the user's, wherever standard input and output go.
type terminal struct {
	in, out *os.File
}

func (t terminal) Close() {
	_ = t.in.Close()
	if t.out != t.in {
		_ = t.out.Close()
	}
}

// ask reads one line without echo. When ctx ends first, the terminal gets its
// echo back; the read itself ends with the process.
func (t terminal) ask(ctx context.Context, prompt string) (string, error) {
	fd := int(t.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(t.out, prompt)
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := t.readHidden()
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		fmt.Fprintln(t.out)
		if errors.Is(a.err, io.EOF) {
			return "", errors.New("nothing was entered")
		}
		if a.err != nil {
			return "", a.err
		}
		return string(a.line), nil
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(t.out)
		return "", ctx.Err()
	}
}
