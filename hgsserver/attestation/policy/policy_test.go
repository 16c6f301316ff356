package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

var all = []string{
	"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings", "Hgs_UefiDebugDisabled", "Hgs_CiPolicy", "Hgs_HypervisorEnforcedCiPolicy", "Hgs_FullBoot",
	"Hgs_VsmIdkPresent", "Hgs_VsmRunning", "Hgs_IommuEnabled", "Hgs_PageFileEncryptionEnabled", "Hgs_NoHibernation", "Hgs_NoDumps",
	"Hgs_DumpEncryption", "Hgs_DumpEncryptionKey", "Hgs_BitLockerEnabled",
}

func TestBuiltIn(t *testing.T) {
	var names, locked, off []string
	guids := map[string]bool{}
	for _, p := range BuiltIn() {
		names = append(names, p.Name)
		guids[p.GUID.String()] = true
		if p.Locked {
			locked = append(locked, p.Name)
		}
		if !p.AtOnce {
			off = append(off, p.Name)
		}
		require.NotEmpty(t, p.Says)
		require.Equal(t, p.AtOnce, new(Set).Enabled(strings.ToUpper(p.Name)))
	}
	require.Equal(t, all, names)
	require.Equal(t, []string{"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings", "Hgs_CiPolicy", "Hgs_FullBoot", "Hgs_VsmIdkPresent"}, locked)
	require.Equal(t, []string{"Hgs_BitLockerEnabled"}, off)
	require.Len(t, guids, len(all))
}

func readReal(t *testing.T, name string) []byte {
	t.Helper()
	const folder = "/work/shared/testdata/tcglog"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the real logs are not here: ", err)
	}
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return data
}

// realHosts says which policies each real log fulfils; the dumps in the tests of tcglog show why. Each is held against its own
// Secure Boot configuration and the code integrity policies of all.
var realHosts = []struct {
	file string
	bank tcglog.Algorithm
	met  []string
	why  map[string]string // what was measured where it fails
}{
	{
		// Secure Boot, but nothing of the virtual secure mode: a plain server in the cloud.
		"windows_gcp_shielded_vm.tcglog", tcglog.SHA1,
		[]string{"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings", "Hgs_UefiDebugDisabled", "Hgs_FullBoot"},
		map[string]string{
			"Hgs_CiPolicy":                   "code integrity true; test signing false; no code integrity policy",
			"Hgs_HypervisorEnforcedCiPolicy": "hypervisor launch type 0; hypervisor-enforced code integrity not measured",
			"Hgs_VsmIdkPresent":              "no identity key",
			"Hgs_VsmRunning":                 "VSM launch type 0",
			"Hgs_IommuEnabled":               "IOMMU required not measured; hypervisor IOMMU policy not measured",
			"Hgs_PageFileEncryptionEnabled":  "page file encryption false",
			"Hgs_NoHibernation":              "hibernation disabled false",
			"Hgs_NoDumps":                    "crash dumps disabled false",
			"Hgs_DumpEncryption":             "crash dumps disabled false; crash dump encryption false",
			"Hgs_DumpEncryptionKey":          "crash dumps disabled false; no key",
			"Hgs_BitLockerEnabled":           "BitLocker unlock flags 0",
		},
	},
	{
		"IMN-DELL-WBCL-BootCtrs.0.bin", tcglog.SHA256,
		[]string{"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings", "Hgs_UefiDebugDisabled", "Hgs_FullBoot"},
		map[string]string{"Hgs_CiPolicy": "code integrity true; test signing false; no code integrity policy", "Hgs_BitLockerEnabled": "BitLocker unlock flags 0"},
	},
	{
		// Secure Boot is off, so that the log makes no baseline; a code integrity policy was loaded.
		"IMN-SUPERMICRO-no-epp.0.bin", tcglog.SHA256,
		[]string{"Hgs_UefiDebugDisabled", "Hgs_CiPolicy", "Hgs_FullBoot"},
		map[string]string{"Hgs_SecureBootEnabled": "Secure Boot not measured", "Hgs_VsmRunning": "VSM launch type 0"},
	},
	{
		"x1carbon.bin", tcglog.SHA256,
		[]string{
			"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings", "Hgs_UefiDebugDisabled", "Hgs_CiPolicy", "Hgs_HypervisorEnforcedCiPolicy", "Hgs_FullBoot",
			"Hgs_VsmIdkPresent", "Hgs_VsmRunning", "Hgs_BitLockerEnabled",
		},
		map[string]string{
			"Hgs_IommuEnabled":      "IOMMU required not measured; hypervisor IOMMU policy 0",
			"Hgs_DumpEncryptionKey": "crash dumps disabled false; no key",
		},
	},
}

