package bitlocker

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// A metadata block is a header, the data set, and behind them what they are validated by. There are three copies.
const (
	blockAreaSize     = 64 << 10 // what each copy takes
	blockHeaderSize   = 64
	dataSetHeaderSize = 48
	blockUnit         = 16 // the size of a block is counted in these
	validationSize    = 8  // before the wrapped hash
	wrappedHashSize   = datumHeaderSize + nonceSize + tagSize + datumHeaderSize + 4 + sha256.Size
)

const (
	versionVista, versionSeven = 1, 2
	validationVersion          = 2
	dataSetVersion             = 1
)

// What BitLocker does to a volume, and will do.
const (
	stateDecrypted = 1
	stateSwitching = 2 // encrypting or decrypting, with a log of the sectors under work
	stateEncrypted = 4
)

// A metadata is one metadata block.
type metadata struct {
	state, nextState uint16
	encryptedSize    uint64 // in bytes from the beginning; what is behind is still or again plain
	convertSize      uint32 // the size of the log there, in the state stateSwitching
	headerSectors    uint32 // the number of the volume's first sectors that lie elsewhere
	offsets          [3]uint64
	headerOffset     uint64 // where they lie

	id        GUID
	nextNonce uint32
	methods   [2]uint16 // how the volume is encrypted; the second may be 0
	created   fileTime
	data      []datum

	sum     [sha256.Size]byte // of the block
	wrapped datum             // the same sum under the master key
}

// parseMetadata reads a block and checks its CRC.
func parseMetadata(b []byte) (*metadata, error) {
	if len(b) < blockHeaderSize+dataSetHeaderSize || !bytes.Equal(b[:8], signature) {
		return nil, fmt.Errorf("%w: no signature", ErrMetadata)
	}
	u16, u32, u64 := binary.LittleEndian.Uint16, binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	switch version := u16(b[10:]); version {
	case versionSeven:
	case versionVista:
		return nil, ErrVista
	default:
		return nil, fmt.Errorf("%w: version %d, want %d", ErrMetadata, version, versionSeven)
	}
	size := int(u16(b[8:])) * blockUnit
	if size < blockHeaderSize+dataSetHeaderSize || size+validationSize > len(b) {
		return nil, fmt.Errorf("%w: a block of %d bytes", ErrMetadata, size)
	}
	validation := b[size:]
	if crc := crc32.ChecksumIEEE(b[:size]); crc != u32(validation[4:]) {
		return nil, fmt.Errorf("%w: CRC %#08x, want %#08x", ErrMetadata, crc, u32(validation[4:]))
	}
	m := &metadata{
		state: u16(b[12:]), nextState: u16(b[14:]), encryptedSize: u64(b[16:]), convertSize: u32(b[24:]),
		headerSectors: u32(b[28:]), offsets: [3]uint64{u64(b[32:]), u64(b[40:]), u64(b[48:])}, headerOffset: u64(b[56:]),
		sum: sha256.Sum256(b[:size]),
	}
	set := b[blockHeaderSize:size]
	setSize := u32(set)
	if setSize < dataSetHeaderSize || uint64(setSize) > uint64(len(set)) || u32(set[8:]) != dataSetHeaderSize {
		return nil, fmt.Errorf("%w: a data set of %d bytes that begins at %d", ErrMetadata, setSize, u32(set[8:]))
	}
	m.id, m.nextNonce = GUID(set[16:]), u32(set[32:])
	m.methods = [2]uint16{u16(set[36:]), u16(set[38:])}
	m.created = fileTime(u64(set[40:]))
	var err error
	if m.data, err = parseDatums(bytes.Clone(set[dataSetHeaderSize:setSize]), blockHeaderSize+dataSetHeaderSize, 0); err != nil {
		return nil, err
	}
	if len(validation) < validationSize+wrappedHashSize {
		return nil, fmt.Errorf("%w: no room for the hash behind a block of %d bytes", ErrMetadata, size)
	}
	wrapped, err := parseDatums(bytes.Clone(validation[validationSize:][:wrappedHashSize]), size+validationSize, maxDepth)
	if err != nil {
		return nil, err
	}
	if len(wrapped) != 1 {
		return nil, fmt.Errorf("%w: no wrapped hash at offset %#x", ErrMetadata, size+validationSize)
	}
	m.wrapped = wrapped[0]
	return m, nil
}

// authenticate checks the hash under the master key.
func (m *metadata) authenticate(masterKey []byte) error {
	hash, err := unwrap(m.wrapped, masterKey)
	if err != nil {
		return fmt.Errorf("the hash of the metadata: %w", err)
	}
	if hash.kind != keyHash || !bytes.Equal(hash.key, m.sum[:]) {
		return fmt.Errorf("%w: they were changed by somebody without the key", ErrMetadata)
	}
	return nil
}

