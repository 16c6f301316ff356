package volumetest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func windowsPartitions(o Options) []partition {
	return []partition{
		esp(o, tree{
			"EFI/Boot/bootx64.efi":            64 << 10,
			"EFI/Microsoft/Boot/bootmgfw.efi": 64 << 10,
			"EFI/Microsoft/Boot/BCD":          16 << 10,
		}),
		{
			typ: "e3c9e316-0b5c-4db8-817d-f92df00215ae", guid: MSRGUID,
			name: "Microsoft reserved partition", size: 16 * mib,
		},
		{
			typ: "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", guid: OSGUID,
			name: "Basic data partition", size: o.OSSize,
			format: ntfs("Windows", tree{
				"Windows/explorer.exe":                    100_000,
				"Windows/System32/ntoskrnl.exe":           700_001,
				"Windows/System32/winload.efi":            200_000,
				"Windows/System32/config/SYSTEM":          256 << 10,
				"Windows/System32/drivers/etc/hosts":      824,
				"Windows/System32/Sysprep/sysprep.exe":    50_000,
				"Windows/Panther/unattend.xml":            500,
				"Program Files/Common Files/desktop.ini":  0,
				"Users/Default/NTUSER.DAT":                32 << 10,
				"Users/Default/AppData/Local/Temp/a.tmp":  1,
				"ProgramData/Microsoft/Windows/Größe.txt": 4096,
			}),
		},
		{
			typ: "de94bba4-06d1-4d40-a16a-bfd50179d6ac", guid: RecoveryGUID,
			name: "", attributes: "RequiredPartition GUID:63", size: 16 * mib,
			format: ntfs("Recovery", tree{"Recovery/WindowsRE/ReAgent.xml": 1000}),
		},
	}
}

func linuxPartitions(o Options) []partition {
	return []partition{
		esp(o, tree{
			"EFI/debian/shimx64.efi": 64 << 10,
			"EFI/debian/grubx64.efi": 64 << 10,
		}),
		{
			typ: "0fc63daf-8483-4772-8e79-3d69d8477de4", guid: BootGUID, name: "boot", size: 32 * mib,
			format: func(t testing.TB, file string, _ volume) {
				dir := tree{"vmlinuz": 500_000, "initrd.img": 800_000, "grub/grub.cfg": 3000}.write(t)
				Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-U", BootGUID, "-d", dir, file)
			},
		},
		{
			typ: "ca7d7ccb-63ed-4c53-861c-1742536059cc", guid: OSGUID, name: "root", size: o.OSSize,
			format: luks,
		},
	}
}

// esp is an EFI system partition as large as FAT32 needs: at least 65,525
// clusters of a sector.
func esp(o Options, files tree) partition {
	size := int64(40 * mib)
	if o.SectorSize == 4096 {
		size = 264 * mib
	}
	return partition{
		typ: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", guid: ESPGUID,
		name: "EFI system partition", attributes: "GUID:63", size: size,
		format: func(t testing.TB, file string, v volume) {
			dir := files.write(t)
			Run(t, "mkfs.fat", "-F", "32", "-s", "1", "-S", strconv.Itoa(v.sectorSize),
				"-h", strconv.FormatInt(v.first, 10), "-i", "5c07a001", "-n", "SYSTEM", file)
			Run(t, "mcopy", "-s", "-i", file, filepath.Join(dir, "EFI"), "::")
		},
	}
}

// ntfs formats a volume and fills it from a WIM, as Windows Setup does: wimapply
// writes into a volume that is not mounted.
func ntfs(label string, files tree) func(testing.TB, string, volume) {
	return func(t testing.TB, file string, v volume) {
		Run(t, "mkntfs", "-F", "-q", "-Q", "-L", label, "-c", "4096", "-s", strconv.Itoa(v.sectorSize),
			"-p", strconv.FormatInt(v.first, 10), "-H", "255", "-S", "63", file)
		wim := filepath.Join(t.TempDir(), "install.wim")
		Run(t, "wimcapture", files.write(t), wim, label, "--compress=none", "--no-acls")
		Run(t, "wimapply", wim, "1", file)
	}
}

func luks(t testing.TB, file string, v volume) {
	runWithInput(t, "scutum", "cryptsetup", "luksFormat", "--batch-mode", "--disable-locks", "--type", "luks2",
		"--uuid", OSGUID, "--sector-size", strconv.Itoa(v.sectorSize), "--key-file", "-",
		"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", file)
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	const luks2HeaderSize = 16 * mib
	_, err = f.WriteAt(noise("ciphertext", 2*mib), luks2HeaderSize)
	require.NoError(t, err)
}

// A tree is a folder of files: their sizes in bytes by their paths.
type tree map[string]int

// write makes the tree in a folder of the test and returns the folder.
func (files tree) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, size := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, noise(name, size), 0o644))
	}
	return dir
}

// noise gives bytes without a pattern that are always the same for a name.
func noise(name string, n int) []byte {
	var seed [32]byte
	copy(seed[:], name)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return b
}
