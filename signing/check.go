package signing

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

const (
	maxDiskSize   = 64 << 40 // bytes: no VHDX is larger
	maxVolumes    = 128      // entries of a GPT as every system makes it
	maxName       = 255      // characters of a template's name
	maxVolumeName = 36       // UTF-16 code units of a name in the GPT
)

// check holds a catalog against all the rules of its format.
func (c *Catalog) check() error {
	if err := c.checkDescription(); err != nil {
		return err
	}
	return c.checkHashes()
}

// checkDescription checks all but the hashes.
func (c *Catalog) checkDescription() error {
	if c.Format != Format {
		return fmt.Errorf("format %.32q is unknown, want %q", c.Format, Format)
	}
	if err := checkName(c.Template.Name); err != nil {
		return err
	}
	if c.Template.Version == (Version{}) {
		return errors.New("the template's version is 0.0.0.0, which stands for none")
	}
	if c.Type != volume.Windows && c.Type != volume.Linux {
		return fmt.Errorf("type %.32q is neither %q nor %q", c.Type, volume.Windows, volume.Linux)
	}
	if c.Created.Location() != time.UTC || c.Created.Nanosecond() != 0 || c.Created.Year() < 1970 || c.Created.Year() > 9999 {
		return fmt.Errorf("the time of creation, %s, is not a time in UTC and whole seconds from 1970 on", c.Created.Format(time.RFC3339Nano))
	}
	if err := c.Disk.check(); err != nil {
		return err
	}
	return c.checkVolumes()
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the template has no name")
	case !utf8.ValidString(name):
		return errors.New("the template's name is not UTF-8")
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("the template's name has more than %d characters", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("the template's name %q has a character that cannot be printed", name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the template's name %q begins or ends with a space", name)
	}
	return nil
}

func (d Disk) check() error {
	if d.SectorSize != 512 && d.SectorSize != 4096 {
		return fmt.Errorf("the sector size is %d, not 512 or 4096", d.SectorSize)
	}
	if d.Size <= 0 || d.Size > maxDiskSize || d.Size%int64(d.SectorSize) != 0 {
		return fmt.Errorf("the disk's size, %d bytes, is not one of whole sectors up to 64 TiB", d.Size)
	}
	if !isGUID(d.GUID) {
		return fmt.Errorf("the disk's GUID %.48q is not a GUID in lower case, or zero", d.GUID)
	}
	return nil
}

func (c *Catalog) checkVolumes() error {
	if n := len(c.Volumes); n == 0 || n > maxVolumes {
		return fmt.Errorf("there are %d volumes, not 1 to %d", n, maxVolumes)
	}
	var (
		guids = map[string]bool{}
		next  uint64 // first LBA that is free for the next volume
		os    int
	)
	for i := range c.Volumes {
		v := &c.Volumes[i]
		if err := v.check(c.Disk); err != nil {
			return fmt.Errorf("volume %d: %w", i, err)
		}
		if guids[v.GUID] {
			return fmt.Errorf("volume %d: its GUID %s is that of another volume", i, v.GUID)
		}
		if v.First < next {
			return fmt.Errorf("volume %d: it begins at LBA %d, before the volume ahead of it ends", i, v.First)
		}
		guids[v.GUID] = true
		next = v.First + v.Sectors
		if v.Role == volume.RoleOS {
			os++
			if !v.holds(c.Type) {
				return fmt.Errorf("volume %d: %s of the type %s is no operating-system volume of %s", i, v.FileSystem, v.Type, c.Type)
			}
		}
	}
	if os != 1 {
		return fmt.Errorf("%d volumes have the role %q, not one", os, volume.RoleOS)
	}
	return nil
}

func (v *Volume) check(d Disk) error {
	roles := []volume.Role{volume.RoleOS, volume.RoleESP, volume.RoleBoot, volume.RoleMSR, volume.RoleRecovery, volume.RoleData}
	fileSystems := []volume.FileSystem{
		volume.NTFS, volume.ReFS, volume.FAT, volume.FAT32, volume.Ext, volume.BitLocker, volume.LUKS, volume.Unknown, volume.None,
	}
	first, last := d.usable()
	switch {
	case !slices.Contains(roles, v.Role):
		return fmt.Errorf("its role %.32q is unknown", v.Role)
	case !slices.Contains(fileSystems, v.FileSystem):
		return fmt.Errorf("its file system %.32q is unknown", v.FileSystem)
	case !isGUID(v.GUID):
		return fmt.Errorf("its GUID %.48q is not a GUID in lower case, or zero", v.GUID)
	case !isGUID(v.Type):
		return fmt.Errorf("its type %.48q is not the GUID of a partition type in lower case", v.Type)
	case !v.roleFits():
		return fmt.Errorf("its role %q contradicts its type %s", v.Role, v.Type)
	case (v.Role == volume.RoleMSR) != (v.FileSystem == volume.None):
		return fmt.Errorf("its file system %q contradicts its role %q", v.FileSystem, v.Role)
	case strings.ContainsRune(v.Name, 0):
		return errors.New("its name has a NUL, which ends a name in a GPT")
	case !utf8.ValidString(v.Name) || len(utf16.Encode([]rune(v.Name))) > maxVolumeName:
		return fmt.Errorf("its name does not fit into the %d UTF-16 code units of a GPT", maxVolumeName)
	case v.Sectors == 0 || v.First < first || v.First > last || v.Sectors > last-v.First+1:
		return fmt.Errorf("%d sectors from LBA %d are not within LBA %d to %d, which the two copies of the GPT leave", v.Sectors, v.First, first, last)
	}
	return nil
}

// usable gives the first and the last LBA that a GPT of maxVolumes entries leaves for volumes: before them are the protective
// MBR, the header and the entries, and after them the entries and the header again (UEFI 2.10, section 5.3.1).
func (d Disk) usable() (first, last uint64) {
	const entries = maxVolumes * gpt.PartitionEntrySize
	taken := uint64(1 + entries/d.SectorSize)
	sectors := uint64(d.Size) / uint64(d.SectorSize)
	return 1 + taken, max(sectors, 1+taken) - 1 - taken
}

// The roles that a partition type settles. Partitions of other types may be os, boot or data.
var settled = map[string]volume.Role{
	strings.ToLower(string(gpt.EFISystemPartition)):       volume.RoleESP,
	strings.ToLower(string(gpt.MicrosoftReserved)):        volume.RoleMSR,
	strings.ToLower(string(gpt.MicrosoftWindowsRecovery)): volume.RoleRecovery,
	strings.ToLower(string(gpt.LinuxExtendedBoot)):        volume.RoleBoot,
}

// roleFits says whether the volume's type may have its role.
func (v *Volume) roleFits() bool {
	if role, ok := settled[v.Type]; ok {
		return v.Role == role
	}
	return v.Role == volume.RoleOS || v.Role == volume.RoleBoot || v.Role == volume.RoleData
}

// holds says whether the volume can hold an operating system of this type.
func (v *Volume) holds(os string) bool {
	if os == volume.Linux {
		return v.FileSystem == volume.LUKS
	}
	return (v.FileSystem == volume.NTFS || v.FileSystem == volume.BitLocker) && v.Type == strings.ToLower(string(gpt.MicrosoftBasicData))
}

// checkHashes checks the hashes of a catalog whose description was checked.
func (c *Catalog) checkHashes() error {
	if c.Hash.Algorithm != "SHA-256" {
		return fmt.Errorf("hash algorithm %.32q is unknown, want %q", c.Hash.Algorithm, "SHA-256")
	}
	sizes := c.sizes()
	if want := segmentSize(sizes); c.Hash.Segment != want {
		return fmt.Errorf("the segment size is %d bytes, but volumes of these sizes have segments of %d", c.Hash.Segment, want)
	}
	for i, size := range sizes {
		want := pieces(size, c.Hash.Segment) * sha256.Size
		if got := len(c.Volumes[i].Segments); int64(got) != want {
			return fmt.Errorf("volume %d: it has %d bytes of hashes, but its size needs %d", i, got, want)
		}
	}
	return nil
}

// isGUID says whether s is a GUID as it is written in a catalog. The zero one is none: it marks what is not there.
func isGUID(s string) bool {
	g, err := vhdx.ParseGUID(s)
	return err == nil && !g.IsZero() && g.String() == s
}
