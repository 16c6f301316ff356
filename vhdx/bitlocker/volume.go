package bitlocker

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Volume is a BitLocker volume. Its plaintext is read with ReadAt, after Unlock, and written with WriteAt: both by several
// goroutines at once, if no two of them write to the same bytes and the disk below allows it. Nothing else is safe for
// concurrent use, in particular not Lock, Unlock and what changes the protectors.
type Volume struct {
	disk   io.ReaderAt
	size   int64
	header header
	copies []*metadata // the good ones, the newest first
	good   [3]bool

	meta     *metadata // the copy that serves
	layout   layout
	unfit    error // why the plaintext cannot be read
	key      []byte
	cipher   sectorCipher
	scratch  sync.Pool
	writable io.WriterAt
	partial  sync.RWMutex // held while a part of a sector is written: who shares the sector must wait
}

// An Info is what a volume says about itself without a key.
type Info struct {
	ID          GUID
	Description string // the computer, the volume and the day, as Windows writes them
	Created     time.Time
	Method      Method
	Size        int64 // of the volume in bytes, as it was opened
	SectorSize  int
	ToGo        bool // FAT with a small readable volume before the encrypted one

	// Encrypted says that all of the volume is. When it is not, Windows is encrypting or decrypting it, or was interrupted,
	// or has decrypted it.
	Encrypted      bool
	EncryptOnWrite bool  // the way of Windows 8 and later to convert a volume, with bitmaps of what is done
	EncryptedSize  int64 // bytes from the beginning that are encrypted, but for what the bitmaps say

	Protectors      []Protector
	MetadataOffsets [3]int64
	MetadataGood    [3]bool // which of the three copies are whole
	MetadataDiffer  bool    // those that are whole are not the same: a change was interrupted, or somebody forged one
}

// Open reads the header and the metadata of a volume of size bytes. Of the three copies of the metadata the newest good one
// serves. Its errors are ErrNotBitLocker, ErrVista and ErrMetadata, and those of r. When r is an io.WriterAt too, the
// volume can be changed.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	v := &Volume{disk: r, size: size - size%int64(h.sectorSize), header: h}
	v.writable, _ = r.(io.WriterAt)
	v.scratch.New = func() any { return new([scratchSize]byte) }
	if v.copies, v.good, err = readMetadata(r, size, h); err != nil {
		return nil, err
	}
	for _, m := range v.copies {
		if err = v.serve(m); err == nil {
			return v, nil
		}
	}
	return nil, err
}

// serve makes a copy of the metadata the one that counts.
func (v *Volume) serve(m *metadata) error {
	l, err := layOut(m, v.size, v.header.sectorSize)
	if err != nil {
		return err
	}
	v.unfit = nil
	if v.header.eow && m.state != stateDecrypted {
		v.unfit = l.layOutConversion(v.disk, v.size, v.header)
	}
	v.meta, v.layout = m, l
	return nil
}

// Info says what is known of the volume.
func (v *Volume) Info() Info {
	m := v.meta
	info := Info{
		ID: m.id, Created: m.created.time(), Method: Method(m.methods[0]), Size: v.size, SectorSize: v.header.sectorSize,
		ToGo: v.header.toGo, EncryptOnWrite: v.header.eow, EncryptedSize: int64(min(m.encryptedSize, uint64(v.size))),
		MetadataGood: v.good, MetadataDiffer: len(v.copies) > 1,
	}
	for _, d := range m.data {
		if d.role == roleDescription && d.kind == kindText {
			info.Description = d.text()
		}
	}
	for i, offset := range m.offsets {
		info.MetadataOffsets[i] = int64(offset)
	}
	for _, p := range m.protectors() {
		info.Protectors = append(info.Protectors, p.public())
	}
	info.Encrypted = v.whole() == nil
	return info
}

// whole says with ErrConverting that not all of the volume is encrypted.
func (v *Volume) whole() error {
	if v.header.eow || v.meta.state != stateEncrypted || v.meta.nextState != stateEncrypted || v.meta.encryptedSize < uint64(v.size) {
		return ErrConverting
	}
	return nil
}

// Size is the size of the volume in bytes, and of its plaintext.
func (v *Volume) Size() int64 { return v.size }

// SectorSize is 512 or 4096.
func (v *Volume) SectorSize() int { return v.header.sectorSize }

// Unlock opens the volume with a key or password, and checks that nobody changed the metadata. Its errors are
// ErrNoProtector, ErrWrongKey and ErrMetadata, and those of an UnsealTPM.
func (v *Volume) Unlock(c Credential) error {
	var answer error
	for _, m := range v.copies {
		err := v.unlock(m, c)
		if err == nil {
			return nil
		}
		if answer == nil {
			answer = err
		}
	}
	return fmt.Errorf("unlock the volume: %w", answer)
}

