package ntfs

import (
	"fmt"
	"io/fs"
	"strings"
)

// A child is a name in a directory.
type child struct {
	fileName
	reference uint64
}

func (c *child) isDirectory() bool { return c.attributes&fileDirectory != 0 }

// isReparse tells whether the name is that of a reparse point.
func (c *child) isReparse() bool { return c.attributes&fileReparse != 0 }

func (v *Volume) directory(n *inode) (*index, error) {
	if !n.isDirectory() {
		return nil, n.base.damage(22, "is not a directory")
	}
	return v.openIndex(n, indexDirectory, collateFileName)
}

// way is search for a name. A name that is spelled as sought is preferred to
// one that differs by case.
func (x *index) way(units []uint16) (way []step, found bool, err error) {
	exact, found, err := x.exactly(units)
	if found || err != nil {
		return exact, found, err
	}
	way, found, err = x.search(func(key []byte) int { return x.v.upcase.fold(keyUnits(key), units) })
	if found || err != nil {
		return way, found, err
	}
	return exact, false, nil
}

// exactly is search for a name in one spelling only.
func (x *index) exactly(units []uint16) (way []step, found bool, err error) {
	return x.search(func(key []byte) int { return x.v.upcase.collate(keyUnits(key), units) })
}

// keyUnits is the name in a key that was parsed as a $FILE_NAME.
func keyUnits(key []byte) []uint16 {
	return unitsOf(key[fileNameHeader : fileNameHeader+2*int(key[64])])
}

// child looks a name up.
func (v *Volume) child(dir *inode, name string) (*child, error) {
	units, ok := encodeName(name)
	if !ok || len(units) == 0 || len(units) > maxName {
		return nil, fs.ErrNotExist
	}
	x, err := v.directory(dir)
	if err != nil {
		return nil, err
	}
	way, found, err := x.way(units)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fs.ErrNotExist
	}
	last := way[len(way)-1]
	return toChild(&last.entries[last.i])
}

func toChild(e *entry) (*child, error) {
	f, err := parseFileName(e.key)
	return &child{fileName: f, reference: e.reference}, err
}

// listed tells whether a directory's listing shows a name: not the short names
// made for DOS, nor the metadata files, among them the root in itself.
func (c *child) listed() bool {
	return c.space != nameDOS && recordOf(c.reference) >= firstListed
}

// follow reads the file that a name in a directory stands for. The file must
// know of the name, a directory of no other: so none is found below itself or
// twice, and every walk ends.
func (v *Volume) follow(dir *inode, c *child) (*inode, error) {
	n, err := v.referenced(c.reference)
	if err != nil {
		return nil, err
	}
	names, here := 0, false
	spaces := [2]int{} // names, and names made for DOS
	for _, a := range n.attributes {
		if a.typ != typeFileName {
			continue
		}
		f, err := parseFileName(a.value)
		if err != nil {
			return nil, n.base.damage(0, "%w", err)
		}
		if f.parent == dir.reference() {
			here = here || f.name == c.name && (f.space == c.space || !n.isDirectory())
		} else if n.isDirectory() {
			return nil, n.base.damage(0, "a directory with names in two directories")
		}
		names++
		if f.space == nameDOS {
			spaces[1]++
		} else {
			spaces[0]++
		}
	}
	if n.isDirectory() && (spaces[0] > 1 || spaces[1] > 1) {
		return nil, n.base.damage(0, "a directory with %d names", names)
	}
	if !here {
		return nil, n.base.damage(0, "none of its %d names is %q in the directory of MFT record %d, which holds it", names, c.name, dir.number())
	}
	return n, nil
}

// split takes a path apart: none for the root, which is ".".
func split(path string) ([]string, error) {
	if path == "." {
		return nil, nil
	}
	if path == "" || len(path) > 3*maxPath {
		return nil, fs.ErrInvalid
	}
	parts := strings.Split(path, "/")
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return nil, fs.ErrInvalid
		}
	}
	return parts, nil
}

// lookup finds the file at a path and the name that its directory gives it.
func (v *Volume) lookup(path string) (*inode, *child, error) {
	parts, err := split(path)
	if err != nil {
		return nil, nil, err
	}
	n, err := v.inode(recordRoot)
	if err != nil {
		return nil, nil, err
	}
	c := &child{fileName: fileName{name: "."}, reference: n.reference()}
	for i, name := range parts {
		if n.find(typeReparsePoint, "") != nil {
			return nil, nil, fmt.Errorf("%s: %w", strings.Join(parts[:i], "/"), ErrReparse)
		}
		if !n.isDirectory() {
			return nil, nil, fs.ErrNotExist
		}
		if c, err = v.child(n, name); err != nil {
			return nil, nil, err
		}
		if n, err = v.follow(n, c); err != nil {
			return nil, nil, err
		}
	}
	return n, c, nil
}

// children lists a directory in its order.
func (v *Volume) children(n *inode) ([]*child, error) {
	x, err := v.directory(n)
	if err != nil {
		return nil, err
	}
	var list []*child
	var last []uint16
	_, err = x.each(func(e *entry) error {
		c, err := toChild(e)
		if err != nil {
			return err
		}
		if last != nil && v.upcase.collate(last, c.units) >= 0 {
			return damage(x.what(-1), n.base.at, "%q and %q are not in order", decodeName(appendUnits(nil, last)), c.name)
		}
		if last = c.units; !c.listed() {
			return nil
		}
		if c.name == "." || c.name == ".." || strings.ContainsAny(c.name, "/\x00") {
			return damage(x.what(-1), n.base.at, "%q is not a name", c.name)
		}
		if len(list) == MaxEntries {
			return fmt.Errorf("%s: %w: more than %d names in a directory", n.file(), ErrTooLarge, MaxEntries)
		}
		list = append(list, c)
		return nil
	})
	return list, err
}
