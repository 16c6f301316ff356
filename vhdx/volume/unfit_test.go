package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
)

const (
	primary       = 1 * 512
	primaryEntry  = 2 * 512
	backup        = lastLBA * 512
	backupEntry   = (lastLBA - 32) * 512
	secondEntry   = 128
	entryFirst    = 32
	entryLast     = 40
	headerFirst   = 40
	headerLast    = 48
	headerGUID    = 56
	headerEntries = 72
	headerCount   = 80
)

// both changes a field of the entries in both copies, and seals them.
func both(image []byte, off int, value uint64) {
	binary.LittleEndian.PutUint64(image[primaryEntry+off:], value)
	binary.LittleEndian.PutUint64(image[backupEntry+off:], value)
	seal(image, 1, 512)
	seal(image, lastLBA, 512)
}

// header changes a field of a header, and seals it.
func header(image []byte, lba, off int, value uint64) {
	binary.LittleEndian.PutUint64(image[lba*512+off:], value)
	seal(image, lba, 512)
}

// setType changes the type of a partition in both copies, and seals them.
func setType(image []byte, entry int, typ gpt.Type) {
	guid, err := vhdx.ParseGUID(string(typ))
	if err != nil {
		panic(err)
	}
	for _, entries := range []int{primaryEntry, backupEntry} {
		copy(image[entries+128*entry:], guid[:])
	}
	seal(image, 1, 512)
	seal(image, lastLBA, 512)
}

// named gives the first partition a name that ends with units of UTF-16.
func named(name string, units ...uint16) func([]byte) []byte {
	return func(image []byte) []byte {
		field := make([]byte, 0, 72)
		for _, unit := range append(utf16.Encode([]rune(name)), units...) {
			field = binary.LittleEndian.AppendUint16(field, unit)
		}
		for _, entries := range []int{primaryEntry, backupEntry} {
			copy(image[entries+56:], field[:72])
		}
		seal(image, 1, 512)
		seal(image, lastLBA, 512)
		return image
	}
}