func (v *Volume) unlock(m *metadata, c Credential) error {
	key, err := c.masterKey(m.protectors())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			clear(key)
		}
	}()
	if err = m.authenticate(key); err != nil {
		return err
	}
	cipher, err := m.openCipher(key, v.header.sectorSize)
	if err != nil {
		return err
	}
	if m != v.meta {
		if err = v.serve(m); err != nil {
			return err
		}
	}
	v.Lock()
	v.key, v.cipher = key, cipher
	return nil
}

// openCipher unwraps the volume key.
func (m *metadata) openCipher(masterKey []byte, sectorSize int) (sectorCipher, error) {
	for _, d := range m.data {
		if d.role != roleVolumeKey || d.kind != kindWrapped {
			continue
		}
		s, err := unwrap(d, masterKey)
		if err != nil {
			return nil, fmt.Errorf("the volume key: %w", err)
		}
		defer clear(s.key)
		if s.kind != m.methods[0] {
			return nil, fmt.Errorf("%w: a volume key for %s, and the volume is encrypted with %s", ErrMetadata, Method(s.kind), Method(m.methods[0]))
		}
		return newSectorCipher(Method(s.kind), s.key, sectorSize)
	}
	return nil, fmt.Errorf("%w: no volume key", ErrMetadata)
}

// Lock forgets the keys.
func (v *Volume) Lock() {
	clear(v.key)
	if v.cipher != nil {
		v.cipher.clear()
	}
	v.key, v.cipher = nil, nil
}

// MasterKey gives the volume master key of a volume that is unlocked, or ErrLocked. Whoever has it has the volume.
func (v *Volume) MasterKey() (MasterKey, error) {
	if v.key == nil {
		return MasterKey{}, ErrLocked
	}
	return MasterKey(v.key), nil
}

// scratchSize is how much is read at once of what does not begin or end with a sector.
const scratchSize = 64 << 10

// ReadAt reads plaintext. It is io.ReaderAt's. A volume that Windows has decrypted needs no Unlock.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if err := v.open(); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("read at the negative offset %d", off)
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= v.size {
			return n, io.EOF
		}
		r := v.layout.logical.at(at, int64(len(p)-n))
		b := p[n : n+int(r.end-r.start)]
		var err error
		switch r.kind {
		case regionZero:
			clear(b)
		case regionMoved:
			err = v.read(b, r.source)
		default:
			err = v.read(b, r.start)
		}
		if err != nil {
			return n, err
		}
		n += len(b)
	}
	return n, nil
}

func (v *Volume) open() error {
	if v.cipher == nil && v.meta.state != stateDecrypted {
		return ErrLocked
	}
	return v.unfit
}

// read reads and decrypts what is at a place of the disk.
func (v *Volume) read(p []byte, at int64) error {
	sectorSize := int64(v.header.sectorSize)
	if at%sectorSize != 0 || int64(len(p))%sectorSize != 0 {
		v.partial.RLock()
		defer v.partial.RUnlock()
	}
	for len(p) > 0 {
		skip := at % sectorSize
		if skip == 0 && int64(len(p)) >= sectorSize {
			n := int64(len(p)) / sectorSize * sectorSize
			if err := v.readSectors(p[:n], at); err != nil {
				return err
			}
			p, at = p[n:], at+n
			continue
		}
		sector, done := v.sectors(int(sectorSize))
		if err := v.readSectors(sector, at-skip); err != nil {
			done()
			return err
		}
		n := copy(p, sector[skip:])
		done()
		p, at = p[n:], at+int64(n)
	}
	return nil
}

// sectors lends memory for n bytes, up to scratchSize, and clears it afterwards.
func (v *Volume) sectors(n int) (b []byte, done func()) {
	scratch := v.scratch.Get().(*[scratchSize]byte)
	return scratch[:n], func() {
		clear(scratch[:n])
		v.scratch.Put(scratch)
	}
}

// readSectors is read for whole sectors.
func (v *Volume) readSectors(p []byte, at int64) error {
	if n, err := v.disk.ReadAt(p, at); n < len(p) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read %d bytes at offset %#x: %w", len(p), at, err)
	}
	for len(p) > 0 {
		r := v.layout.physical.at(at, int64(len(p)))
		n := r.end - r.start
		if r.kind == regionEncrypted {
			v.cipher.decrypt(p[:n], p[:n], at)
		}
		p, at = p[n:], at+n
	}
	return nil
}
