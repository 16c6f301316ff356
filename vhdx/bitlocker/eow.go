package bitlocker

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// While Windows 8 and later encrypt or decrypt a volume they keep bitmaps of what is done: "encrypt on write". There are
// two copies of the information about them. Source: dissect.fve, c_bde.py and eow.py.
const (
	eowHeaderSize    = 0x38
	eowBitmapHeader  = 0x3c
	eowRecordHeader  = 0x24
	maxBitmapSize    = 64 << 10 // of one bitmap with its records; Windows' have 1.5 KiB
	maxBitmaps       = 16 << 20 // bytes of all bitmaps
	maxChunks        = 1 << 20  // of all bitmaps; Windows' chunks have 8 MiB
	minChunk         = 64 << 10
	eowSignature     = "FVE-EOW\x00"
	bitmapSignature  = "FVE-EOWBM\x00"
	recordSignature  = "FVE-EOWBR\x00"
	eowRecordsPerMap = 2
)

// layOutConversion puts what the bitmaps say over the layout.
func (l *layout) layOutConversion(r io.ReaderAt, size int64, h header) error {
	var failures [2]error
	for i, offset := range h.eowOffsets {
		parts, extents, err := readConversion(r, size, offset, h)
		if err == nil {
			err = checkExtents(extents, l.first, size, h.sectorSize)
		}
		if err == nil {
			l.physical = l.physical.cover(parts...)
			zeros := make([]region, 0, len(extents))
			for _, e := range extents {
				zeros = append(zeros, region{int64(e.offset), int64(e.offset + e.size), regionZero, 0})
			}
			slices.SortFunc(zeros, func(a, b region) int { return cmp.Compare(a.start, b.start) })
			l.logical = l.logical.cover(zeros...)
			return nil
		}
		failures[i] = fmt.Errorf("conversion information %d at offset %#x: %w", i+1, offset, err)
	}
	return fmt.Errorf("%w; %w", failures[0], failures[1])
}

// readConversion gives what is encrypted and what is plain, in order, and what to read as zeros.
func readConversion(r io.ReaderAt, size int64, offset uint64, h header) ([]region, []extent, error) {
	b, err := readBounded(r, size, offset, blockAreaSize, true)
	if err != nil {
		return nil, nil, err
	}
	le := binary.LittleEndian
	if len(b) < eowHeaderSize || string(b[:8]) != eowSignature {
		return nil, nil, fmt.Errorf("%w: no signature", ErrMetadata)
	}
	infoSize, chunk, logSize := int(le.Uint16(b[10:])), int64(le.Uint32(b[20:])), uint64(le.Uint32(b[24:]))
	if le.Uint16(b[8:]) != eowHeaderSize || infoSize < eowHeaderSize || infoSize > len(b) {
		return nil, nil, fmt.Errorf("%w: a header of %d of %d bytes", ErrMetadata, le.Uint16(b[8:]), infoSize)
	}
	b = b[:infoSize]
	if !checkCRC(b, 0x24) {
		return nil, nil, fmt.Errorf("%w: CRC", ErrMetadata)
	}
	if chunk < minChunk || chunk%int64(h.sectorSize) != 0 {
		return nil, nil, fmt.Errorf("%w: chunks of %d bytes", ErrMetadata, chunk)
	}
	var extents []extent
	for _, at := range h.eowOffsets {
		extents = append(extents, extent{"conversion information", at, roundUp(uint64(infoSize), uint64(h.sectorSize))})
	}
	var bitmaps []*bitmap
	chunks, total := uint64(0), uint64(0)
	for offsets := b[eowHeaderSize:]; len(offsets) >= 8; offsets = offsets[8:] {
		at := le.Uint64(offsets)
		bm, err := readBitmap(r, size, at)
		if err != nil {
			return nil, nil, fmt.Errorf("bitmap at offset %#x: %w", at, err)
		}
		if chunks += uint64(bm.chunks); chunks > maxChunks {
			return nil, nil, fmt.Errorf("%w: more than %d chunks", ErrMetadata, maxChunks)
		}
		if total += bm.size; total > maxBitmaps {
			return nil, nil, fmt.Errorf("%w: more than %d bytes of bitmaps", ErrMetadata, maxBitmaps)
		}
		bitmaps = append(bitmaps, bm)
		extents = append(extents,
			extent{"conversion bitmap", at, roundUp(bm.size, uint64(h.sectorSize))},
			extent{"conversion log", bm.log, roundUp(logSize, uint64(h.sectorSize))})
	}
	slices.SortFunc(bitmaps, func(a, b *bitmap) int { return cmp.Compare(a.start, b.start) })
	var parts []region
	for _, bm := range bitmaps {
		if parts, err = bm.add(parts, size, chunk, int64(h.sectorSize)); err != nil {
			return nil, nil, err
		}
	}
	return parts, extents, nil
}