// block is the metadata block without its validation.
func (m *metadata) block() []byte {
	set := make([]byte, dataSetHeaderSize, 4096)
	for _, d := range m.data {
		set = d.append(set)
	}
	le := binary.LittleEndian
	le.PutUint32(set, uint32(len(set)))
	le.PutUint32(set[4:], dataSetVersion)
	le.PutUint32(set[8:], dataSetHeaderSize)
	le.PutUint32(set[12:], uint32(len(set)))
	copy(set[16:], m.id[:])
	le.PutUint32(set[32:], m.nextNonce)
	le.PutUint16(set[36:], m.methods[0])
	le.PutUint16(set[38:], m.methods[1])
	le.PutUint64(set[40:], uint64(m.created))

	size := (blockHeaderSize + len(set) + blockUnit - 1) / blockUnit * blockUnit
	b := make([]byte, size)
	copy(b, signature)
	le.PutUint16(b[8:], uint16(size/blockUnit))
	le.PutUint16(b[10:], versionSeven)
	le.PutUint16(b[12:], m.state)
	le.PutUint16(b[14:], m.nextState)
	le.PutUint64(b[16:], m.encryptedSize)
	le.PutUint32(b[24:], m.convertSize)
	le.PutUint32(b[28:], m.headerSectors)
	for i, offset := range m.offsets {
		le.PutUint64(b[32+8*i:], offset)
	}
	le.PutUint64(b[56:], m.headerOffset)
	copy(b[blockHeaderSize:], set)
	return b
}

// hash is what the metadata are authenticated by.
func (m *metadata) hash() []byte {
	sum := sha256.Sum256(m.block())
	return sum[:]
}

// area is what each copy takes on disk, with the validation in wrapped.
func (m *metadata) area() ([]byte, error) {
	b := m.block()
	size := len(b)
	if size+validationSize+wrappedHashSize > blockAreaSize {
		return nil, fmt.Errorf("metadata of %d bytes do not fit into %d: remove a key protector", size, blockAreaSize)
	}
	b = append(b, make([]byte, blockAreaSize-size)...)
	binary.LittleEndian.PutUint16(b[size:], uint16(blockAreaSize-size))
	binary.LittleEndian.PutUint16(b[size+2:], validationVersion)
	binary.LittleEndian.PutUint32(b[size+4:], crc32.ChecksumIEEE(b[:size]))
	m.wrapped.append(b[:size+validationSize])
	return b, nil
}

// readMetadata reads the three copies. It gives those that are whole, the newest first and without their doubles, and
// which of the three are whole.
func readMetadata(r io.ReaderAt, size int64, h header) (whole []*metadata, good [3]bool, err error) {
	var failures [3]error
	b := make([]byte, blockAreaSize)
	for i, offset := range h.offsets {
		m, err := readCopy(r, size, h, i, b)
		if err != nil {
			failures[i] = fmt.Errorf("metadata block %d at offset %#x: %w", i+1, offset, err)
			continue
		}
		good[i] = true
		if !slices.ContainsFunc(whole, func(other *metadata) bool { return other.sum == m.sum }) {
			whole = append(whole, m)
		}
	}
	if len(whole) == 0 {
		return nil, good, fmt.Errorf("no good copy of three: %w; %w; %w", failures[0], failures[1], failures[2])
	}
	slices.SortStableFunc(whole, func(a, b *metadata) int { return cmp.Compare(b.nextNonce, a.nextNonce) })
	return whole, good, nil
}

func readCopy(r io.ReaderAt, size int64, h header, i int, b []byte) (*metadata, error) {
	offset := h.offsets[i]
	if size < blockAreaSize || offset > uint64(size-blockAreaSize) {
		return nil, fmt.Errorf("%w: not within the volume of %d bytes", ErrMetadata, size)
	}
	if n, err := r.ReadAt(b, int64(offset)); n < len(b) { // io.EOF may come with all of the last bytes
		return nil, err
	}
	m, err := parseMetadata(b)
	if err != nil {
		return nil, err
	}
	if m.offsets[i] != offset {
		return nil, fmt.Errorf("%w: it says that it is at %#x", ErrMetadata, m.offsets[i])
	}
	return m, nil
}

// writeCopies writes the three copies, each before the next.
func writeCopies(w io.WriterAt, offsets [3]uint64, area []byte) error {
	for i, offset := range offsets {
		if _, err := w.WriteAt(area, int64(offset)); err != nil {
			return fmt.Errorf("write metadata block %d at offset %#x: %w", i+1, offset, err)
		}
		if s, ok := w.(interface{ Sync() error }); ok {
			if err := s.Sync(); err != nil {
				return fmt.Errorf("sync metadata block %d: %w", i+1, err)
			}
		}
	}
	return nil
}
