//go:build linux

package main

import (
	"bufio"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// TestDrop drags files over from another program.
func TestDrop(t *testing.T) {
	disk := volumetest.Windows(t, volumetest.Options{})
	s := openScreen(t)
	s.makeSigner()
	s.output(command, "template", "sign", disk, "--name", "Dropped", "--version", "1.0.0.0",
		"--cert", s.path("signer.pfx"), "--password-file", s.path("password"), "--vsc", s.path("dropped.vsc"))

	s.drop(s.path("dropped.vsc"))
	s.see("Dropped")
	s.see("Verify and inspect")
}

// drop drags a file from a corner of the screen into the middle, and lets go.
func (s *screen) drop(path string) {
	s.Helper()
	source := exec.Command("testdata/drag.py", path)
	source.Env = s.env
	out, err := source.StdoutPipe()
	require.NoError(s, err)
	require.NoError(s, source.Start())
	s.Cleanup(func() {
		_ = source.Process.Kill()
		_ = source.Wait()
	})
	says := make(chan string, 64)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			says <- lines.Text()
		}
	}()
	select {
	case <-says: // that it is there
	case <-time.After(patience):
		require.Fail(s, "there is nothing to drag")
	}
	for range 5 { // a hand that was not taken for one that drags tries again
		s.output("xdotool", "mousemove", "20", "20", "mousedown", "1")
		for _, at := range []string{"40", "80", "200", "400", "600"} { // as the programs ask each other on the way
			s.output("xdotool", "mousemove", "--sync", at, at)
		}
		welcome := false
		select {
		case <-says: // that the window under the pointer takes it
			welcome = true
		case <-time.After(5 * time.Second):
		}
		s.output("xdotool", "mouseup", "1")
		if welcome {
			return
		}
	}
	require.Fail(s, "nothing takes what is dragged")
}
