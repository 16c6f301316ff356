package cli

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

// OnTerminal says whether somebody is there to answer: a script has its standard
// input elsewhere.
func OnTerminal(cmd *cobra.Command) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// Confirm shows what a question is about, asks it on the terminal, and says
// whether the answer was yes.
func Confirm(ctx context.Context, about func(*Sheet), question string) (bool, error) {
	t, err := openTerminal()
	if err != nil {
		return false, fmt.Errorf("asking: %w", err)
	}
	defer t.Close()
	about(&Sheet{out: t.out})
	fmt.Fprint(t.out, Printable(question)+" (yes or no) ")
	line, err := await(ctx, func() ([]byte, error) { return readLine(t.in) })
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		fmt.Fprintln(t.out)
		return false, err
	case errors.Is(err, io.EOF):
		return false, errors.New("nothing was answered")
	case err != nil:
		return false, fmt.Errorf("nothing was answered: %w", err)
	}
	said := strings.ToLower(strings.TrimSpace(string(line)))
	yes := said == "yes" || said == "y"
	if !yes {
		fmt.Fprintln(t.out, "That was not yes: nothing is changed.")
	}
	return yes, nil
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
// echo back.
func (t terminal) ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(t.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(t.out, prompt)
	line, err := await(ctx, t.readHidden)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		_ = term.Restore(fd, before)
	}
	fmt.Fprintln(t.out)
	if errors.Is(err, io.EOF) {
		err = errors.New("nothing was entered")
	}
	return line, err
}

// await gives what read gives, or the error of ctx when that ends first: the read
// itself then ends with the process.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	arrived := make(chan result, 1)
	go func() {
		value, err := read()
		arrived <- result{value, err}
	}()
	select {
	case r := <-arrived:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// readLine reads up to the end of the line and no further, so that what was
// typed ahead is there for the next question.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < maxLine; {
		if _, err := r.Read(b); err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return line, nil
		}
		line = append(line, b[0])
	}
	return nil, errors.New("the line is too long")
}
