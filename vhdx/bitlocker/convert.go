package bitlocker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say how Convert makes a volume.
type Options struct {
	Method     Method // AESXTS128 when zero
	SectorSize int    // 512 or 4096: that of the disk
	Placement  Placement
	Protectors []NewProtector // one or more

	// Free are the runs that hold nothing, in order. They are not read and not written, so that a sparse disk stays sparse,
	// and what is read there afterwards is noise. Without it all of the volume is encrypted. All of them are asked for
	// before anything is written, as what tells them may lie in the volume.
	Free iter.Seq2[Extent, error]

	Description string    // as Windows writes it: the computer, the volume and the day
	At          time.Time // of all times in the metadata; now when zero

	// Progress is told how many more bytes are done, from several goroutines at once.
	Progress func(bytes int64)
}

// chunkSize is how much is read, encrypted and written at once, by as many goroutines as there are processors.
const chunkSize = 512 << 10

// Convert reads a volume of size bytes from src and writes a BitLocker volume to dst, in one pass over what is in use. src
// and dst may be one disk: then free space keeps what it held, which is what Windows calls used space only. The source
// must have nothing in the placement, and its file system must have reserved it.
//
// The volume header is written last, so that what is not whole is not taken for a volume, unless dst held one before;
// nothing is synced. Convert gives the volume master
// key, with which Unlock opens the volume without a protector; whoever has it has the volume.
func Convert(ctx context.Context, dst io.WriterAt, src io.ReaderAt, size int64, o Options) (MasterKey, error) {
	key, err := convert(ctx, dst, src, size, o)
	if err != nil {
		return MasterKey{}, fmt.Errorf("encrypt the volume: %w", err)
	}
	return key, nil
}

func convert(ctx context.Context, dst io.WriterAt, src io.ReaderAt, size int64, o Options) (MasterKey, error) {
	if o.Method == 0 {
		o.Method = AESXTS128
	}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	m, err := newMetadata(size, o)
	if err != nil {
		return MasterKey{}, err
	}
	volumeKey := random(o.Method.keySize())
	defer clear(volumeKey)
	cipher, err := newSectorCipher(o.Method, volumeKey, o.SectorSize)
	if err != nil {
		return MasterKey{}, err
	}
	defer cipher.clear()
	k := &keyRing{random(masterKeySize), fileTimeOf(o.At), firstNonce}
	defer clear(k.masterKey)
	if err := m.protect(o, k, volumeKey); err != nil {
		return MasterKey{}, err
	}
	area, err := m.seal(k)
	if err != nil {
		return MasterKey{}, err
	}
	c := &converter{dst, src, cipher, size, int64(o.SectorSize), o.Progress}
	free, err := c.free(o.Free)
	if err != nil {
		return MasterKey{}, err
	}
	begin, err := c.moveHeader(m)
	if err != nil {
		return MasterKey{}, err
	}
	if err := c.run(ctx, c.used(free, o.Placement)); err != nil {
		return MasterKey{}, err
	}
	// No Sync between the copies: until the header is there nothing is taken for a volume.
	if err := writeCopies(struct{ io.WriterAt }{dst}, m.offsets, area); err != nil {
		return MasterKey{}, err
	}
	if _, err := dst.WriteAt(m.volumeHeader(begin, o.SectorSize), 0); err != nil {
		return MasterKey{}, fmt.Errorf("write the volume header: %w", err)
	}
	return MasterKey(k.masterKey), nil
}

// newMetadata checks the options, and makes the metadata without keys.
func newMetadata(size int64, o Options) (*metadata, error) {
	switch {
	case o.SectorSize != 512 && o.SectorSize != 4096:
		return nil, fmt.Errorf("sectors of %d bytes, want 512 or 4096", o.SectorSize)
	case size <= 0 || size%int64(o.SectorSize) != 0:
		return nil, fmt.Errorf("a volume of %d bytes is not whole sectors of %d", size, o.SectorSize)
	case o.Method.keySize() == 0:
		return nil, fmt.Errorf("unknown %s", o.Method)
	case len(o.Protectors) == 0 || len(o.Protectors) > maxProtectors:
		return nil, fmt.Errorf("%d key protectors, want 1 to %d", len(o.Protectors), maxProtectors)
	case o.Placement.Spare < 0 || o.Placement.Spare > size-blockAreaSize:
		return nil, fmt.Errorf("the spare space at offset %#x is not within the volume of %#x bytes", o.Placement.Spare, size)
	}
	m := &metadata{
		state: stateEncrypted, nextState: stateEncrypted, encryptedSize: uint64(size),
		headerSectors: uint32(headerAreaSize / o.SectorSize), headerOffset: uint64(o.Placement.Header),
		id: newGUID(), methods: [2]uint16{uint16(o.Method)}, created: fileTimeOf(o.At),
	}
	for i, offset := range o.Placement.Metadata {
		m.offsets[i] = uint64(offset)
	}
	if _, err := layOut(m, size, o.SectorSize); err != nil {
		return nil, fmt.Errorf("the placement does not fit: %w", err)
	}
	return m, nil
}