func TestRealHosts(t *testing.T) {
	for _, c := range realHosts {
		t.Run(c.file, func(t *testing.T) {
			data := readReal(t, c.file)
			l, err := tcglog.Parse(data)
			require.NoError(t, err)
			boot, err := l.Claim(c.bank)
			require.NoError(t, err)
			set := &Set{}
			baseline, err := NewBaseline("own", data)
			if c.bank != tcglog.SHA256 {
				require.ErrorIs(t, err, tcglog.ErrNoBank)
				require.NoError(t, set.Add(keptBaseline("own", c.bank, boot)))
			} else if len(boot.SecureBoot) == 0 {
				require.ErrorContains(t, err, "Secure Boot not measured in this log")
			} else {
				require.NoError(t, err)
				require.NoError(t, set.Add(*baseline))
			}
			for name, digest := range map[string]string{
				"SiPolicy":       "53ecf18ecb76bb22f0cecf97ab824b4fd9a36e50892995553c9fb8eebc4648f3",
				"DriverSiPolicy": "8f8fc9218805fee27996a96af8b619ad4374a37edcc14913f4308a06bc0092ee",
			} {
				b, err := hex.DecodeString(digest)
				require.NoError(t, err)
				require.NoError(t, set.Add(Administrator{Name: name, Kind: CI, Digest: b}))
			}
			require.NoError(t, set.SetEnabled("hgs_bitlockerenabled", true))

			e := set.Evaluate(boot)
			require.False(t, e.Passed())
			require.Equal(t, c.met, e.Met())
			for _, r := range e {
				if why := c.why[r.Policy.Name]; why != "" {
					require.Equal(t, why, r.Measured)
					require.False(t, r.Passed)
				}
				require.NotEmpty(t, r.Expected)
			}
			require.Len(t, e.Failed(), len(all)-len(c.met))
		})
	}
}

// The logs below are built: a host that fulfils everything, and hosts that differ from it in one thing.

func flagEvent(id tcglog.ID, value byte) tcglog.Tagged {
	return tcglog.Tagged{ID: id, Data: []byte{value}}
}

func numberEvent(id tcglog.ID, size int, value byte) tcglog.Tagged {
	data := make([]byte, size)
	data[0] = value
	return tcglog.Tagged{ID: id, Data: data}
}

func toUTF16(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func variable(name string, value ...byte) []byte {
	b := []byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(name)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, toUTF16(name)...), value...)
}

func loadedPolicy(name string, file []byte) tcglog.Tagged {
	digest := sha256.Sum256(file)
	b := binary.LittleEndian.AppendUint64(nil, 1<<48)
	b = binary.LittleEndian.AppendUint16(b, uint16(2*len([]rune(name))))
	b = binary.LittleEndian.AppendUint16(b, 0xb)
	b = binary.LittleEndian.AppendUint32(b, 32)
	return tcglog.Tagged{ID: tcglog.SIPolicy, Data: append(append(b, toUTF16(name)...), digest[:]...)}
}

func identityKey() tcglog.Tagged {
	var b []byte
	for _, n := range []uint32{1, 2048, 3, 256} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return tcglog.Tagged{ID: tcglog.VSMIDKInfo, Data: append(append(b, 1, 0, 1), bytes.Repeat([]byte{0xc5}, 256)...)}
}

