package rtpm

import (
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm/swtpmtest"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// An emulator is a TPM 2.0 (swtpm).
type emulator struct{ *swtpmtest.TPM }

func startTPM(t testing.TB) *emulator {
	t.Helper()
	return &emulator{swtpmtest.Start(t, swtpmtest.Folder(t))}
}

// endorsementKey is the key as tpm2-tools make it.
func (e *emulator) endorsementKey(t testing.TB) *EndorsementKey {
	dir := e.Folder
	e.Tool(t, "tpm2_createek", "-G", "rsa", "-c", dir+"/ek.ctx", "-u", dir+"/ek.pub", "-f", "tss")
	e.Tool(t, "tpm2_flushcontext", "-t")
	public, err := os.ReadFile(dir + "/ek.pub")
	require.NoError(t, err)
	ek, err := ParseEndorsementKey(public)
	require.NoError(t, err)
	require.Equal(t, public, ek.Bytes())
	return ek
}

// pcrs reads the PCRs by tpm2-tools.
func (e *emulator) pcrs(t testing.TB) tcglog.PCRs {
	pcrs := tcglog.PCRs{}
	out := e.Tool(t, "tpm2_pcrread", "sha256:7,11,12,13,14")
	for _, line := range regexp.MustCompile(`(?m)^ +(\d+) *: 0x([0-9A-F]{64})$`).FindAllStringSubmatch(out, -1) {
		n, err := strconv.ParseUint(line[1], 10, 32)
		require.NoError(t, err)
		pcrs[uint32(n)], err = hex.DecodeString(line[2])
		require.NoError(t, err)
	}
	require.Len(t, pcrs, 5)
	return pcrs
}

var device = swtpmtest.Device
