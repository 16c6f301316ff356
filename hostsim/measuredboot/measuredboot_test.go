package measuredboot

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

var ciPolicy = []byte{0x30, 1, 2, 3}

// registers stand in for a TPM.
type registers [24][sha256.Size]byte

func (r *registers) extend(pcr uint32, digest []byte) error {
	r[pcr] = sha256.Sum256(append(r[pcr][:], digest...))
	return nil
}

func boot(t testing.TB, name string) (*registers, []byte) {
	t.Helper()
	p, err := Find(name)
	require.NoError(t, err)
	r := &registers{}
	b, err := Start(p, 7, ciPolicy, r.extend)
	require.NoError(t, err)
	if !b.HasIdentity() {
		_, err = b.Finish(&keys[0].PublicKey, &keys[1].PublicKey)
		require.Error(t, err)
		log, err := b.Finish(nil, nil)
		require.NoError(t, err)
		return r, log
	}
	_, err = b.Finish(nil, nil)
	require.Error(t, err)
	log, err := b.Finish(&keys[0].PublicKey, &keys[1].PublicKey)
	require.NoError(t, err)
	return r, log
}

var keys = func() (all [2]*rsa.PrivateKey) {
	for i := range all {
		var err error
		if all[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return all
}()

// TestProfiles holds what each profile measures against the policies of a service that knows the healthy one.
func TestProfiles(t *testing.T) {
	_, reference := boot(t, "healthy")
	baseline, err := policy.NewBaseline("reference host", reference)
	require.NoError(t, err)
	ci, err := policy.NewCI("production", ciPolicy)
	require.NoError(t, err)
	set := &policy.Set{Administrator: []policy.Administrator{*baseline, *ci}}
	require.NoError(t, set.SetEnabled("Hgs_BitLockerEnabled", true))

	fails := map[string][]string{
		"healthy":             nil,
		"no-secure-boot":      {"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings"},
		"other-firmware":      {"Hgs_SecureBootSettings"},
		"firmware-debugger":   {"Hgs_SecureBootSettings", "Hgs_UefiDebugDisabled"},
		"debugger":            {"Hgs_UefiDebugDisabled"},
		"boot-debugger":       {"Hgs_UefiDebugDisabled"},
		"hypervisor-debugger": {"Hgs_UefiDebugDisabled"},
		"other-ci-policy":     {"Hgs_CiPolicy"},
		"no-ci-policy":        {"Hgs_CiPolicy"},
		"test-signing":        {"Hgs_CiPolicy"},
		"no-hvci":             {"Hgs_HypervisorEnforcedCiPolicy"},
		"no-vsm":              {"Hgs_HypervisorEnforcedCiPolicy", "Hgs_VsmIdkPresent", "Hgs_VsmRunning", "Hgs_IommuEnabled"},
		"no-iommu":            {"Hgs_IommuEnabled"},
		"safe-mode":           {"Hgs_FullBoot"},
		"resumed":             {"Hgs_FullBoot"},
		"hibernation":         {"Hgs_NoHibernation"},
		"plain-page-file":     {"Hgs_PageFileEncryptionEnabled"},
		"dumps":               {"Hgs_NoDumps", "Hgs_DumpEncryption", "Hgs_DumpEncryptionKey"},
		"encrypted-dumps":     {"Hgs_NoDumps", "Hgs_DumpEncryptionKey"},
		"no-bitlocker":        {"Hgs_BitLockerEnabled"},
	}
	require.Len(t, Profiles(), len(fails))
	for _, p := range Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			registers, data := boot(t, p.Name)
			log, err := tcglog.Parse(data)
			require.NoError(t, err)
			pcrs := tcglog.PCRs{}
			for _, n := range tcglog.Proven {
				pcrs[n] = registers[n][:]
			}
			b, err := log.Prove(tcglog.SHA256, pcrs)
			require.NoError(t, err)
			require.Equal(t, []uint64{7}, b.Numbers(tcglog.BootCounter))
			if p.Name != "no-vsm" {
				require.Equal(t, &keys[0].PublicKey, b.EncryptionKey)
				require.Equal(t, &keys[1].PublicKey, b.SigningKey)
			}
			var failed []string
			for _, r := range set.Evaluate(b).Failed() {
				failed = append(failed, r.Policy.Name)
			}
			require.Contains(t, fails, p.Name)
			require.Equal(t, fails[p.Name], failed)
		})
	}
}

// TestSealing shows that what is sealed while a host boots opens in a later boot of the same kind, in no other, and not after.
func TestSealing(t *testing.T) {
	middle := func(name string, number uint64) (values [][sha256.Size]byte, b *Boot, r *registers) {
		p, err := Find(name)
		require.NoError(t, err)
		r = &registers{}
		b, err = Start(p, number, ciPolicy, r.extend)
		require.NoError(t, err)
		for _, n := range Sealing {
			values = append(values, r[n])
		}
		return values, b, r
	}
	first, b, r := middle("healthy", 1)
	again, _, _ := middle("healthy", 2)
	require.Equal(t, first, again)
	_, err := b.Finish(&keys[0].PublicKey, &keys[1].PublicKey)
	require.NoError(t, err)
	for i, n := range Sealing {
		if n != 7 { // the firmware's, which nobody closes a second time
			require.NotEqual(t, first[i], r[n], "PCR %d", n)
		}
	}
	for _, p := range Profiles()[1:] {
		other, _, _ := middle(p.Name, 1)
		require.NotEqual(t, first, other, p.Name)
	}
}

// TestOtherTools has tpm2-tools read the log.
func TestOtherTools(t *testing.T) {
	r, log := boot(t, "healthy")
	path := filepath.Join(t.TempDir(), "healthy.tcglog")
	require.NoError(t, os.WriteFile(path, log, 0o600))
	cmd := exec.Command("tpm2_eventlog", "--eventlog-version=2", path)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "tpm2_eventlog is in the package tpm2-tools: %s", out)
	for _, n := range []uint32{0, 1, 4, 5, 7, 11, 12, 13, 14} {
		require.Regexp(t, fmt.Sprintf(`(?m)^ +%d *: 0x%x$`, n, r[n]), string(out))
	}
	require.Contains(t, string(out), "UnicodeName: SecureBoot")
}

func TestErrors(t *testing.T) {
	_, err := Find("sleepy")
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorContains(t, err, "healthy, no-secure-boot, ")
	broken := errors.New("the TPM is broken")
	_, err = Start(Profiles()[0], 1, ciPolicy, func(uint32, []byte) error { return broken })
	require.ErrorIs(t, err, broken)
}