func dumpKey(file []byte) tcglog.Tagged {
	digest := sha256.Sum256(file)
	return tcglog.Tagged{ID: tcglog.DumpEncryptionKey, Data: digest[:]}
}

var ciFile, keyFile = []byte{0x30, 1, 2, 3}, []byte("RSA1 key")

// healthy is what a host that fulfils everything measures.
func healthy() []tcglog.Tagged {
	return []tcglog.Tagged{
		numberEvent(tcglog.TransferControl, 4, 1), numberEvent(tcglog.BitLockerUnlock, 4, 4), flagEvent(tcglog.BootDebugging, 0),
		flagEvent(tcglog.OSKernelDebug, 0), flagEvent(tcglog.CodeIntegrity, 1), flagEvent(tcglog.TestSigning, 0), flagEvent(tcglog.SafeMode, 0),
		flagEvent(tcglog.WinPE, 0), numberEvent(tcglog.HypervisorLaunchType, 8, 1), numberEvent(tcglog.HypervisorIOMMUPolicy, 8, 0),
		flagEvent(tcglog.HypervisorDebug, 0), loadedPolicy("SiPolicy.p7b", ciFile), numberEvent(tcglog.VSMLaunchType, 8, 1), identityKey(),
		flagEvent(tcglog.PagefileEncryption, 1), flagEvent(tcglog.HibernationDisabled, 1), flagEvent(tcglog.DumpsDisabled, 1),
		flagEvent(tcglog.DumpEncryption, 1), flagEvent(tcglog.VBSIOMMURequired, 1), numberEvent(tcglog.VBSHVCIPolicy, 8, 2),
	}
}

func replace(events []tcglog.Tagged, with ...tcglog.Tagged) []tcglog.Tagged {
	for _, w := range with {
		for i := range events {
			if events[i].ID == w.ID {
				events[i] = w
			}
		}
	}
	return events
}

func without(events []tcglog.Tagged, id tcglog.ID) (left []tcglog.Tagged) {
	for _, e := range events {
		if e.ID != id {
			left = append(left, e)
		}
	}
	return left
}

func buildLog(secureBoot byte, db string, debugger bool, events []tcglog.Tagged) []byte {
	l := tcglog.New(tcglog.SHA256)
	l.Append(7, tcglog.VariableDriverConfig, variable("SecureBoot", secureBoot))
	l.Append(7, tcglog.VariableDriverConfig, variable("db", []byte(db)...))
	if debugger {
		l.Append(7, tcglog.EFIAction, []byte("UEFI Debug Mode"))
	}
	l.Append(7, tcglog.Separator, make([]byte, 4))
	l.Append(12, tcglog.EventTag, tcglog.Tagged{ID: tcglog.TrustBoundary, Events: events}.Bytes())
	closeWindows(l)
	return l.Bytes()
}

// closeWindows ends what Windows measures, as its boot loader does.
func closeWindows(l *tcglog.Log) {
	for _, pcr := range []uint32{12, 13, 14} {
		l.Append(pcr, tcglog.Separator, []byte("WBCL"))
	}
}

func claim(t *testing.T, log []byte) *tcglog.Boot {
	l, err := tcglog.Parse(log)
	require.NoError(t, err)
	b, err := l.Claim(tcglog.SHA256)
	require.NoError(t, err)
	return b
}

func expecting(t *testing.T) *Set {
	set := &Set{}
	baseline, err := NewBaseline("rack 1", buildLog(1, "db", false, healthy()))
	require.NoError(t, err)
	ci, err := NewCI("production", ciFile)
	require.NoError(t, err)
	key, err := NewDumpKey("dump key", keyFile)
	require.NoError(t, err)
	for _, a := range []*Administrator{baseline, ci, key} {
		require.NoError(t, set.Add(*a))
	}
	require.NoError(t, set.SetEnabled("Hgs_BitLockerEnabled", true))
	return set
}