// protect fills the metadata with what Windows has there: the description, the protectors, the volume key, and where the
// first sectors are.
func (m *metadata) protect(o Options, k *keyRing, volumeKey []byte) error {
	if o.Description != "" {
		if len(o.Description) > 512 {
			return fmt.Errorf("a description of %d bytes, want up to 512", len(o.Description))
		}
		m.data = append(m.data, textDatum(roleDescription, o.Description))
	}
	seen := map[GUID]bool{}
	for _, p := range o.Protectors {
		d, err := p.protect(k)
		if err != nil {
			return err
		}
		if id := (protector{d}).id(); seen[id] {
			return fmt.Errorf("two key protectors with the identifier %s", id)
		} else {
			seen[id] = true
		}
		m.data = append(m.data, d)
	}
	wrapped, err := k.under(roleVolumeKey, uint16(o.Method), volumeKey)
	if err != nil {
		return err
	}
	m.data = append(m.data, wrapped, m.virtualization(o))
	return nil
}

// virtualization says where the first sectors are, with the extension of Windows 8 and later. Of most of that only the
// values are known which all volumes made by Windows 10 and 11 have.
func (m *metadata) virtualization(o Options) datum {
	le := binary.LittleEndian
	flags := uint64(0x0a)
	if o.SectorSize == 4096 {
		flags = 0x0b
	}
	b := le.AppendUint64(nil, m.headerOffset)
	b = le.AppendUint64(b, headerAreaSize)
	b = le.AppendUint16(b, 5)
	b = le.AppendUint16(b, 0x4c) // the size of the extension
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, flags)
	b = le.AppendUint64(b, 0) // where the log of a conversion is,
	b = le.AppendUint32(b, 0) // and its size
	b = le.AppendUint32(b, uint32(o.SectorSize))
	b = le.AppendUint32(b, uint32(o.SectorSize))
	b = le.AppendUint32(b, 0x0a) // the version of Windows
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, 22000) // and its build
	b = le.AppendUint32(b, 2)
	b = le.AppendUint32(b, 0)
	b = append(b, 0x10, 0x01, 0x01, 0x02)
	b = le.AppendUint64(b, uint64(o.Placement.Spare))
	b = le.AppendUint32(b, blockAreaSize)
	return datum{role: roleVirtualization, kind: kindVirtualization, version: 1, value: le.AppendUint32(b, 0)}
}

// volumeHeader makes the first sectors of the volume: a header that looks like FAT32, and zeros. begin is the first sector
// of the source, some fields of which stay. In place of Windows' boot code is one that stops the processor.
func (m *metadata) volumeHeader(begin []byte, sectorSize int) []byte {
	b := make([]byte, headerAreaSize)
	le := binary.LittleEndian
	copy(b, "\xeb\x58\x90")
	copy(b[3:], signature)
	le.PutUint16(b[11:], uint16(sectorSize))
	b[13] = begin[13]            // sectors in a cluster
	b[21] = 0xf8                 // a fixed disk
	copy(b[24:32], begin[24:32]) // its geometry, and the sectors before the volume
	le.PutUint32(b[36:], 0x1fe0) // sectors in a FAT
	le.PutUint16(b[48:], 1)      // its information sector
	le.PutUint16(b[50:], 6)      // and the copy of the boot sector
	b[64], b[66] = 0x80, 0x29    // the drive, and that three more fields follow
	copy(b[71:], "NO NAME    FAT32   ")
	copy(b[90:], "\xfa\xf4\xeb\xfd")
	copy(b[guidOffset:], guidNormal[:])
	for i, offset := range m.offsets {
		le.PutUint64(b[guidOffset+16+8*i:], offset)
	}
	b[510], b[511] = 0x55, 0xaa
	return b
}

// A converter encrypts from one disk to another.
type converter struct {
	dst        io.WriterAt
	src        io.ReaderAt
	cipher     sectorCipher
	size       int64
	sectorSize int64
	progress   func(int64)
}

