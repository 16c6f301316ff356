// Package swtpmtest gives tests software TPMs (swtpm), and has them do what an honest host does. Nothing but tests uses it.
package swtpmtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// A TPM is a TPM 2.0. Each command has a connection of its own, since it serves one at a time.
type TPM struct {
	Folder string // of its state and its socket
	Socket string
}

// Folder makes a folder for a TPM, which goes with the test. The path of a socket in it is short enough.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Start starts a TPM with the state in a folder, where there is one. It ends with the test.
func Start(t testing.TB, folder string) *TPM {
	t.Helper()
	e := &TPM{folder, filepath.Join(folder, "s")}
	pid := filepath.Join(folder, "pid")
	Run(t, "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+folder, "--server", "type=unixio,path="+e.Socket,
		"--ctrl", "type=unixio,path="+e.Socket+".ctrl", "--flags", "not-need-init,startup-clear", "--daemon", "--pid", "file="+pid)
	text, err := os.ReadFile(pid)
	require.NoError(t, err)
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	process, err := os.FindProcess(number)
	require.NoError(t, err)
	t.Cleanup(func() { _ = process.Kill() })
	return e
}

// Run runs a program of the packages swtpm, swtpm-tools and tpm2-tools, and gives what it printed.
func Run(t testing.TB, args ...string) string { return run(t, nil, args) }

// Tool runs one of tpm2-tools with the TPM.
func (e *TPM) Tool(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, []string{"TPM2TOOLS_TCTI=swtpm:path=" + e.Socket}, args)
}

func run(t testing.TB, environment, args []string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s, of the packages swtpm, swtpm-tools and tpm2-tools: %s", args, out)
	return string(out)
}

// Send runs a command, again where the TPM asks for that.
func (e *TPM) Send(t testing.TB, command []byte) []byte {
	t.Helper()
	for {
		conn, err := net.Dial("unix", e.Socket)
		require.NoError(t, err)
		_, err = conn.Write(command)
		require.NoError(t, err)
		response := make([]byte, 10)
		_, err = io.ReadFull(conn, response)
		require.NoError(t, err)
		rest := make([]byte, binary.BigEndian.Uint32(response[2:])-10)
		_, err = io.ReadFull(conn, rest)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		if binary.BigEndian.Uint32(response[6:]) != 0x922 { // TPM_RC_RETRY
			return append(response, rest...)
		}
	}
}

// Measure extends the PCRs as the events of a log say.
func (e *TPM) Measure(t testing.TB, l *tcglog.Log) {
	t.Helper()
	args := []string{"tpm2_pcrextend"}
	for _, event := range l.Events {
		if digest := event.Digest(tcglog.SHA256); digest != nil {
			args = append(args, fmt.Sprintf("%d:sha256=%x", event.PCR, digest))
		}
	}
	e.Tool(t, args...)
}

// Device is what a host says of such a TPM.
var Device = hgsa.DeviceInfo{Version: hgsa.TPMVersion20, Interface: hgsa.TPMInterfaceEmulator, Implementation: 1}

// Answer does what an honest host does with a challenge.
func (e *TPM) Answer(t testing.TB, challenge, log []byte) *hgsa.Answer {
	t.Helper()
	c, err := hgsa.ParseChallenge(challenge)
	require.NoError(t, err)
	a := &hgsa.Answer{State: c.State}
	for _, command := range c.Commands {
		a.Responses = append(a.Responses, e.Send(t, command))
		switch binary.BigEndian.Uint32(command[6:]) {
		case 0x176: // StartAuthSession: the key has served
			flush := append([]byte{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x65}, command[10:14]...)
			require.Equal(t, make([]byte, 4), e.Send(t, flush)[6:])
		case 0x17e: // PCR_Read
			device := Device
			a.Device, a.Log = &device, log
		}
	}
	return a
}