func TestHealthy(t *testing.T) {
	e := expecting(t).Evaluate(claim(t, buildLog(1, "db", false, healthy())))
	require.True(t, e.Passed(), "%v", e.Failed())
	require.Equal(t, all, e.Met())
	for _, r := range e {
		switch r.Policy.Name {
		case "Hgs_SecureBootSettings":
			require.Equal(t, "rack 1", r.Matched)
		case "Hgs_CiPolicy":
			require.Equal(t, "production", r.Matched)
		default:
			require.Empty(t, r.Matched)
		}
	}
	require.False(t, Evaluation(nil).Passed())
	require.False(t, e[1:].Passed())
	require.Len(t, new(Set).Evaluate(claim(t, buildLog(1, "db", false, healthy()))).Failed(), 2) // no baseline, no CI policy
}

// TestOneThingMissing leaves one measurement out at a time: what was not measured fulfils nothing.
func TestOneThingMissing(t *testing.T) {
	set := expecting(t)
	for id, fail := range map[tcglog.ID][]string{
		tcglog.TransferControl: {"Hgs_FullBoot"}, tcglog.SafeMode: {"Hgs_FullBoot"}, tcglog.WinPE: {"Hgs_FullBoot"},
		tcglog.BitLockerUnlock: {"Hgs_BitLockerEnabled"},
		tcglog.BootDebugging:   {"Hgs_UefiDebugDisabled"}, tcglog.OSKernelDebug: {"Hgs_UefiDebugDisabled"},
		tcglog.CodeIntegrity: {"Hgs_CiPolicy"}, tcglog.TestSigning: {"Hgs_CiPolicy"}, tcglog.SIPolicy: {"Hgs_CiPolicy"},
		tcglog.HypervisorLaunchType: {"Hgs_HypervisorEnforcedCiPolicy"}, tcglog.VBSHVCIPolicy: {"Hgs_HypervisorEnforcedCiPolicy"},
		tcglog.VSMLaunchType: {"Hgs_VsmRunning"}, tcglog.VSMIDKInfo: {"Hgs_VsmIdkPresent"}, tcglog.VBSIOMMURequired: {"Hgs_IommuEnabled"},
		tcglog.PagefileEncryption: {"Hgs_PageFileEncryptionEnabled"}, tcglog.HibernationDisabled: {"Hgs_NoHibernation"},
		tcglog.DumpsDisabled:   {"Hgs_NoDumps", "Hgs_DumpEncryptionKey"},
		tcglog.DumpEncryption:  nil,                                                          // there are no dumps
		tcglog.HypervisorDebug: {"Hgs_UefiDebugDisabled"}, tcglog.HypervisorIOMMUPolicy: nil, // the default, and VBSIOMMURequired decides
	} {
		var failed []string
		for _, r := range set.Evaluate(claim(t, buildLog(1, "db", false, without(healthy(), id)))).Failed() {
			failed = append(failed, r.Policy.Name)
		}
		require.Equal(t, fail, failed, id)
	}
}

