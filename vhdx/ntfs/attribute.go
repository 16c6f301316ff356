package ntfs

import (
	"fmt"
	"io"
)

// An attribute is a whole attribute of a file, whatever records hold it.
type attribute struct {
	typ      uint32
	name     string
	flags    uint16
	instance int // in the base record; -1: it was not there
	resident bool
	indexed  bool
	value    []byte // resident: the data

	runs                         []run // not resident
	allocated, size, initialized int64
	unit                         uint8 // compression unit: binary logarithm of a number of clusters
	packed                       int64 // bytes on the volume, if compressed or sparse
}

func (a *attribute) String() string {
	if a.name == "" {
		return typeName(a.typ)
	}
	return typeName(a.typ) + ":" + a.name
}

func typeName(typ uint32) string {
	switch typ {
	case typeStandardInformation:
		return "$STANDARD_INFORMATION"
	case typeAttributeList:
		return "$ATTRIBUTE_LIST"
	case typeFileName:
		return "$FILE_NAME"
	case typeSecurityDescriptor:
		return "$SECURITY_DESCRIPTOR"
	case typeVolumeName:
		return "$VOLUME_NAME"
	case typeVolumeInformation:
		return "$VOLUME_INFORMATION"
	case typeData:
		return "$DATA"
	case typeIndexRoot:
		return "$INDEX_ROOT"
	case typeIndexAllocation:
		return "$INDEX_ALLOCATION"
	case typeBitmap:
		return "$BITMAP"
	case typeReparsePoint:
		return "$REPARSE_POINT"
	}
	return fmt.Sprintf("attribute %#x", typ)
}

// hasPacked tells whether the attribute's header counts the bytes on the volume.
func (a *attribute) hasPacked() bool { return a.flags&(flagCompressed|flagSparse) != 0 || a.unit != 0 }

// readable tells why the data of an attribute cannot be read as they lie.
func (a *attribute) readable() error {
	switch {
	case a.flags&flagCompressed != 0:
		return ErrCompressed
	case a.flags&flagEncrypted != 0:
		return ErrEncrypted
	}
	return nil
}

// A stream reads an attribute.
type stream struct {
	v    *Volume
	a    *attribute
	what string // whose it is
}

// place gives where byte off of a stream lies and how many bytes follow it
// there; at is hole where there is nothing on the volume.
func (s *stream) place(off int64) (at, n int64, err error) {
	size := s.v.clusterSize
	i := findRun(s.a.runs, off/size)
	if i == len(s.a.runs) {
		return 0, 0, damage(s.what, -1, "%v has no cluster for its byte %d", s.a, off)
	}
	r := s.a.runs[i]
	skip := off - r.vcn*size
	if r.lcn == hole {
		return hole, r.count*size - skip, nil
	}
	return r.lcn*size + skip, r.count*size - skip, nil
}

// ReadAt reads the attribute's data: zeros where it has holes or was never written.
func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("ntfs: read at %d", off)
	}
	if off >= s.a.size {
		return 0, io.EOF
	}
	var eof error
	if int64(len(p)) > s.a.size-off {
		p, eof = p[:s.a.size-off], io.EOF
	}
	if s.a.resident {
		return copy(p, s.a.value[off:]), eof
	}
	done := 0
	for done < len(p) {
		q := p[done:]
		if off >= s.a.initialized {
			clear(q)
			done += len(q)
			break
		}
		if int64(len(q)) > s.a.initialized-off {
			q = q[:s.a.initialized-off]
		}
		at, n, err := s.place(off)
		if err != nil {
			return done, err
		}
		if int64(len(q)) > n {
			q = q[:n]
		}
		if at == hole {
			clear(q)
		} else if err := s.v.readAt(q, at); err != nil {
			return done, err
		}
		done += len(q)
		off += int64(len(q))
	}
	return done, eof
}

// read reads all of p or fails: the end of the stream is a fault.
func (s *stream) read(p []byte, off int64) error {
	n, err := s.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return damage(s.what, -1, "%v of %d bytes ends before byte %d", s.a, s.a.size, off+int64(len(p)))
	}
	return err
}

// readAll reads a whole attribute that must not be longer than limit.
func (s *stream) readAll(limit int64) ([]byte, error) {
	if err := s.a.readable(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.what, err)
	}
	if s.a.size > limit {
		return nil, fmt.Errorf("%s: %v of %d bytes: %w: at most %d", s.what, s.a, s.a.size, ErrTooLarge, limit)
	}
	b := make([]byte, s.a.size)
	return b, s.read(b, 0)
}