func roundUp(n, unit uint64) uint64 { return (n + unit - 1) / unit * unit }

// readBounded reads size bytes at an offset; or fewer, where the volume ends.
func readBounded(r io.ReaderAt, volume int64, offset, size uint64, fewer bool) ([]byte, error) {
	if offset >= uint64(volume) || !fewer && size > uint64(volume)-offset {
		return nil, fmt.Errorf("%w: not within the volume of %#x bytes", ErrMetadata, volume)
	}
	b := make([]byte, min(size, uint64(volume)-offset))
	if _, err := io.ReadFull(io.NewSectionReader(r, int64(offset), int64(len(b))), b); err != nil {
		return nil, err
	}
	return b, nil
}

// checkCRC checks the CRC-32 of b, which lies in it and counts as zero.
func checkCRC(b []byte, at int) bool {
	want := binary.LittleEndian.Uint32(b[at:])
	zeroed := bytes.Clone(b)
	clear(zeroed[at : at+4])
	return crc32.ChecksumIEEE(zeroed) == want
}

// A bitmap says for the chunks of a part of the volume whether they are still to be converted.
type bitmap struct {
	start, length, log uint64
	size               uint64 // of the bitmap with its records
	chunks             uint32
	bits               []byte
}

func readBitmap(r io.ReaderAt, size int64, offset uint64) (*bitmap, error) {
	head, err := readBounded(r, size, offset, eowBitmapHeader, false)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	total := uint64(le.Uint32(head[12:]))
	if string(head[:10]) != bitmapSignature || le.Uint16(head[10:]) != eowBitmapHeader {
		return nil, fmt.Errorf("%w: no signature", ErrMetadata)
	}
	if total < eowBitmapHeader || total > maxBitmapSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrMetadata, total)
	}
	b, err := readBounded(r, size, offset, total, false)
	if err != nil {
		return nil, err
	}
	bm := &bitmap{start: le.Uint64(b[20:]), length: le.Uint64(b[28:]), log: le.Uint64(b[36:]), size: total}
	records := [eowRecordsPerMap]uint32{le.Uint32(b[44:]), le.Uint32(b[48:])}
	if records[0] < eowBitmapHeader || uint64(records[0]) > total || !checkCRC(b[:records[0]], 0x38) {
		return nil, fmt.Errorf("%w: CRC", ErrMetadata)
	}
	newest, found := uint64(0), false
	for _, at := range records {
		if uint64(at)+eowRecordHeader > total {
			continue
		}
		record := b[at:]
		n := uint64(le.Uint32(record[12:]))
		if string(record[:10]) != recordSignature || le.Uint16(record[10:]) != eowRecordHeader ||
			n < eowRecordHeader || n > uint64(len(record)) || !checkCRC(record[:n], 0x20) {
			continue
		}
		sequence := le.Uint64(record[20:])
		if found && sequence <= newest {
			continue
		}
		newest, found = sequence, true
		bm.chunks, bm.bits = le.Uint32(record[16:]), record[eowRecordHeader:n]
	}
	bm.bits = bytes.Clone(bm.bits) // and not all that it lay in
	if !found || uint64(bm.chunks) > 8*uint64(len(bm.bits)) {
		return nil, fmt.Errorf("%w: no good record", ErrMetadata)
	}
	return bm, nil
}

// add appends what the bitmap says to parts, which end before it.
func (bm *bitmap) add(parts regionMap, size, chunk, sectorSize int64) (regionMap, error) {
	if bm.start > uint64(size) || bm.start%uint64(sectorSize) != 0 || bm.length%uint64(sectorSize) != 0 {
		return nil, fmt.Errorf("%w: a bitmap for %#x bytes from %#x on, in a volume of %#x", ErrMetadata, bm.length, bm.start, size)
	}
	start, end := int64(bm.start), size
	if bm.length < uint64(size)-bm.start {
		end = int64(bm.start + bm.length)
	}
	if len(parts) > 0 && start < parts[len(parts)-1].end {
		return nil, fmt.Errorf("%w: two bitmaps for offset %#x", ErrMetadata, start)
	}
	if need := (end - start + chunk - 1) / chunk; int64(bm.chunks) < need {
		return nil, fmt.Errorf("%w: a bitmap of %d chunks from %#x on, want %d", ErrMetadata, bm.chunks, start, need)
	}
	for at := start; at < end; at += chunk {
		parts = append(parts, region{at, min(at+chunk, end), bm.kind((at - start) / chunk), 0})
	}
	return parts, nil
}

func (bm *bitmap) kind(chunk int64) regionKind {
	if bm.bits[chunk/8]>>(chunk%8)&1 == 1 {
		return regionEncrypted
	}
	return regionPlain
}
