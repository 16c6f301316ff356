package attestation

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm/swtpmtest"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// A machine is a host with a software TPM (swtpm) whose endorsement key has a certificate.
type machine struct {
	*swtpmtest.TPM
	certificate         []byte // of the endorsement key
	root, intermediates []*x509.Certificate
}

func startMachine(t testing.TB) *machine {
	t.Helper()
	dir := swtpmtest.Folder(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ca"), 0o700))
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	ca := write("ca.conf", "statedir = "+dir+"/ca\nsigningkey = "+dir+"/ca/signkey.pem\nissuercert = "+dir+"/ca/issuercert.pem\ncertserial = "+dir+"/ca/certserial\n")
	options := write("ca.options", "--platform-manufacturer maker\n--platform-version 2.1\n--platform-model model\n")
	setup := write("setup.conf", "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = "+ca+"\ncreate_certs_tool_options = "+options+"\n")
	swtpmtest.Run(t, "swtpm_setup", "--tpm2", "--config", setup, "--tpmstate", dir, "--createek", "--create-ek-cert", "--overwrite", "--write-ek-cert-files", dir)

	m := &machine{TPM: swtpmtest.Start(t, dir)}
	m.certificate = readCertificate(t, filepath.Join(dir, "*rsa*.crt")).Raw
	m.root = []*x509.Certificate{readCertificate(t, filepath.Join(dir, "ca", "*rootca-cert.pem"))}
	m.intermediates = []*x509.Certificate{readCertificate(t, filepath.Join(dir, "ca", "issuercert.pem"))}
	return m
}

func readCertificate(t testing.TB, pattern string) *x509.Certificate {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, names, 1, pattern)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	c, err := x509.ParseCertificate(data)
	require.NoError(t, err)
	return c
}

// boot extends the PCRs as the events of a log say.
func (m *machine) boot(t testing.TB, log []byte) {
	t.Helper()
	l, err := tcglog.Parse(log)
	require.NoError(t, err)
	m.Measure(t, l)
}

var ciFile = []byte{0x30, 1, 2, 3}

// bootLog is the log of a host that fulfils every policy, with the identity key of the tests.
func bootLog(db string) []byte {
	wide := func(s string) (b []byte) {
		for _, u := range utf16.Encode([]rune(s)) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return b
	}
	variable := func(name, value string) []byte {
		b := []byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
		b = binary.LittleEndian.AppendUint64(b, uint64(len(name)))
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
		return append(append(b, wide(name)...), value...)
	}
	flag := func(id tcglog.ID, v byte) tcglog.Tagged { return tcglog.Tagged{ID: id, Data: []byte{v}} }
	number := func(id tcglog.ID, size int, v byte) tcglog.Tagged {
		data := make([]byte, size)
		data[0] = v
		return tcglog.Tagged{ID: id, Data: data}
	}
	const name = "SiPolicy.p7b"
	digest := sha256.Sum256(ciFile)
	ci := binary.LittleEndian.AppendUint64(nil, 1<<48)
	ci = binary.LittleEndian.AppendUint16(ci, uint16(2*len(name)))
	ci = binary.LittleEndian.AppendUint16(ci, 0xb)
	ci = binary.LittleEndian.AppendUint32(ci, 32)
	ci = append(append(ci, wide(name)...), digest[:]...)
	var idk []byte
	for _, n := range []uint32{1, 2048, 3, 256} {
		idk = binary.LittleEndian.AppendUint32(idk, n)
	}
	idk = append(append(idk, 1, 0, 1), identityKey().N.FillBytes(make([]byte, 256))...)

	l := tcglog.New(tcglog.SHA256)
	l.Append(7, tcglog.VariableDriverConfig, variable("SecureBoot", "\x01"))
	l.Append(7, tcglog.VariableDriverConfig, variable("db", db))
	l.Append(7, tcglog.Separator, make([]byte, 4))
	l.Append(12, tcglog.EventTag, tcglog.Tagged{ID: tcglog.TrustBoundary, Events: []tcglog.Tagged{
		number(tcglog.TransferControl, 4, 1), number(tcglog.BitLockerUnlock, 4, 4), flag(tcglog.BootDebugging, 0), flag(tcglog.OSKernelDebug, 0),
		flag(tcglog.CodeIntegrity, 1), flag(tcglog.TestSigning, 0), flag(tcglog.SafeMode, 0), flag(tcglog.WinPE, 0),
		number(tcglog.HypervisorLaunchType, 8, 1), number(tcglog.HypervisorIOMMUPolicy, 8, 0), flag(tcglog.HypervisorDebug, 0),
		{ID: tcglog.SIPolicy, Data: ci}, number(tcglog.VSMLaunchType, 8, 1), {ID: tcglog.VSMIDKInfo, Data: idk},
		flag(tcglog.PagefileEncryption, 1), flag(tcglog.HibernationDisabled, 1), flag(tcglog.DumpsDisabled, 1), flag(tcglog.DumpEncryption, 1),
		flag(tcglog.VBSIOMMURequired, 1), number(tcglog.VBSHVCIPolicy, 8, 2),
	}}.Bytes())
	for _, pcr := range []uint32{12, 13, 14} {
		l.Append(pcr, tcglog.Separator, []byte("WBCL"))
	}
	return l.Bytes()
}
