package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/uuid"
)

const (
	gptSignature  = "EFI PART"
	gptHeaderSize = 92
	gptEntrySize  = gpt.PartitionEntrySize

	// maxEntries bounds what a header may ask for. Every common tool makes 128.
	maxEntries = 1024
)

// A gptCopy is one of the two copies of a GPT, whose header and entries have
// the checksums that they claim (UEFI 2.10, section 5.3.2).
type gptCopy struct {
	lba         uint64 // where the header stands
	alternate   uint64 // where it says that the other one stands
	firstUsable uint64
	lastUsable  uint64
	guid        [16]byte
	entriesLBA  uint64
	header      []byte
	entries     []byte
}

// readCopy reads the copy of the GPT whose header stands at lba of a disk that
// ends at LBA last. What is wrong with the copy is told in damage, and only a
// failing disk is an error.
func readCopy(r io.ReaderAt, lba, last uint64, sectorSize int) (c *gptCopy, damage string, err error) {
	if lba == 0 || lba > last {
		return nil, fmt.Sprintf("its place, LBA %d, is not on the disk", lba), nil
	}
	h, err := readFull(r, inBytes(lba, sectorSize), gptHeaderSize)
	if err != nil {
		return nil, "", fmt.Errorf("read the GPT header at LBA %d: %w", lba, err)
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(h[off:]) }
	u64 := func(off int) uint64 { return binary.LittleEndian.Uint64(h[off:]) }

	if string(h[:8]) != gptSignature {
		return nil, fmt.Sprintf("there is no GPT header at LBA %d", lba), nil
	}
	crc := u32(16)
	clear(h[16:20])
	if crc32.ChecksumIEEE(h) != crc {
		return nil, "the checksum of its header is wrong", nil
	}
	if u32(8) != 0x10000 || u32(12) != gptHeaderSize || u32(20) != 0 {
		return nil, fmt.Sprintf("its header is not of revision 1.0 and %d bytes", gptHeaderSize), nil
	}
	if u64(24) != lba {
		return nil, fmt.Sprintf("its header at LBA %d claims to be at LBA %d", lba, u64(24)), nil
	}
	count, size := u32(80), u32(84)
	if count > maxEntries || size != gptEntrySize {
		return nil, fmt.Sprintf("it has %d entries of %d bytes; at most %d of %d bytes are supported",
			count, size, maxEntries, gptEntrySize), nil
	}

	c = &gptCopy{lba: lba, alternate: u64(32), firstUsable: u64(40), lastUsable: u64(48), entriesLBA: u64(72), header: h}
	copy(c.guid[:], h[56:])
	length := int(count) * gptEntrySize
	sectors := sectorsFor(length, sectorSize)
	if c.entriesLBA < 2 || c.entriesLBA > last || sectors > last-c.entriesLBA+1 {
		return nil, fmt.Sprintf("its entries at LBA %d are not on the disk", c.entriesLBA), nil
	}
	c.entries, err = readFull(r, inBytes(c.entriesLBA, sectorSize), length)
	if err != nil {
		return nil, "", fmt.Errorf("read the GPT entries at LBA %d: %w", c.entriesLBA, err)
	}
	if crc32.ChecksumIEEE(c.entries) != u32(88) {
		return nil, "the checksum of its entries is wrong", nil
	}
	return c, "", nil
}

// readGPT reads both copies of the GPT of a disk that ends at LBA last, refuses
// what is wrong with them, and returns the one to go by: the primary, else the
// backup. It is nil when there is none; a protective MBR says that there ought
// to be.
func (l *Layout) readGPT(r io.ReaderAt, last uint64, protective bool) (*gptCopy, error) {
	primary, primaryDamage, err := readCopy(r, 1, last, l.SectorSize)
	if err != nil {
		return nil, err
	}
	backupLBA := last
	if primary != nil {
		backupLBA = primary.alternate
	}
	backup, backupDamage, err := readCopy(r, backupLBA, last, l.SectorSize)
	if err != nil {
		return nil, err
	}

	switch {
	case primary == nil && backup == nil:
		if protective {
			l.Table = TableGPT
			l.refuse(ErrBrokenGPT, "restore the disk from a copy, or partition it anew and install the operating system again",
				"both copies of the GPT are damaged; the primary: %s; the backup: %s", primaryDamage, backupDamage)
		}
		return nil, nil
	case primary == nil:
		l.refuse(ErrBrokenGPT, remedyRewriteGPT, "the primary GPT is damaged: %s", primaryDamage)
	case backupLBA > last:
		l.refuse(ErrBrokenGPT, "restore the disk from a copy, or give it back its former size",
			"the backup GPT at LBA %d is beyond the end of the disk, LBA %d: the disk was cut off", backupLBA, last)
	case backup == nil:
		l.refuse(ErrBrokenGPT, remedyRewriteGPT, "the backup GPT is damaged: %s", backupDamage)
	default:
		if field := primary.difference(backup); field != "" {
			l.refuse(ErrBrokenGPT, remedyRewriteGPT, "the backup GPT differs from the primary in %s", field)
		}
	}
	if backupLBA < last {
		l.refuse(ErrBrokenGPT, `move the backup to the end with "sgdisk --move-second-header DEVICE"`,
			"the backup GPT is at LBA %d, not at the end of the disk, LBA %d: the disk was enlarged", backupLBA, last)
	}

	l.Table = TableGPT
	g := primary
	if g == nil {
		g = backup
	}
	if fault := g.usableRangeFault(last, l.SectorSize); fault != "" && backupLBA <= last {
		l.refuse(ErrBrokenGPT, remedyRepartition, "%s", fault)
	}
	return g, nil
}

