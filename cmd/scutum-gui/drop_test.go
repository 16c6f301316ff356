//go:build linux

package main

import (
	"bufio"
	"os/exec"
	"testing"

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
	says := bufio.NewScanner(out)
	require.True(s, says.Scan()) // that it is ready
	s.output("xdotool", "mousemove", "20", "20", "mousedown", "1")
	for _, at := range []string{"40", "80", "200", "400", "600"} { // as the programs ask each other on the way
		s.output("xdotool", "mousemove", "--sync", at, at)
	}
	require.True(s, says.Scan()) // that the window under the pointer takes it
	s.output("xdotool", "mouseup", "1")
	require.NoError(s, source.Wait())
}
