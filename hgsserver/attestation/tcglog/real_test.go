package tcglog

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func readReal(t testing.TB, name string) []byte {
	t.Helper()
	const folder = "/work/shared/testdata/tcglog"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the real logs are not here: ", err)
	}
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return data
}

var twice, four = []bool{false, false}, []bool{false, false, false, false}

// plain is what the servers and the cloud machine have in common: nothing of the virtual secure mode.
var plain = map[ID][]bool{
	BootDebugging: four, OSKernelDebug: twice, CodeIntegrity: {true, true, true, true}, TestSigning: four, SafeMode: twice, WinPE: twice,
	PagefileEncryption: twice, HibernationDisabled: twice, DumpsDisabled: twice, DumpEncryption: twice,
}

func plainNumbers(bootCounter uint64) map[ID][]uint64 {
	return map[ID][]uint64{
		BootCounter: {bootCounter}, TransferControl: {1}, BitLockerUnlock: {0, 0, 0, 0}, HypervisorLaunchType: {0, 0}, VSMLaunchType: {0, 0},
	}
}

// realBoots says what each real log contains. The dump has what xxd shows at offsets, from which the other lines follow.
var realBoots = []struct {
	file     string
	bank     Algorithm
	agile    bool
	banks    []Bank
	events   int
	dump     map[int]string
	secure   []bool
	settings []string
	flags    map[ID][]bool
	numbers  map[ID][]uint64
	policy   string
	digest   string
	keys     [2]string // how the moduli of IDK and IDKS begin
}{
	{
		file: "windows_gcp_shielded_vm.tcglog", bank: SHA1, banks: []Bank{{SHA1, 20}}, events: 21,
		dump: map[int]string{
			0x0022: "0700000001000080",                          // PCR 7, EV_EFI_VARIABLE_DRIVER_CONFIG
			0x0062: "5300650063007500720065004200" + "6f00",     // "SecureBo"
			0x0076: "01" + "0700000001000080",                   // SecureBoot's value, and the next event
			0x3540: "0200020008000000" + "0400000000000000",     // BootCounter
			0x35a8: "0300020004000000" + "01000000",             // TransferControl
			0x35d8: "0500020004000000" + "00000000",             // BitLockerUnlock
			0x49d9: "0a00050008000000" + "0000000000000000",     // HypervisorLaunchType
			0x49e9: "1200050008000000" + "0000000000000000",     // VSMLaunchType
			0x49f9: "220005000100000000" + "240005000100000000", // PagefileEncryption, HibernationDisabled
			0x4a0b: "250005000100000000" + "260005000100000000", // DumpsDisabled, DumpEncryption
			0xa914: "5742434c",                                  // WBCL
		},
		secure: []bool{true}, settings: []string{"SecureBoot", "PK", "KEK", "db", "dbx", "separator", "signer in db"},
		flags: plain, numbers: plainNumbers(4),
	},
	{
		file: "IMN-DELL-WBCL-BootCtrs.0.bin", bank: SHA256, agile: true, banks: []Bank{{SHA256, 32}}, events: 74,
		dump: map[int]string{
			0x0217: "0700000001000080",                      // PCR 7, EV_EFI_VARIABLE_DRIVER_CONFIG
			0x027d: "01" + "0700000001000080",               // SecureBoot's value, and the next event
			0x5554: "07000000e0000080",                      // PCR 7, EV_EFI_VARIABLE_AUTHORITY, before the separator
			0x6d5a: "0700000004000000",                      // PCR 7, EV_SEPARATOR
			0x7813: "0200020008000000" + "5500000000000000", // BootCounter
			0x78bb: "0300020004000000" + "01000000",         // TransferControl
			0x8f8c: "0a00050008000000" + "0000000000000000", // HypervisorLaunchType
			0x8fac: "220005000100000000240005000100000000",  // PagefileEncryption, HibernationDisabled
			0x9051: "020005000100000001",                    // CodeIntegrity
		},
		secure: []bool{true}, settings: []string{"SecureBoot", "PK", "KEK", "db", "dbx", "signer in db", "separator", "signer in db"},
		flags: plain, numbers: plainNumbers(0x55),
	},
	{
		// Secure Boot was never measured: PCR 7 begins with the separator.
		file: "IMN-SUPERMICRO-no-epp.0.bin", bank: SHA256, agile: true, banks: []Bank{{SHA1, 20}, {SHA256, 32}}, events: 38,
		dump: map[int]string{
			0x00f5: "0700000004000000",                                                                              // PCR 7, EV_SEPARATOR
			0x2228: "0200020008000000" + "0d00000000000000",                                                         // BootCounter
			0x23e2: "0f0005004a000000" + "0000000000000a00" + "1a00" + "0b00" + "20000000" + "5300690050006f006c00", // SIPolicy, "SiPol"
			0x2414: "53ecf18ecb76bb22",                                                                              // its digest
			0x3aa2: "010005000100000000",                                                                            // OSKernelDebug
			0xa7b6: "ffffffff03000000",                                                                              // the trust point
		},
		settings: []string{"separator", "signer in db"}, flags: plain, numbers: plainNumbers(13),
		policy: "SiPolicy.p7b 10.0.0.0", digest: "53ecf18ecb76bb22f0cecf97ab824b4fd9a36e50892995553c9fb8eebc4648f3",
	},
	{
		file: "x1carbon.bin", bank: SHA256, agile: true, banks: []Bank{{SHA1, 20}, {SHA256, 32}}, events: 64,
		dump: map[int]string{
			0x040f: "0700000001000080",                                                                      // PCR 7, EV_EFI_VARIABLE_DRIVER_CONFIG
			0x048b: "01" + "0700000001000080",                                                               // SecureBoot's value, and the next event
			0x575e: "0500020004000000" + "04000000",                                                         // BitLockerUnlock, by the TPM
			0x5db7: "0c00050008000000" + "0000000000000000",                                                 // HypervisorIOMMUPolicy
			0x5e67: "0300020004000000" + "05000000",                                                         // TransferControl of the hypervisor loader
			0x5fb2: "0f00050056000000" + "0000464a00000a00",                                                 // SIPolicy, version 10.0.19014.0
			0x7d73: "0a00050008000000" + "0100000000000000",                                                 // HypervisorLaunchType
			0x7d83: "1200050008000000" + "0100000000000000",                                                 // VSMLaunchType
			0x7dc0: "07000a0008000000" + "0100000000000000",                                                 // VBSHVCIPolicy
			0xf654: "2000050013010000" + "01000000000800000300000000010000" + "010001" + "cfb6a06fe4a4d219", // IDK
			0xf76f: "2300050013010000" + "01000000000800000300000000010000" + "010001" + "aabea3636096a9c1", // IDKS
		},
		secure: []bool{true}, settings: []string{"SecureBoot", "PK", "KEK", "db", "dbx", "separator", "signer in db"},
		flags: map[ID][]bool{
			BootDebugging: four, HypervisorDebug: twice, OSKernelDebug: twice, CodeIntegrity: {true, true, true, true}, TestSigning: four,
			SafeMode: twice, WinPE: twice, PagefileEncryption: twice, HibernationDisabled: twice, DumpsDisabled: twice, DumpEncryption: twice,
		},
		numbers: map[ID][]uint64{
			BootCounter: {0xce}, TransferControl: {1, 5}, BitLockerUnlock: {4, 4, 1, 1}, HypervisorLaunchType: {1, 1},
			HypervisorIOMMUPolicy: {0, 0}, VSMLaunchType: {1, 1}, VBSHVCIPolicy: {1, 1},
		},
		policy: "DriverSiPolicy.p7b 10.0.19014.0", digest: "8f8fc9218805fee27996a96af8b619ad4374a37edcc14913f4308a06bc0092ee",
		keys: [2]string{"cfb6a06fe4a4d219", "aabea3636096a9c1"},
	},
}

