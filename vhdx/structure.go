package vhdx

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// A File is what a disk is stored in; an *os.File is one. A disk that is only
// read calls no more than ReadAt and Stat.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// A structure is what the fixed parts of a file say, as of the replay of its
// log. Reading one is the common ground of Open and Check.
type structure struct {
	image        *replayedFile
	creator      string
	headers      headerPair
	regions      []region
	tablesDiffer bool // one copy of the region table is broken or another
	bat          region
	metadata     region
	items        []item
	params       parameters
	layout       batLayout
	reserved     []span // header section, log and regions, sorted
}

// A span is a part of the file that a structure takes up.
type span struct {
	offset, length int64
	name           string
}

func (s span) end() int64 { return s.offset + s.length }

// readStructure reads all that stands outside the BAT and the blocks. It
// returns what it has read when it meets a fatal violation.
func readStructure(file File, f *findings) (*structure, error) {
	s := &structure{}
	info, err := file.Stat()
	if err != nil {
		return s, err
	}
	size := info.Size()
	if info.Mode().IsDir() {
		return s, fmt.Errorf("is a directory")
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		return s, fmt.Errorf("%w: it is a named pipe", ErrNotVHDX)
	}
	if size == 0 {
		return s, fmt.Errorf("%w: the file is empty", ErrNotVHDX)
	}
	signature := make([]byte, min(len(fileSignature), int(min(size, 64))))
	if _, err := readFull(file, signature, identifierOffset); err != nil {
		return s, err
	}
	if string(signature) != fileSignature {
		return s, fmt.Errorf("%w: it does not begin with %q", ErrNotVHDX, fileSignature)
	}
	if size < headerSection {
		return s, f.fatal(size, "2.2", "the file ends at %d bytes, inside the header section: it is truncated", size)
	}
	if size > maxFileSize {
		return s, f.fatal(0, "2.1", "the file is longer than 128 TiB, more than any disk needs")
	}
	section := make([]byte, headersEnd)
	if _, err := readFull(file, section, 0); err != nil {
		return s, err
	}
	s.creator = creatorOf(section)
	if s.headers, err = chooseHeader(section, f); err != nil {
		return s, err
	}
	if s.image, err = openLog(file, size, s.headers.current, headerOffsets[s.headers.slot], f); err != nil {
		return s, err
	}
	tables := make([]byte, 2*regionTableSize)
	if _, err := s.image.ReadAt(tables, regionOffsets[0]); err != nil {
		return s, err
	}
	s.regions, s.tablesDiffer, err = readRegions(tables[:regionTableSize], tables[regionTableSize:], s.image.size, f)
	if err != nil {
		return s, err
	}
	for _, r := range s.regions {
		switch r.id {
		case batRegionID:
			s.bat = r
		case metadataRegionID:
			s.metadata = r
		}
	}
	if err := s.reserve(f); err != nil {
		return s, err
	}
	return s, s.readMetadata(f)
}

// reserve collects what the fixed structures take up, which may not overlap.
func (s *structure) reserve(f *findings) error {
	s.reserved = []span{{0, headerSection, "the header section"}}
	if h := s.headers.current; h.logLength > 0 {
		log := span{int64(h.logOffset), int64(h.logLength), "the log"}
		if log.end() > s.image.size {
			return f.fatal(headerOffsets[s.headers.slot]+72, "2.2.2", "the log at %#x of %#x bytes reaches beyond the end of the file", log.offset, log.length)
		}
		s.reserved = append(s.reserved, log)
	}
	for _, r := range s.regions {
		if r.length > 0 {
			s.reserved = append(s.reserved, span{r.offset, r.length, r.name()})
		}
	}
	slices.SortFunc(s.reserved, func(a, b span) int { return cmp.Compare(a.offset, b.offset) })
	for i := 1; i < len(s.reserved); i++ {
		if a, b := s.reserved[i-1], s.reserved[i]; a.end() > b.offset {
			return f.fatal(b.offset, "2.1", "%s and %s overlap", a.name, b.name)
		}
	}
	return nil
}

func (s *structure) readMetadata(f *findings) error {
	if s.metadata.length < metadataTableSize {
		return f.fatal(s.metadata.entry+24, "2.6", "the metadata region of %d bytes has no room for its table", s.metadata.length)
	}
	table := make([]byte, metadataTableSize)
	if _, err := s.image.ReadAt(table, s.metadata.offset); err != nil {
		return err
	}
	var err error
	if s.items, err = parseMetadataTable(table, s.metadata.offset, s.metadata.length, f); err != nil {
		return err
	}
	if s.params, err = parseParameters(s.items, s.metadata.offset, s.readItem, f); err != nil {
		return err
	}
	s.layout = layoutBAT(s.params)
	if need := s.layout.entries * 8; s.bat.length < need {
		return f.fatal(s.bat.entry+24, "2.5", "the BAT region has %d bytes, and the disk needs %d", s.bat.length, need)
	}
	return nil
}

// readItem returns the bytes of an item, at most 1 MiB as the table was checked.
func (s *structure) readItem(i item) ([]byte, error) {
	b := make([]byte, i.length)
	if i.length == 0 {
		return b, nil
	}
	_, err := s.image.ReadAt(b, s.metadata.offset+i.offset)
	return b, err
}

// checkPlace checks that length bytes at offset, the place of a block, are
// inside the file and apart from the fixed structures. at is the file offset of
// the BAT entry that says so.
func (s *structure) checkPlace(at, offset, length int64) *Violation {
	if offset > s.image.size || length > s.image.size-offset {
		return &Violation{Offset: at, Section: "2.5.1", Fatal: true,
			Text: fmt.Sprintf("the block at %#x lies outside the file of %d bytes", offset, s.image.size)}
	}
	i, _ := slices.BinarySearchFunc(s.reserved, offset, func(r span, off int64) int { return cmp.Compare(r.end()-1, off) })
	if i < len(s.reserved) && s.reserved[i].offset < offset+length {
		return &Violation{Offset: at, Section: "2.5.1", Fatal: true,
			Text: fmt.Sprintf("the block at %#x overlaps %s", offset, s.reserved[i].name)}
	}
	return nil
}
