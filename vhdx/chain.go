package vhdx

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// maxStructures bounds, in bytes, what the disks of a chain keep of their
// structures beside cached sectors: almost twice the most that one can need.
const maxStructures = 24 << 20

// A chain is what a differencing disk and its parents have in common.
type chain struct {
	files      []os.FileInfo // of the disks that led to the one to open
	structures int64         // bytes that are kept of all
	sectors    sectorCaches
}

// keep makes the structure of one more disk count.
func (c *chain) keep(s *structure) error {
	if c.structures += s.memory(); c.structures > maxStructures {
		return errors.New("the disks of the chain have too many regions, metadata items and updates in their logs")
	}
	return nil
}

// memory is about what a structure keeps, in bytes.
func (s *structure) memory() int64 {
	const perUpdate, perRegion, perItem = 40, 160, 40 // a region with its span and its name
	n := perUpdate*int64(cap(s.image.writes)) + perRegion*int64(len(s.regions)) + perItem*int64(len(s.items))
	for key, value := range s.params.locator {
		n += int64(len(key) + len(value))
	}
	return n
}

// openParent finds and opens the parent of the disk in file, which is at path
// and the last of the chain so far. It returns the path it was found at.
func openParent(file File, s *structure, path string, c *chain) (*Disk, string, error) {
	if path == "" {
		return nil, "", fmt.Errorf("%w: the path of the differencing disk itself is not known", ErrParentNotFound)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, "", err
	}
	c.files = append(c.files, info)
	if len(c.files) == maxChain {
		return nil, "", fmt.Errorf("the chain of differencing disks is longer than %d", maxChain)
	}
	candidates := s.params.locator.paths(filepath.Dir(path))
	var refused error // why the first candidate that is there is not the parent
	for _, candidate := range candidates {
		f, parentInfo, err := openRegular(candidate)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				refused = cmp.Or(refused, fmt.Errorf("parent: %w", err))
			}
			continue
		}
		if slices.ContainsFunc(c.files, func(f os.FileInfo) bool { return os.SameFile(f, parentInfo) }) {
			_ = f.Close()
			return nil, "", fmt.Errorf("the chain of differencing disks runs in a circle at %s", candidate)
		}
		accepted := false
		parent, err := openOwned(f, Options{Path: candidate, chain: c, accept: func(parent *structure) error {
			err := s.checkParent(parent)
			accepted = err == nil
			return err
		}})
		if err == nil {
			return parent, candidate, nil
		}
		err = fmt.Errorf("parent %s: %w", candidate, withoutPath(err, candidate))
		if accepted {
			return nil, "", err // it is the parent, so that there is no other to look for
		}
		refused = cmp.Or(refused, err)
	}
	if refused != nil {
		return nil, "", refused
	}
	return nil, "", fmt.Errorf("%w at %q", ErrParentNotFound, candidates)
}

// openRegular opens a file that a locator names, which may be anything: to open
// a device may have effects, and to open a named pipe may wait for ever, also
// when it takes the place of a file just looked at.
func openRegular(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	irregular := fmt.Errorf("%s is not a regular file", path)
	if !info.Mode().IsRegular() {
		return nil, nil, irregular
	}
	f, err := os.OpenFile(path, os.O_RDONLY|doNotWait, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = irregular
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// checkParent compares the parent's identity with the one recorded, section
// 2.6.2.6.3, and the sector sizes, section 2.6.2.4.
func (s *structure) checkParent(parent *structure) error {
	if have := parent.headers.current.dataWrite; !s.params.locator.accepts(have) {
		return fmt.Errorf("%w (its DataWriteGuid is %s, recorded is %s)", ErrParentChanged, have, s.params.locator[linkageKey])
	}
	if parent.params.logicalSectorSize != s.params.logicalSectorSize {
		return fmt.Errorf("its logical sectors have %d bytes, the child's %d", parent.params.logicalSectorSize, s.params.logicalSectorSize)
	}
	return nil
}

// refreshLocator updates path entries that no longer lead to the parent, as
// section 2.6.2.6.3 asks of who opens a chain for writing.
func (d *Disk) refreshLocator(dir, foundAt string) error {
	paths := d.params.locator.paths(dir)
	if len(paths) > 0 && paths[0] == foundAt {
		return nil
	}
	locator, err := locatorFor(dir, foundAt, d.parent.headers.current.dataWrite)
	if err != nil {
		return err
	}
	if v := d.params.locator[volumePathKey]; v != "" && slices.Contains(parentLocator{volumePathKey: v}.paths(dir), foundAt) {
		locator[volumePathKey] = v
	}
	if a := d.params.locator[absolutePathKey]; a != "" && slices.Contains(parentLocator{absolutePathKey: a}.paths(dir), foundAt) {
		locator[absolutePathKey] = a
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.setItem(item{id: parentLocatorID, required: true}, locator.marshal(), false); err != nil {
		return fmt.Errorf("update the parent locator: %w", err)
	}
	d.params.locator = locator
	return nil
}