func TestRealLogs(t *testing.T) {
	for _, c := range realBoots {
		t.Run(c.file, func(t *testing.T) {
			data := readReal(t, c.file)
			for offset, text := range c.dump {
				require.Equal(t, text, hex.EncodeToString(data[offset:offset+len(text)/2]), "at %#x", offset)
			}
			l, err := Parse(data)
			require.NoError(t, err)
			require.Equal(t, data, l.Bytes())
			require.Equal(t, c.agile, l.Agile)
			require.Equal(t, c.banks, l.Banks)
			require.Len(t, l.Events, c.events)

			pcrs, err := l.Replay(c.bank)
			require.NoError(t, err)
			b, err := l.Prove(c.bank, pcrs)
			require.NoError(t, err)
			require.Equal(t, c.secure, b.SecureBoot)
			require.False(t, b.FirmwareDebugger)
			var names []string
			for _, s := range b.Settings {
				names = append(names, s.Name)
			}
			require.Equal(t, c.settings, names)
			require.Equal(t, c.flags, b.flags)
			require.Equal(t, c.numbers, b.numbers)
			require.Empty(t, b.DumpKeys)
			if c.policy == "" {
				require.Empty(t, b.Policies)
			} else {
				require.Len(t, b.Policies, 1)
				require.Equal(t, c.policy, b.Policies[0].String())
				require.Equal(t, SHA256, b.Policies[0].Algorithm)
				require.Equal(t, c.digest, hex.EncodeToString(b.Policies[0].Digest))
			}
			if c.keys[0] == "" {
				require.Nil(t, b.EncryptionKey)
				require.Nil(t, b.SigningKey)
				return
			}
			require.Equal(t, c.keys[0], hex.EncodeToString(b.EncryptionKey.N.Bytes()[:8]))
			require.Equal(t, c.keys[1], hex.EncodeToString(b.SigningKey.N.Bytes()[:8]))
			require.Equal(t, 65537, b.EncryptionKey.E)
			require.Equal(t, 2048, b.SigningKey.N.BitLen())
		})
	}
}