func TestUnfit(t *testing.T) {
	fit := smallDisk(t)
	require.True(t, sgdiskFindsNoProblem(t, fit))
	require.Empty(t, mustReadRaw(t, fit).Unfit())

	ntfs := bytes.Clone(fit[2*mib:][:headSize])
	luks := []byte("LUKS\xba\xbe\x00\x02")
	ext := formatted(t, mib, "mke2fs", "-q", "-F", "-t", "ext2")
	bitLocker := bytes.Clone(ntfs)
	copy(bitLocker[3:], "-FVE-FS-")

	tests := []struct {
		name       string
		edit       func(image []byte) []byte
		want       []error // in order
		reason     string  // within one of the reasons
		partitions int     // that are described
		sgdiskToo  bool    // sgdisk -v must find a problem
	}{
		{name: "blank", edit: func(b []byte) []byte { return make([]byte, diskSize) },
			want: []error{ErrNoPartitionTable}, reason: "no partition table"},
		{name: "empty", edit: func(b []byte) []byte { return nil },
			want: []error{ErrNoPartitionTable}},
		{name: "one sector", edit: func(b []byte) []byte { return b[:512] },
			want: []error{ErrNoPartitionTable}},
		{name: "protective MBR begins elsewhere", edit: func(b []byte) []byte { b[446+8]++; return b },
			want: []error{ErrBrokenGPT}, reason: "the protective MBR begins at LBA 2, not 1", partitions: 2},
		{name: "one volume", edit: func(b []byte) []byte { clear(b); copy(b, ntfs); return b },
			want: []error{ErrNoPartitionTable}, reason: "all of it is one volume (ntfs)"},
		{name: "MBR", edit: func(b []byte) []byte { return sgdisk(t, b, "--gpttombr=1:2") },
			want: []error{ErrMBR}, reason: "partition types 0xef, 0x07"},
		{name: "MBR over a GPT", edit: func(b []byte) []byte { b[446+4] = 7; return b },
			want: []error{ErrMBR}, reason: "partition types 0x07"},
		{name: "MBR dynamic", edit: func(b []byte) []byte { b[446+4] = 0x42; return b },
			want: []error{ErrMBR, ErrDynamicDisk}, reason: "partition types 0x42"},
		{name: "hybrid MBR", edit: func(b []byte) []byte { return sgdisk(t, b, "--hybrid=2:EE") },
			want: []error{ErrMBR}, reason: "hybrid", partitions: 2},
		{name: "no protective MBR", edit: func(b []byte) []byte { clear(b[:512]); return b },
			want: []error{ErrBrokenGPT}, reason: "no protective MBR", partitions: 2, sgdiskToo: true},
		{name: "boot code of a volume as MBR", edit: func(b []byte) []byte { copy(b, ntfs[:512]); return b },
			want: []error{ErrBrokenGPT}, reason: "no protective MBR", partitions: 2},
		{name: "only a protective MBR", edit: func(b []byte) []byte { clear(b[512:]); return b },
			want: []error{ErrBrokenGPT}, reason: "both copies of the GPT are damaged"},

		{name: "primary header gone", edit: func(b []byte) []byte { clear(b[primary:][:512]); return b },
			want: []error{ErrBrokenGPT}, reason: "primary GPT is damaged: there is no GPT header at LBA 1", partitions: 2, sgdiskToo: true},
		{name: "primary header checksum", edit: func(b []byte) []byte { b[primary+headerGUID]++; return b },
			want: []error{ErrBrokenGPT}, reason: "primary GPT is damaged: the checksum of its header", partitions: 2, sgdiskToo: true},
		{name: "primary entries checksum", edit: func(b []byte) []byte { b[primaryEntry+56]++; return b },
			want: []error{ErrBrokenGPT}, reason: "primary GPT is damaged: the checksum of its entries", partitions: 2, sgdiskToo: true},
		{name: "backup header gone", edit: func(b []byte) []byte { clear(b[backup:]); return b },
			want: []error{ErrBrokenGPT}, reason: "backup GPT is damaged: there is no GPT header at LBA 12287", partitions: 2, sgdiskToo: true},
		{name: "backup entries checksum", edit: func(b []byte) []byte { b[backupEntry+56]++; return b },
			want: []error{ErrBrokenGPT}, reason: "backup GPT is damaged: the checksum of its entries", partitions: 2, sgdiskToo: true},
		{name: "both headers damaged", edit: func(b []byte) []byte { b[primary+headerGUID]++; b[backup+headerGUID]++; return b },
			want: []error{ErrBrokenGPT}, reason: "both copies of the GPT are damaged"},
		{name: "header of another revision", edit: func(b []byte) []byte { b[primary+8]++; seal(b, 1, 512); return b },
			want: []error{ErrBrokenGPT}, reason: "revision", partitions: 2},
		{name: "primary header claims another place", edit: func(b []byte) []byte { header(b, 1, 24, 2); return b },
			want: []error{ErrBrokenGPT}, reason: "claims to be at LBA 2", partitions: 2, sgdiskToo: true},
		{name: "two billion entries", edit: func(b []byte) []byte { header(b, 1, headerCount, 0x80<<32|0x7fffffff); return b },
			want: []error{ErrBrokenGPT}, reason: "2147483647 entries", partitions: 2},
		{name: "two billion entries in the backup", edit: func(b []byte) []byte {
			clear(b[primary:][:512])
			header(b, lastLBA, headerCount, 0x80<<32|0x7fffffff)
			return b
		}, want: []error{ErrBrokenGPT}, reason: "2147483647 entries"},
		{name: "entries of 256 bytes", edit: func(b []byte) []byte { header(b, 1, headerCount, 0x100<<32|64); return b },
			want: []error{ErrBrokenGPT}, reason: "64 entries of 256 bytes", partitions: 2},
		{name: "entries beyond the disk", edit: func(b []byte) []byte { header(b, 1, headerEntries, 1<<63); return b },
			want: []error{ErrBrokenGPT}, reason: "are not on the disk", partitions: 2},
		{name: "entries end beyond the disk", edit: func(b []byte) []byte { header(b, 1, headerEntries, lastLBA-30); return b },
			want: []error{ErrBrokenGPT}, reason: "are not on the disk", partitions: 2},

		{name: "backup has another disk GUID", edit: func(b []byte) []byte { header(b, lastLBA, headerGUID, 1); return b },
			want: []error{ErrBrokenGPT}, reason: "differs from the primary in the disk GUID", partitions: 2, sgdiskToo: true},
		{name: "backup has another usable range", edit: func(b []byte) []byte { header(b, lastLBA, headerLast, 8000); return b },
			want: []error{ErrBrokenGPT}, reason: "differs from the primary in the usable range", partitions: 2, sgdiskToo: true},
		{name: "backup has other entries", edit: func(b []byte) []byte {
			b[backupEntry+secondEntry+56]++
			seal(b, lastLBA, 512)
			return b
		}, want: []error{ErrBrokenGPT}, reason: "differs from the primary in the partition entries", partitions: 2, sgdiskToo: true},
		{name: "backup points elsewhere", edit: func(b []byte) []byte { header(b, lastLBA, 32, 2); return b },
			want: []error{ErrBrokenGPT}, reason: "the place of the first copy", partitions: 2},
		{name: "enlarged", edit: func(b []byte) []byte { return append(b, make([]byte, mib)...) },
			want: []error{ErrBrokenGPT}, reason: "the disk was enlarged", partitions: 2, sgdiskToo: true},
		{name: "cut off", edit: func(b []byte) []byte { return b[:5*mib] },
			want: []error{ErrBrokenGPT}, reason: "the disk was cut off", partitions: 2, sgdiskToo: true},
		{name: "usable range over the entries", edit: func(b []byte) []byte {
			header(b, 1, headerFirst, 3)
			header(b, lastLBA, headerFirst, 3)
			return b
		}, want: []error{ErrBrokenGPT}, reason: "does not leave room", partitions: 2},
		{name: "usable range over the backup", edit: func(b []byte) []byte {
			header(b, 1, headerLast, lastLBA-32)
			header(b, lastLBA, headerLast, lastLBA-32)
			return b
		}, want: []error{ErrBrokenGPT}, reason: "does not leave room", partitions: 2},

		{name: "overlap", edit: func(b []byte) []byte { both(b, entryLast, 4096); return b },
			want: []error{ErrOverlap}, reason: "partition 2 begins at LBA 4096, within partition 1, which ends at LBA 4096", partitions: 2, sgdiskToo: true},
		{name: "partition in the primary GPT", edit: func(b []byte) []byte { both(b, entryFirst, 20); return b },
			want: []error{ErrOutOfRange}, reason: "partition 1, 4076 sectors from LBA 20,", partitions: 2, sgdiskToo: true},
		{name: "partition in the backup GPT", edit: func(b []byte) []byte { both(b, secondEntry+entryLast, lastLBA-1); return b },
			want: []error{ErrOutOfRange}, reason: "partition 2", partitions: 2, sgdiskToo: true},
		{name: "partition beyond the disk", edit: func(b []byte) []byte { both(b, secondEntry+entryLast, 1<<40); return b },
			want: []error{ErrOutOfRange, ErrNoOSVolume}, reason: "partition 2", partitions: 2, sgdiskToo: true},
		{name: "partition of all LBAs", edit: func(b []byte) []byte {
			both(b, secondEntry+entryFirst, 0)
			both(b, secondEntry+entryLast, 1<<64-1)
			return b
		}, want: []error{ErrOutOfRange, ErrOrder, ErrNoOSVolume}, reason: "partition 2", partitions: 2, sgdiskToo: true},
		{name: "partition ends before it begins", edit: func(b []byte) []byte { both(b, entryLast, 2000); return b },
			want: []error{ErrOutOfRange}, reason: "partition 1, 0 sectors", partitions: 2, sgdiskToo: true},
		{name: "same GUID twice", edit: func(b []byte) []byte {
			copy(b[primaryEntry+secondEntry+16:][:16], b[primaryEntry+16:])
			copy(b[backupEntry+secondEntry+16:][:16], b[backupEntry+16:])
			seal(b, 1, 512)
			seal(b, lastLBA, 512)
			return b
		}, want: []error{ErrDuplicateGUID}, reason: "partitions 1 and 2 have the same GUID", partitions: 2},

		{name: "first of a surrogate pair at the end of a name", edit: named("a", 0xd800), want: []error{ErrName}, reason: "the name of partition 1", partitions: 2},
		{name: "first of a surrogate pair in a name", edit: named("a", 0xdbff, 'b'), want: []error{ErrName}, partitions: 2},
		{name: "second of a surrogate pair", edit: named("", 0xdc00), want: []error{ErrName}, partitions: 2},
		{name: "surrogates in the wrong order", edit: named("", 0xdc00, 0xd800), want: []error{ErrName}, partitions: 2},
		{name: "first of a surrogate pair twice", edit: named("", 0xd83d, 0xd83d, 0xde00), want: []error{ErrName}, partitions: 2},
		{name: "first of a surrogate pair in the last unit", edit: named(strings.Repeat("x", 35), 0xd83d), want: []error{ErrName}, partitions: 2},
		{name: "surrogate pair", edit: named("", 0xd83d, 0xde00), partitions: 2},
		{name: "surrogate pair in the last units", edit: named(strings.Repeat("x", 34), 0xd83d, 0xde00), partitions: 2},
		{name: "replacement character", edit: named("", 0xfffd), partitions: 2},
		{name: "entries swapped", edit: func(b []byte) []byte { return sgdisk(t, b, "--transpose=1:2") },
			want: []error{ErrOrder}, reason: "the one that is number 1 on the disk has entry 2", partitions: 2},
		{name: "entry left out", edit: func(b []byte) []byte { return sgdisk(t, b, "--transpose=2:5") },
			want: []error{ErrOrder}, reason: "number 2 on the disk has entry 5", partitions: 2},
		{name: "entries swapped and sorted again", edit: func(b []byte) []byte {
			return sgdisk(t, sgdisk(t, sgdisk(t, b, "--transpose=1:2"), "--transpose=2:5"), "--sort")
		}, partitions: 2},
		{name: "bad name changed by its remedy", edit: func(b []byte) []byte {
			return sgdisk(t, named("", 0xdc00)(b), "--change-name=1:EFI")
		}, partitions: 2},

		{name: "no partitions", edit: func(b []byte) []byte { setType(b, 0, gpt.Unused); setType(b, 1, gpt.Unused); return b },
			want: []error{ErrTooFewPartitions, ErrNoOSVolume}},
		{name: "one partition", edit: func(b []byte) []byte { setType(b, 0, gpt.Unused); return b },
			want: []error{ErrTooFewPartitions, ErrOrder}, reason: "the disk has too few partitions (1)", partitions: 1},
		{name: "LDM data", edit: func(b []byte) []byte { setType(b, 1, gpt.MicrosoftLDMData); return b },
			want: []error{ErrDynamicDisk}, partitions: 2},
		{name: "LDM metadata", edit: func(b []byte) []byte { setType(b, 0, gpt.MicrosoftLDMMetadata); return b },
			want: []error{ErrDynamicDisk}, partitions: 2},
		{name: "BitLocker", edit: func(b []byte) []byte { copy(b[2*mib:], bitLocker); return b },
			want: []error{ErrBitLocker}, reason: "partition 2 is already encrypted", partitions: 2},
		{name: "no OS volume", edit: func(b []byte) []byte { clear(b[2*mib:][:512]); return b },
			want: []error{ErrNoOSVolume}, partitions: 2},
		{name: "NTFS only in a recovery partition", edit: func(b []byte) []byte { setType(b, 1, gpt.MicrosoftWindowsRecovery); return b },
			want: []error{ErrNoOSVolume}, partitions: 2},
		{name: "Linux without boot", edit: func(b []byte) []byte { copy(b[2*mib:], luks); return b },
			want: []error{ErrNoOSVolume}, reason: "no ext boot partition", partitions: 2},
		{name: "Linux without encryption", edit: func(b []byte) []byte { copy(b[2*mib:], ext); return b },
			want: []error{ErrNoOSVolume}, reason: "no encrypted root (LUKS)", partitions: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // sgdisk sleeps a second after it wrote
			image := tt.edit(bytes.Clone(fit))
			l := mustReadRaw(t, image)
			unfit := l.Unfit()
			reasons := make([]string, len(unfit))
			for i, u := range unfit {
				reasons[i] = u.Reason
				require.NotEmpty(t, u.Remedy)
			}
			require.Len(t, unfit, len(tt.want), "%q", reasons)
			for i, want := range tt.want {
				require.ErrorIs(t, unfit[i], want)
			}
			require.Contains(t, strings.Join(reasons, "\n"), tt.reason)
			require.Len(t, l.Partitions, tt.partitions)
			if tt.sgdiskToo {
				require.False(t, sgdiskFindsNoProblem(t, image))
			}
		})
	}
}

func TestReadTellsOfFailingDisk(t *testing.T) {
	image := smallDisk(t)
	for _, broken := range []int64{0, primary, primaryEntry, backup, backupEntry, mib, 2 * mib} {
		l := &Layout{SectorSize: 512, Size: diskSize}
		require.ErrorIs(t, l.read(failing{bytes.NewReader(image), broken}), errFailing, "offset %d", broken)
	}
}

var errFailing = errors.New("input/output error")

// failing is a disk that cannot read its byte at an offset.
type failing struct {
	*bytes.Reader
	at int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) {
		return 0, errFailing
	}
	return f.Reader.ReadAt(p, off)
}
