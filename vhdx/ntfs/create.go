package ntfs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Mkdir makes a directory in one that is there. A name that is taken, in
// whatever case, gives an error that is [fs.ErrExist].
func (e *Editor) Mkdir(path string) error { return e.at("mkdir", path, e.mkdir) }

// MkdirPrivate makes a hidden system directory that only the system account may
// use, with all that comes to be in it, as Windows makes "System Volume
// Information". A name that is taken gives an error that is [fs.ErrExist].
func (e *Editor) MkdirPrivate(path string) error {
	return e.at("mkdir", path, func(path string) error {
		return e.makeDirectory(path, newFile{directory: true, private: true, attributes: fileHidden | fileSystem})
	})
}

// MkdirAll makes a directory and those above it, as far as they are missing.
func (e *Editor) MkdirAll(path string) error {
	parts, err := split(path)
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	for i := range parts {
		above := strings.Join(parts[:i+1], "/")
		info, err := e.v.Stat(above)
		if errors.Is(err, fs.ErrNotExist) {
			err = e.Mkdir(above)
		} else if err == nil && info.Mode()&fs.ModeIrregular != 0 {
			err = &fs.PathError{Op: "mkdir", Path: above, Err: ErrReparse}
		} else if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: above, Err: errNotDirectory}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteFile makes a file in a directory that is there, or replaces the data of
// one: all its names, its other streams, times of creation and permissions
// stay, and a file that was sparse no longer is. Names are matched regardless
// of case, as Windows does: where "Readme" is, "README" is the same file. A new
// file gets no short DOS name beside its own, and its permissions are those that
// its directory hands down to a file that the system account makes. As for that
// account, neither permissions nor the read-only mark keep a file from being
// replaced. Files of more than [MaxFile] bytes are refused with
// [ErrTooLarge], compressed, encrypted and reparse files with [ErrCompressed],
// [ErrEncrypted] and [ErrReparse], and a volume without room with [ErrFull].
func (e *Editor) WriteFile(path string, data []byte) error {
	return e.at("write", path, func(path string) error { return e.writeFile(path, data) })
}

func (e *Editor) at(op, path string, f func(path string) error) error {
	if err := e.change(func() error { return f(path) }); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// parent finds the directory of a path and what its last name stands for there.
func (e *Editor) parent(path string) (dir *inode, name string, c *child, err error) {
	parts, err := split(path)
	if err != nil {
		return nil, "", nil, err
	}
	if len(parts) == 0 {
		return nil, "", nil, fs.ErrExist
	}
	above := "."
	if len(parts) > 1 {
		above = strings.Join(parts[:len(parts)-1], "/")
	}
	for i := range parts[:len(parts)-1] {
		n, _, err := e.v.lookup(strings.Join(parts[:i+1], "/"))
		if err != nil {
			return nil, "", nil, err
		}
		if n.number() < firstListed {
			return nil, "", nil, fmt.Errorf("%s is a metadata file: %w", parts[i], fs.ErrPermission)
		}
	}
	if dir, _, err = e.v.lookup(above); err != nil {
		return nil, "", nil, err
	}
	if !dir.isDirectory() {
		return nil, "", nil, errNotDirectory
	}
	if dir.find(typeReparsePoint, "") != nil {
		return nil, "", nil, ErrReparse
	}
	name = parts[len(parts)-1]
	c, err = e.v.child(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return dir, name, nil, nil
	}
	return dir, name, c, err
}

func (e *Editor) mkdir(path string) error { return e.makeDirectory(path, newFile{directory: true}) }

func (e *Editor) makeDirectory(path string, f newFile) error {
	dir, name, c, err := e.parent(path)
	if err != nil {
		return err
	}
	if c != nil {
		return fs.ErrExist
	}
	return e.create(dir, name, f)
}

func (e *Editor) writeFile(path string, data []byte) error {
	if len(data) > MaxFile {
		return fmt.Errorf("%d bytes: %w: at most %d", len(data), ErrTooLarge, MaxFile)
	}
	dir, name, c, err := e.parent(path)
	if err != nil {
		return err
	}
	if c == nil {
		return e.create(dir, name, newFile{data: data})
	}
	n, err := e.v.follow(dir, c)
	if err != nil {
		return err
	}
	return e.replace(n, data)
}

// A newFile is what create makes.
type newFile struct {
	directory  bool
	data       []byte
	reserved   *attribute // instead of data: what lies in its clusters already
	private    bool       // to the system account, whatever the directory hands down
	attributes uint32     // beside those that every new file has
}

// create makes a file or directory.
func (e *Editor) create(dir *inode, name string, f newFile) error {
	units, err := checkName(name)
	if err != nil {
		return err
	}
	secure := func() (uint32, []byte, error) { return e.inherit(dir, f.directory) }
	if f.private {
		secure = func() (uint32, []byte, error) { return e.identify(private()) }
	}
	id, descriptor, err := secure()
	if err != nil {
		return err
	}
	number, sequence, err := e.takeRecord()
	if err != nil {
		return err
	}
	flags := uint16(recordInUse)
	if f.directory {
		flags |= recordDirectory
	} else {
		f.attributes |= fileArchive
	}
	n := &inode{base: e.newRecord(number, sequence, flags, 0)}
	le.PutUint16(n.base.b[18:], 1) // names
	now := toFiletime(e.Now())
	n.attributes = append(n.attributes, resident(typeStandardInformation, "", standardInformation(now, f.attributes, id)))
	if id == 0 {
		n.attributes = append(n.attributes, resident(typeSecurityDescriptor, "", descriptor))
	}
	if f.directory {
		n.attributes = append(n.attributes, resident(typeIndexRoot, indexDirectory, e.emptyRoot()))
		f.attributes |= fileDirectory // in the name only
	}
	key := newFileName(dir.reference(), now, f.attributes, nameSpace(name), units)
	named := resident(typeFileName, "", key)
	named.indexed = true
	n.attributes = append(n.attributes, named)
	if !f.directory {
		a, err := e.newData(n, f)
		if err != nil {
			return err
		}
		le.PutUint64(key[40:], uint64(a.allocated))
		le.PutUint64(key[48:], uint64(a.size))
	}
	if err := e.save(n, phaseFill); err != nil {
		return err
	}
	if err := e.insert(dir, n.reference(), key); err != nil {
		return err
	}
	if err := touch(dir, now, 0); err != nil {
		return err
	}
	if err := e.save(dir, phaseLink); err != nil {
		return err
	}
	return e.refresh(dir.number())
}

func (e *Editor) newData(n *inode, f newFile) (*attribute, error) {
	if f.reserved != nil {
		n.attributes = append(n.attributes, f.reserved)
		return f.reserved, nil
	}
	return e.dataAttribute(n, f.data)
}

// replace gives a file other data.
func (e *Editor) replace(n *inode, data []byte) error {
	if n.isDirectory() {
		return errDirectory
	}
	if n.number() < firstFree {
		return fmt.Errorf("a metadata file: %w", fs.ErrPermission)
	}
	if n.find(typeReparsePoint, "") != nil {
		return ErrReparse
	}
	if old := n.find(typeData, ""); old != nil {
		if err := old.readable(); err != nil {
			return err
		}
		e.release(old.runs)
		n.attributes = slices.DeleteFunc(n.attributes, func(a *attribute) bool { return a == old })
	}
	if _, err := e.dataAttribute(n, data); err != nil {
		return err
	}
	if err := touch(n, toFiletime(e.Now()), fileArchive); err != nil {
		return err
	}
	if err := e.save(n, phaseLink); err != nil {
		return err
	}
	return e.refresh(n.number())
}

// dataAttribute adds a file's data: in its record if they fit there.
func (e *Editor) dataAttribute(n *inode, data []byte) (*attribute, error) {
	if len(data) < e.v.recordSize {
		a := resident(typeData, "", data)
		n.attributes = append(n.attributes, a)
		if e.fits(n) || len(data) == 0 {
			return a, nil
		}
		n.attributes = n.attributes[:len(n.attributes)-1]
	}
	a := &attribute{typ: typeData, instance: -1}
	if err := e.enlarge(a, int64(len(data))); err != nil {
		return nil, err
	}
	size := e.v.clusterSize
	for _, r := range a.runs {
		from, to := r.vcn*size, (r.vcn+r.count)*size
		b := data[min(from, int64(len(data))):min(to, int64(len(data)))]
		if int64(len(b)) < to-from { // nothing of what the clusters held is left in them
			b = append(slices.Clone(b), make([]byte, to-from-int64(len(b)))...)
		}
		e.tx.data = append(e.tx.data, pending{off: r.lcn * size, b: b})
	}
	n.attributes = append(n.attributes, a)
	return a, nil
}

func resident(typ uint32, name string, value []byte) *attribute {
	n := int64(len(value))
	return &attribute{typ: typ, name: name, resident: true, value: value, size: n, initialized: n, allocated: alignUp(n, 8), instance: -1}
}

// standardInformation makes a new file's $STANDARD_INFORMATION: with the ID of
// its security descriptor, or the shorter form of files that hold their own.
func standardInformation(now uint64, attributes, id uint32) []byte {
	b := make([]byte, 48, 72)
	for i := range 4 {
		le.PutUint64(b[8*i:], now)
	}
	le.PutUint32(b[32:], attributes)
	if id != 0 {
		b = b[:72]
		le.PutUint32(b[52:], id)
	}
	return b
}

func newFileName(parent, now uint64, attributes uint32, space byte, units []uint16) []byte {
	b := make([]byte, fileNameHeader)
	le.PutUint64(b, parent)
	for i := range 4 {
		le.PutUint64(b[8+8*i:], now)
	}
	le.PutUint32(b[56:], attributes)
	b[64], b[65] = byte(len(units)), space
	return appendUnits(b, units)
}

// emptyRoot makes the $INDEX_ROOT of a directory without names.
func (e *Editor) emptyRoot() []byte {
	b := make([]byte, indexRootHeader)
	le.PutUint32(b, typeFileName)
	le.PutUint32(b[4:], collateFileName)
	le.PutUint32(b[8:], uint32(e.v.indexSize))
	b[12] = byte(e.v.indexSize >> e.v.vcnShift(e.v.indexSize))
	return append(b, nodeBytes([]entry{{end: true, sub: -1}}, nodeHeader, 0)...)
}

// touch sets the times of a change, and attributes beside those that it has.
func touch(n *inode, now uint64, attributes uint32) error {
	b, err := n.resident(typeStandardInformation, "", 36)
	if err != nil {
		return err
	}
	for i := 1; i < 4; i++ {
		le.PutUint64(b[8*i:], now)
	}
	flags := le.Uint32(b[32:]) | attributes
	if !n.isDirectory() {
		flags &^= fileSparse
		for _, a := range n.attributes { // other streams may be
			if a.typ == typeData && a.flags&flagSparse != 0 {
				flags |= fileSparse
			}
		}
	}
	le.PutUint32(b[32:], flags)
	return nil
}