// judge runs tpm2_eventlog on a log and gives the PCRs that it finds, by the names of the banks.
func judge(t *testing.T, log []byte) map[string]map[uint32]string {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, log, 0o600))
	out, err := exec.Command("tpm2_eventlog", path).Output()
	require.NoError(t, err, "tpm2_eventlog is in the package tpm2-tools")
	_, out, found := cutLine(out, "pcrs:")
	require.True(t, found)
	pcrs, bank := map[string]map[uint32]string{}, ""
	for _, line := range regexp.MustCompile(`(?m)^ +(sha\d+:|\d+ +: 0x[0-9a-f]+)$`).FindAllSubmatch(out, -1) {
		text := string(line[1])
		if name, ok := trimColon(text); ok {
			bank = name
			pcrs[bank] = map[uint32]string{}
			continue
		}
		parts := regexp.MustCompile(`^(\d+) +: 0x([0-9a-f]+)$`).FindStringSubmatch(text)
		n, err := strconv.ParseUint(parts[1], 10, 32)
		require.NoError(t, err)
		pcrs[bank][uint32(n)] = parts[2]
	}
	return pcrs
}

func cutLine(out []byte, line string) (before, after []byte, found bool) {
	at := regexp.MustCompile(`(?m)^` + line + `$`).FindIndex(out)
	if at == nil {
		return out, nil, false
	}
	return out[:at[0]], out[at[1]:], true
}

func trimColon(s string) (string, bool) {
	if s[0] == 's' {
		return s[:len(s)-1], true
	}
	return s, false
}

// TestReplayAgainstTPM2Tools compares the replay with that of tpm2-tools 5.4, which does not know of trust points, which
// extend nothing, nor of the locality from which PCR 0 starts.
func TestReplayAgainstTPM2Tools(t *testing.T) {
	for _, c := range realBoots {
		t.Run(c.file, func(t *testing.T) {
			l, err := Parse(readReal(t, c.file))
			require.NoError(t, err)
			compareWithTPM2Tools(t, l)
		})
	}
	t.Run("built", func(t *testing.T) {
		l := New(SHA1, SHA256, SHA384)
		for pcr := range uint32(24) {
			l.Append(pcr, Separator, []byte{byte(pcr), 0, 0, 0})
			l.Append(pcr, EFIAction, []byte("Exit Boot Services Invocation"))
		}
		compareWithTPM2Tools(t, l)
	})
}

func compareWithTPM2Tools(t *testing.T, l *Log) {
	var localities []Event
	shown := *l
	shown.Events = nil
	for _, e := range l.Events {
		switch {
		case e.Type != NoAction:
			shown.Events = append(shown.Events, e)
		case e.PCR == 0:
			localities = append(localities, e)
		}
	}
	found := judge(t, shown.Bytes())
	for bank, name := range map[Algorithm]string{SHA1: "sha1", SHA256: "sha256", SHA384: "sha384"} {
		if !l.has(bank) {
			require.NotContains(t, found, name)
			continue
		}
		require.NotEmpty(t, found[name])
		ours, err := l.Replay(bank)
		require.NoError(t, err)
		for n, value := range found[name] {
			if n == 0 && len(localities) > 0 {
				require.NotEqual(t, value, hex.EncodeToString(ours[0]))
				continue
			}
			require.Equal(t, value, hex.EncodeToString(ours[n]), "PCR %d", n)
		}
	}
}

// TestReplayAgainstQuote compares the replay with what a TPM signed: the Supermicro's log ends with a trust point, in which
// there is a quote (TPMS_ATTEST, TPM 2.0 Part 2, section 10.12.12) of most of its SHA-256 PCRs after that boot.
func TestReplayAgainstQuote(t *testing.T) {
	l, err := Parse(readReal(t, "IMN-SUPERMICRO-no-epp.0.bin"))
	require.NoError(t, err)
	points, err := ParseTagged(l.Events[len(l.Events)-1].Data)
	require.NoError(t, err)
	var quote []byte
	for _, e := range points[0].Events {
		if e.ID == 0x80080001 {
			quote = e.Data
		}
	}
	require.Len(t, quote, 0x79)
	tail := quote[len(quote)-(4+2+1+3+2+20):] // one selection, its bank, size and bits, and the digest
	require.Equal(t, uint16(SHA256), binary.BigEndian.Uint16(tail[4:]))
	pcrs, err := l.Replay(SHA256)
	require.NoError(t, err)
	h := sha1.New()
	var selected []uint32
	for n := range uint32(24) {
		if tail[7+n/8]>>(n%8)&1 == 0 {
			continue
		}
		selected = append(selected, n)
		if pcrs[n] == nil {
			pcrs[n] = make([]byte, 32)
		}
		h.Write(pcrs[n])
	}
	require.Equal(t, []uint32{0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15}, selected)
	require.Equal(t, tail[len(tail)-20:], h.Sum(nil))
}