// TestOneThingWrong changes one thing at a time, and expects these policies and no others to fail.
func TestOneThingWrong(t *testing.T) {
	set := expecting(t)
	change := func(with ...tcglog.Tagged) []byte { return buildLog(1, "db", false, replace(healthy(), with...)) }
	more := func(with ...tcglog.Tagged) []byte { return buildLog(1, "db", false, append(healthy(), with...)) }
	less := func(id tcglog.ID) []byte { return buildLog(1, "db", false, without(healthy(), id)) }
	dumps := []tcglog.Tagged{flagEvent(tcglog.DumpsDisabled, 0)}
	for name, c := range map[string]struct {
		log  []byte
		fail []string
	}{
		"Secure Boot off":         {buildLog(0, "db", false, healthy()), []string{"Hgs_SecureBootEnabled", "Hgs_SecureBootSettings"}},
		"another db":              {buildLog(1, "dB", false, healthy()), []string{"Hgs_SecureBootSettings"}},
		"firmware debugger":       {buildLog(1, "db", true, healthy()), []string{"Hgs_SecureBootSettings", "Hgs_UefiDebugDisabled"}},
		"boot debugger":           {change(flagEvent(tcglog.BootDebugging, 1)), []string{"Hgs_UefiDebugDisabled"}},
		"boot debugger, later":    {more(flagEvent(tcglog.BootDebugging, 1)), []string{"Hgs_UefiDebugDisabled"}},
		"boot debugger?":          {less(tcglog.BootDebugging), []string{"Hgs_UefiDebugDisabled"}},
		"kernel debugger":         {change(flagEvent(tcglog.OSKernelDebug, 1)), []string{"Hgs_UefiDebugDisabled"}},
		"hypervisor debugger":     {change(flagEvent(tcglog.HypervisorDebug, 1)), []string{"Hgs_UefiDebugDisabled"}},
		"hypervisor debugger?":    {less(tcglog.HypervisorDebug), []string{"Hgs_UefiDebugDisabled"}},
		"no hypervisor to debug":  {buildLog(1, "db", false, without(replace(healthy(), numberEvent(tcglog.HypervisorLaunchType, 8, 0)), tcglog.HypervisorDebug)), []string{"Hgs_HypervisorEnforcedCiPolicy"}},
		"no code integrity":       {change(flagEvent(tcglog.CodeIntegrity, 0)), []string{"Hgs_CiPolicy"}},
		"test signing":            {more(flagEvent(tcglog.TestSigning, 1)), []string{"Hgs_CiPolicy"}},
		"another CI policy":       {change(loadedPolicy("SiPolicy.p7b", []byte{0x30})), []string{"Hgs_CiPolicy"}},
		"no CI policy":            {less(tcglog.SIPolicy), []string{"Hgs_CiPolicy"}},
		"one more CI policy":      {more(loadedPolicy("DriverSiPolicy.p7b", []byte{1})), nil},
		"no hypervisor":           {change(numberEvent(tcglog.HypervisorLaunchType, 8, 0)), []string{"Hgs_HypervisorEnforcedCiPolicy"}},
		"no HVCI":                 {change(numberEvent(tcglog.VBSHVCIPolicy, 8, 0)), []string{"Hgs_HypervisorEnforcedCiPolicy"}},
		"HVCI of 3":               {change(numberEvent(tcglog.VBSHVCIPolicy, 8, 3)), []string{"Hgs_HypervisorEnforcedCiPolicy"}},
		"resumed":                 {change(numberEvent(tcglog.TransferControl, 4, 2)), []string{"Hgs_FullBoot"}},
		"started and resumed":     {more(numberEvent(tcglog.TransferControl, 4, 2)), []string{"Hgs_FullBoot"}},
		"by the hypervisor":       {more(numberEvent(tcglog.TransferControl, 4, 5)), nil},
		"by the hypervisor alone": {change(numberEvent(tcglog.TransferControl, 4, 5)), []string{"Hgs_FullBoot"}},
		"safe mode":               {change(flagEvent(tcglog.SafeMode, 1)), []string{"Hgs_FullBoot"}},
		"Windows PE":              {change(flagEvent(tcglog.WinPE, 1)), []string{"Hgs_FullBoot"}},
		"no IDK":                  {less(tcglog.VSMIDKInfo), []string{"Hgs_VsmIdkPresent"}},
		"no VSM":                  {change(numberEvent(tcglog.VSMLaunchType, 8, 0)), []string{"Hgs_VsmRunning"}},
		"IOMMU not required":      {change(flagEvent(tcglog.VBSIOMMURequired, 0)), []string{"Hgs_IommuEnabled"}},
		"IOMMU disabled":          {change(numberEvent(tcglog.HypervisorIOMMUPolicy, 8, 2)), []string{"Hgs_IommuEnabled"}},
		"IOMMU?":                  {less(tcglog.HypervisorIOMMUPolicy), nil},
		"plain page file":         {change(flagEvent(tcglog.PagefileEncryption, 0)), []string{"Hgs_PageFileEncryptionEnabled"}},
		"hibernation":             {change(flagEvent(tcglog.HibernationDisabled, 0)), []string{"Hgs_NoHibernation"}},
		"dumps":                   {change(dumps...), []string{"Hgs_NoDumps", "Hgs_DumpEncryptionKey"}},
		"plain dumps":             {change(append(dumps, flagEvent(tcglog.DumpEncryption, 0))...), []string{"Hgs_NoDumps", "Hgs_DumpEncryption", "Hgs_DumpEncryptionKey"}},
		"no dumps, plain":         {change(flagEvent(tcglog.DumpEncryption, 0)), nil},
		"dumps?":                  {less(tcglog.DumpsDisabled), []string{"Hgs_NoDumps", "Hgs_DumpEncryptionKey"}},
		"dumps to a known key":    {buildLog(1, "db", false, append(replace(healthy(), dumps...), dumpKey(keyFile))), []string{"Hgs_NoDumps"}},
		"dumps to another key":    {buildLog(1, "db", false, append(replace(healthy(), dumps...), dumpKey([]byte("x")))), []string{"Hgs_NoDumps", "Hgs_DumpEncryptionKey"}},
		"dumps to two keys":       {buildLog(1, "db", false, append(replace(healthy(), dumps...), dumpKey(keyFile), dumpKey([]byte("x")))), []string{"Hgs_NoDumps", "Hgs_DumpEncryptionKey"}},
		"no BitLocker":            {change(numberEvent(tcglog.BitLockerUnlock, 4, 0)), []string{"Hgs_BitLockerEnabled"}},
	} {
		t.Run(name, func(t *testing.T) {
			var failed []string
			for _, r := range set.Evaluate(claim(t, c.log)).Failed() {
				failed = append(failed, r.Policy.Name)
				require.Empty(t, r.Matched)
				require.NotEqual(t, r.Measured, r.Expected)
			}
			require.Equal(t, c.fail, failed)
		})
	}
}