// moveHeader encrypts the first sectors to their place, and gives the first one.
func (c *converter) moveHeader(m *metadata) ([]byte, error) {
	b := make([]byte, headerAreaSize)
	if err := c.read(b, 0); err != nil {
		return nil, err
	}
	first := append([]byte(nil), b[:headerSize]...)
	if string(first[3:11]) == string(signature) {
		return nil, errors.New("it is a BitLocker volume already")
	}
	return first, c.write(b, int64(m.headerOffset))
}

func (c *converter) read(b []byte, at int64) error {
	if n, err := c.src.ReadAt(b, at); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read %d bytes at offset %#x: %w", len(b), at, err)
	}
	return nil
}

// write encrypts in place and writes.
func (c *converter) write(b []byte, at int64) error {
	c.cipher.encrypt(b, b, at)
	if _, err := c.dst.WriteAt(b, at); err != nil {
		return fmt.Errorf("write %d bytes at offset %#x: %w", len(b), at, err)
	}
	if c.progress != nil {
		c.progress(int64(len(b)))
	}
	return nil
}

// maxRunList bounds the memory for free runs. What does not fit is encrypted like what is in use.
const maxRunList = 64 << 20

// A runList holds runs in order, mostly in two to eight bytes each: the sectors before it, since the last one, and its own.
type runList []byte

// free takes down the free runs, as far as they are whole sectors.
func (c *converter) free(runs iter.Seq2[Extent, error]) (list runList, err error) {
	if runs == nil {
		return nil, nil
	}
	at, last := int64(0), int64(0)
	for run, err := range runs {
		if err == nil && (run.Offset < last || run.Size < 0 || run.Size > c.size || run.Offset > c.size-run.Size) {
			err = fmt.Errorf("the free run of %#x bytes at offset %#x is out of order or not within the volume of %#x bytes",
				run.Size, run.Offset, c.size)
		}
		if err != nil {
			return nil, err
		}
		last = run.Offset + run.Size
		begin, end := roundTo(run.Offset, c.sectorSize), last/c.sectorSize*c.sectorSize
		if begin >= end {
			continue
		}
		if len(list) > maxRunList-2*binary.MaxVarintLen64 {
			break
		}
		list = binary.AppendUvarint(list, uint64((begin-at)/c.sectorSize))
		list = binary.AppendUvarint(list, uint64((end-begin)/c.sectorSize))
		at = end
	}
	return list, nil
}

// used are the runs to encrypt, in whole sectors: all but the first sectors, what is free, and where the metadata come.
func (c *converter) used(free runList, p Placement) iter.Seq[Extent] {
	taken := map[int64]int64{p.Header: headerAreaSize}
	for _, offset := range p.Metadata {
		taken[offset] = blockAreaSize
	}
	return func(yield func(Extent) bool) {
		at := int64(headerAreaSize)
		emit := func(end int64) bool { // from at to end, but for what is taken
			for at < end {
				run := end
				skip := int64(0)
				for offset, size := range taken {
					if offset <= at && at < offset+size {
						run, skip = at, offset+size
						break
					}
					if at < offset && offset < run {
						run = offset
					}
				}
				if run > at && !yield(Extent{at, run - at}) {
					return false
				}
				at = max(run, skip)
			}
			return true
		}
		last := int64(0)
		for rest := free; len(rest) > 0; {
			before, n := binary.Uvarint(rest)
			count, m := binary.Uvarint(rest[n:])
			rest = rest[n+m:]
			begin := last + int64(before)*c.sectorSize
			if !emit(begin) {
				return
			}
			last = begin + int64(count)*c.sectorSize
			at = max(at, last)
		}
		emit(c.size)
	}
}

// run encrypts the runs in chunks, as many at once as there are processors.
func (c *converter) run(ctx context.Context, used iter.Seq[Extent]) error {
	group, ctx := errgroup.WithContext(ctx)
	chunks := make(chan Extent)
	group.Go(func() error {
		defer close(chunks)
		for e := range used {
			for e.Size > 0 {
				n := min(e.Size, chunkSize-e.Offset%chunkSize)
				select {
				case chunks <- Extent{e.Offset, n}:
				case <-ctx.Done():
					return ctx.Err()
				}
				e.Offset, e.Size = e.Offset+n, e.Size-n
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			b := make([]byte, chunkSize)
			defer clear(b)
			for e := range chunks {
				if err := c.read(b[:e.Size], e.Offset); err != nil {
					return err
				}
				if err := c.write(b[:e.Size], e.Offset); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
