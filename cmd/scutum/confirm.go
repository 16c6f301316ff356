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

// onTerminal says whether somebody is there to answer: a script has its standard
// input elsewhere.
func onTerminal(cmd *cobra.Command) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// confirm shows what a question is about, asks it on the terminal, and says
// whether the answer was yes.
func confirm(ctx context.Context, about func(*sheet), question string) (bool, error) {
	t, err := openTerminal()
	if err != nil {
		return false, fmt.Errorf("asking: %w", err)
	}
	defer t.Close()
	about(&sheet{out: t.out})
	fmt.Fprint(t.out, printable(question)+" (yes or no) ")
	type answer struct {
		line string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := readLine(t.in)
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		if errors.Is(a.err, io.EOF) {
			return false, errors.New("nothing was answered")
		}
		if a.err != nil {
			return false, fmt.Errorf("nothing was answered: %w", a.err)
		}
		said := strings.ToLower(strings.TrimSpace(a.line))
		yes := said == "yes" || said == "y"
		if !yes {
			fmt.Fprintln(t.out, "That was not yes: nothing is changed.")
		}
		return yes, nil
	case <-ctx.Done():
		fmt.Fprintln(t.out)
		return false, ctx.Err()
	}
}

// readLine reads up to the end of the line and no further, so that what was
// typed ahead is there for the next question.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < maxPassword; {
		if _, err := r.Read(b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[0])
	}
	return "", errors.New("the line is too long")
}