func TestExplanations(t *testing.T) {
	set := expecting(t)
	get := func(log []byte, name string) Result {
		for _, r := range set.Evaluate(claim(t, log)) {
			if r.Policy.Name == name {
				return r
			}
		}
		panic(name)
	}
	r := get(buildLog(1, "dB", false, healthy()), "Hgs_SecureBootSettings")
	require.Contains(t, r.Expected, `"rack 1": measurement 2 is db with digest `)
	r = get(buildLog(1, "db", true, healthy()), "Hgs_SecureBootSettings")
	require.Contains(t, r.Expected, `"rack 1": measurement 3 is UEFI Debug Mode with digest `)
	short := tcglog.New(tcglog.SHA256)
	short.Append(7, tcglog.VariableDriverConfig, variable("SecureBoot", 1))
	closeWindows(short)
	r = get(short.Bytes(), "Hgs_SecureBootSettings")
	require.Contains(t, r.Expected, "measurement 2, db, is missing")
	long, err := tcglog.Parse(buildLog(1, "db", false, nil))
	require.NoError(t, err)
	long.Append(7, tcglog.VariableAuthority, variable("MOK", 1))
	r = get(long.Bytes(), "Hgs_SecureBootSettings")
	require.Contains(t, r.Expected, "measurement 4, signer in MOK, is too many")

	r = get(buildLog(1, "db", false, replace(healthy(), loadedPolicy("\x1b[2J\u202eevil\n"+strings.Repeat("x", 500), nil))), "Hgs_CiPolicy")
	require.Contains(t, r.Measured, "\ufffd[2J\ufffdevil\ufffdxxx")
	require.Less(t, len(r.Measured), 500)
	digest := sha256.Sum256(ciFile)
	require.Contains(t, r.Expected, hex.EncodeToString(digest[:])+" (production)")

	require.NoError(t, set.SetEnabled("production", false))
	r = get(buildLog(1, "db", false, healthy()), "Hgs_CiPolicy")
	require.Contains(t, r.Expected, "there is none")
	require.False(t, r.Passed)

	require.NoError(t, set.SetEnabled("Hgs_DumpEncryption", false))
	r = get(buildLog(1, "db", false, replace(healthy(), flagEvent(tcglog.DumpsDisabled, 0))), "Hgs_DumpEncryptionKey")
	require.True(t, r.Passed)
	require.Equal(t, "nothing, since Hgs_DumpEncryption is disabled", r.Expected)
}