// difference names the first field that the two copies of a GPT must have in
// common and have not.
func (c *gptCopy) difference(other *gptCopy) string {
	switch {
	case c.guid != other.guid:
		return "the disk GUID"
	case c.firstUsable != other.firstUsable || c.lastUsable != other.lastUsable:
		return "the usable range"
	case !bytes.Equal(c.entries, other.entries):
		return "the partition entries"
	case other.alternate != c.lba:
		return "the place of the first copy"
	}
	return ""
}

// usableRangeFault checks that the usable range leaves out both copies, of
// which one stands at each end of the disk.
func (c *gptCopy) usableRangeFault(last uint64, sectorSize int) string {
	n := sectorsFor(len(c.entries), sectorSize)
	inside := func(lba uint64) bool { return lba <= c.lastUsable && lba+n > c.firstUsable }
	if c.firstUsable < 2+n || c.firstUsable > c.lastUsable || c.lastUsable >= last || last-c.lastUsable <= n ||
		inside(c.entriesLBA) {
		return fmt.Sprintf("the usable range, LBA %d to %d, does not leave room for the two copies of the GPT", c.firstUsable, c.lastUsable)
	}
	return ""
}

// partitions reads the entries of the copy c through go-diskfs. It allocates
// what a header asks for, so it is given the verified bytes in memory, and never
// the disk, which somebody may change meanwhile.
func (c *gptCopy) partitions(sectorSize int) ([]Partition, error) {
	if len(c.entries) == 0 {
		return []Partition{}, nil
	}
	table, err := gpt.Read(c.alone(sectorSize), sectorSize, sectorSize)
	if err != nil {
		return nil, fmt.Errorf("read the GPT: %w", err)
	}
	parts := make([]Partition, 0, len(table.Partitions))
	for _, e := range table.Partitions {
		p := Partition{
			Index:      e.Index,
			GUID:       strings.ToLower(e.GUID),
			Type:       strings.ToLower(string(e.Type)),
			Name:       e.Name,
			Attributes: e.Attributes,
			First:      e.Start,
			sectorSize: sectorSize,
		}
		if e.End >= e.Start {
			p.Sectors = e.End - e.Start + 1 // 0 for all of 64 bits
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// A gptImage is the begin of a disk, in memory: an empty sector, a header at
// LBA 1, and its entries.
type gptImage struct{ *bytes.Reader }

func (gptImage) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
func (gptImage) Close() error               { return nil }

// alone is the copy c as a primary one on a disk of its own.
func (c *gptCopy) alone(sectorSize int) gptImage {
	h := bytes.Clone(c.header)
	binary.LittleEndian.PutUint64(h[72:], 2)
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	b := make([]byte, 2*sectorSize, 2*sectorSize+len(c.entries))
	copy(b[sectorSize:], h)
	return gptImage{bytes.NewReader(append(b, c.entries...))}
}

// nameIsUTF16 says whether the name in the entry of a partition, up to its end
// or its first NUL, is UTF-16: whether all surrogates in it are in pairs.
func (c *gptCopy) nameIsUTF16(index int) bool {
	name := c.entries[(index-1)*gptEntrySize:][56:gptEntrySize]
	high := false // the unit before was the first of a pair
	for ; len(name) > 0; name = name[2:] {
		unit := binary.LittleEndian.Uint16(name)
		if low := unit >= 0xdc00 && unit < 0xe000; low != high {
			return false
		}
		if unit == 0 {
			return true
		}
		high = unit >= 0xd800 && unit < 0xdc00
	}
	return !high
}

// formatGUID writes a GUID of the GPT, whose first three fields are
// little-endian.
func formatGUID(g [16]byte) string {
	u := uuid.UUID(g)
	binary.BigEndian.PutUint32(u[0:], binary.LittleEndian.Uint32(g[0:]))
	binary.BigEndian.PutUint16(u[4:], binary.LittleEndian.Uint16(g[4:]))
	binary.BigEndian.PutUint16(u[6:], binary.LittleEndian.Uint16(g[6:]))
	return u.String()
}

func sectorsFor(length, sectorSize int) uint64 {
	return uint64((length + sectorSize - 1) / sectorSize)
}

// readFull reads exactly n bytes at off.
func readFull(r io.ReaderAt, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, off)
	if got == n {
		return b, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}
