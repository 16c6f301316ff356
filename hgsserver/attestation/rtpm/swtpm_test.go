package rtpm

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// An emulator is a TPM 2.0 (swtpm). Each command has a connection of its own, since it serves one at a time.
type emulator struct{ socket string }

func startTPM(t testing.TB) *emulator {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // the path of a socket has to be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := &emulator{filepath.Join(dir, "s")}
	pid := filepath.Join(dir, "pid")
	out, err := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+e.socket,
		"--ctrl", "type=unixio,path="+e.socket+".ctrl", "--flags", "not-need-init,startup-clear", "--daemon", "--pid", "file="+pid).CombinedOutput()
	require.NoError(t, err, "swtpm is in the package swtpm: %s", out)
	text, err := os.ReadFile(pid)
	require.NoError(t, err)
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	process, err := os.FindProcess(number)
	require.NoError(t, err)
	t.Cleanup(func() { _ = process.Kill() })
	return e
}

// send runs a command, again where the TPM asks for that.
func (e *emulator) send(t testing.TB, command []byte) []byte {
	for {
		conn, err := net.Dial("unix", e.socket)
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

// tool runs one of tpm2-tools.
func (e *emulator) tool(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TPM2TOOLS_TCTI=swtpm:path="+e.socket)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s, of the package tpm2-tools: %s", args, out)
	return string(out)
}

// endorsementKey is the key as tpm2-tools make it.
func (e *emulator) endorsementKey(t testing.TB) *EndorsementKey {
	dir := filepath.Dir(e.socket)
	e.tool(t, "tpm2_createek", "-G", "rsa", "-c", dir+"/ek.ctx", "-u", dir+"/ek.pub", "-f", "tss")
	e.tool(t, "tpm2_flushcontext", "-t")
	public, err := os.ReadFile(dir + "/ek.pub")
	require.NoError(t, err)
	ek, err := ParseEndorsementKey(public)
	require.NoError(t, err)
	require.Equal(t, public, ek.Bytes())
	return ek
}

// measure extends the PCRs as the events of a log say.
func (e *emulator) measure(t testing.TB, l *tcglog.Log) {
	args := []string{"tpm2_pcrextend"}
	for _, event := range l.Events {
		if digest := event.Digest(tcglog.SHA256); digest != nil {
			args = append(args, fmt.Sprintf("%d:sha256=%x", event.PCR, digest))
		}
	}
	e.tool(t, args...)
}

// pcrs reads the PCRs by tpm2-tools.
func (e *emulator) pcrs(t testing.TB) tcglog.PCRs {
	pcrs := tcglog.PCRs{}
	out := e.tool(t, "tpm2_pcrread", "sha256:7,11,12,13,14")
	for _, line := range regexp.MustCompile(`(?m)^ +(\d+) *: 0x([0-9A-F]{64})$`).FindAllStringSubmatch(out, -1) {
		n, err := strconv.ParseUint(line[1], 10, 32)
		require.NoError(t, err)
		pcrs[uint32(n)], err = hex.DecodeString(line[2])
		require.NoError(t, err)
	}
	require.Len(t, pcrs, 5)
	return pcrs
}

var device = hgsa.DeviceInfo{Version: hgsa.TPMVersion20, Interface: hgsa.TPMInterfaceEmulator, Implementation: 1}

// answer does what an honest host does with a challenge.
func (e *emulator) answer(t testing.TB, challenge []byte, log []byte) *hgsa.Answer {
	t.Helper()
	c, err := hgsa.ParseChallenge(challenge)
	require.NoError(t, err)
	a := &hgsa.Answer{State: c.State}
	for _, command := range c.Commands {
		response := e.send(t, command)
		a.Responses = append(a.Responses, response)
		switch binary.BigEndian.Uint32(command[6:]) {
		case 0x176: // StartAuthSession: the key has served
			flush := append([]byte{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x65}, command[10:14]...)
			require.Equal(t, make([]byte, 4), e.send(t, flush)[6:])
		case 0x17e: // PCR_Read
			a.Device, a.Log = &device, log
		}
	}
	return a
}