// TestManyPoliciesAreToldBriefly evaluates where administrators added more than a record of an attestation should name.
func TestManyPoliciesAreToldBriefly(t *testing.T) {
	set := expecting(t)
	for i := range 300 {
		for _, a := range []Administrator{
			{Kind: Baseline, Bank: tcglog.SHA256, Settings: []Setting{{"x", make([]byte, 32)}}},
			{Kind: CI, Digest: make([]byte, 32)},
			{Kind: DumpKey, Digest: make([]byte, 32)},
		} {
			a.Name = fmt.Sprintf("%s %d", a.Kind, i)
			require.NoError(t, set.Add(a))
		}
	}
	for _, r := range set.Evaluate(claim(t, buildLog(1, "dB", false, replace(healthy(), flagEvent(tcglog.DumpsDisabled, 0))))) {
		require.Less(t, len(r.Measured)+len(r.Expected), 5000, r.Policy.Name)
	}
	r := set.Evaluate(claim(t, buildLog(1, "dB", false, nil)))
	require.Contains(t, r[1].Expected, "; and 293 others")
	require.Contains(t, r[3].Expected, " or one of 293 others")
	require.True(t, set.Evaluate(claim(t, buildLog(1, "db", false, healthy()))).Passed(), "what matches counts, told or not")
}

// keptBaseline is one of any bank, as it may be kept from before.
func keptBaseline(name string, bank tcglog.Algorithm, b *tcglog.Boot) Administrator {
	a := Administrator{Name: name, Kind: Baseline, Bank: bank}
	for _, s := range b.Settings {
		a.Settings = append(a.Settings, Setting{printable(s.Name), s.Digest})
	}
	return a
}

// TestBanksDoNotMix holds a boot that was proved by one bank against a baseline of another.
func TestBanksDoNotMix(t *testing.T) {
	set := expecting(t)
	l := tcglog.New(tcglog.SHA1)
	l.Append(7, tcglog.VariableDriverConfig, variable("SecureBoot", 1))
	closeWindows(l)
	b, err := l.Claim(tcglog.SHA1)
	require.NoError(t, err)
	require.Contains(t, set.Evaluate(b)[1].Expected, `"rack 1": it is of bank SHA-256`)
	_, err = NewBaseline("old", l.Bytes())
	require.ErrorIs(t, err, tcglog.ErrNoBank)
	require.ErrorContains(t, err, "by the SHA-256 PCRs")
	require.NoError(t, set.Add(keptBaseline("old", tcglog.SHA1, b)))
	require.Equal(t, "old", set.Evaluate(b)[1].Matched)
}

func TestSet(t *testing.T) {
	set := expecting(t)
	require.ErrorIs(t, set.SetEnabled("Hgs_CIPolicy", false), ErrLocked)
	require.NoError(t, set.SetEnabled("Hgs_CIPolicy", true))
	require.ErrorIs(t, set.SetEnabled("Hgs_Nothing", true), ErrUnknown)
	require.False(t, set.Enabled("nothing"))
	require.NoError(t, set.SetEnabled("HGS_noDumps", false))
	require.False(t, set.Enabled("Hgs_NoDumps"))
	require.NoError(t, set.SetEnabled("RACK 1", false))
	require.False(t, set.Enabled("rack 1"))
	require.NoError(t, set.SetEnabled("rack 1", true))

	ci, err := NewCI("Production", ciFile)
	require.NoError(t, err)
	require.ErrorIs(t, set.Add(*ci), ErrExists)
	ci.Name = "hgs_CiPolicy"
	require.ErrorIs(t, set.Add(*ci), ErrExists)

	text, err := json.Marshal(set)
	require.NoError(t, err)
	var again Set
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, *set, again)
	again.States["Hgs_CiPolicy"] = false // not by SetEnabled
	require.True(t, again.Enabled("Hgs_CiPolicy"))
}

func TestAdministratorRefused(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "XML": "<?xml version=\"1.0\"?>", "XML with a mark": "\ufeff<SiPolicy>"} {
		_, err := NewCI(name, []byte(text))
		require.ErrorContains(t, err, "ConvertFrom-CIPolicy")
	}
	_, err := NewCI("large", make([]byte, MaxFile+1))
	require.Error(t, err)
	_, err = NewDumpKey("empty", nil)
	require.Error(t, err)
	_, err = NewBaseline("no log", []byte("no log"))
	require.ErrorIs(t, err, tcglog.ErrMalformed)
	require.ErrorContains(t, err, "is it a .tcglog")
	_, err = NewBaseline("off", buildLog(0, "db", false, healthy()))
	require.ErrorContains(t, err, "Secure Boot false in this log")
	_, err = NewBaseline("another bank", tcglog.New(tcglog.SHA384).Bytes())
	require.ErrorIs(t, err, tcglog.ErrNoBank)
	for _, name := range []string{"", strings.Repeat("x", 129), "a\nb", "a\xff", "\u202e"} {
		_, err := NewCI(name, ciFile)
		require.ErrorContains(t, err, "the name of a policy", name)
	}
	for name, a := range map[string]Administrator{
		"no kind":            {Name: "x", Digest: make([]byte, 32)},
		"short digest":       {Name: "x", Kind: CI, Digest: make([]byte, 31)},
		"CI with settings":   {Name: "x", Kind: CI, Digest: make([]byte, 32), Settings: []Setting{{}}},
		"empty baseline":     {Name: "x", Kind: Baseline, Bank: tcglog.SHA256},
		"baseline's digest":  {Name: "x", Kind: Baseline, Bank: tcglog.SHA256, Settings: []Setting{{}}, Digest: make([]byte, 32)},
		"baseline's bank":    {Name: "x", Kind: Baseline, Settings: []Setting{{}}},
		"baseline too large": {Name: "x", Kind: Baseline, Bank: tcglog.SHA256, Settings: make([]Setting, maxSettings+1)},
	} {
		require.ErrorContains(t, new(Set).Add(a), "lacks what that kind has", name)
	}
}

// FuzzEvaluate evaluates whatever log a host sends. One of them is a baseline that it is held against.
func FuzzEvaluate(f *testing.F) {
	f.Add(buildLog(1, "db", false, healthy()))
	f.Add(buildLog(0, "db", true, replace(healthy(), flagEvent(tcglog.DumpsDisabled, 0))))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := tcglog.Parse(data)
		if err != nil {
			return
		}
		b, err := l.Claim(tcglog.SHA256)
		if err != nil {
			return
		}
		set := &Set{}
		if a, err := NewBaseline("own", data); err == nil {
			require.NoError(t, set.Add(*a))
		}
		e := set.Evaluate(b)
		require.Len(t, e, len(all))
		require.False(t, e.Passed()) // there is no CI policy
		require.Equal(t, len(set.Administrator) > 0, e[1].Passed)
		for _, r := range e {
			require.NotEmpty(t, r.Measured)
			require.NotContains(t, r.Measured+r.Expected, "\n")
		}
	})
}

// FuzzAdministrator makes policies of files. One that is taken is written and read again as it was.
func FuzzAdministrator(f *testing.F) {
	f.Add("rack 1", buildLog(1, "db", false, healthy()))
	f.Add("no Secure Boot", buildLog(0, "db", false, nil))
	f.Add("\x1b[2J", []byte("<xml/>"))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, name string, file []byte) {
		for _, maker := range []func(string, []byte) (*Administrator, error){NewBaseline, NewCI, NewDumpKey} {
			a, err := maker(name, file)
			if err != nil {
				continue
			}
			require.NoError(t, new(Set).Add(*a))
			text, err := json.Marshal(a)
			require.NoError(t, err)
			var again Administrator
			require.NoError(t, json.Unmarshal(text, &again))
			require.Equal(t, a, &again)
		}
	})
}
