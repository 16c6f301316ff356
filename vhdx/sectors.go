package vhdx

import (
	"encoding/binary"
	"sync"
)

// maxCachedSectors bounds the clean metadata sectors that the disks of a chain
// cache: 16 MiB, the BAT of a 64 TiB disk in blocks of 32 MiB.
const maxCachedSectors = 4096

type sector [logSectorSize]byte

// sectorCache holds 4 KiB sectors of the BAT and the sector bitmaps: those read
// lately, and those changed and not yet written through the log.
//
// The disk's lock guards the contents of the sectors: who holds it for reading
// may get, who holds it for writing may edit. The lock of the caches of a chain
// guards the maps, so that readers can load sectors side by side.
type sectorCache struct {
	*sectorCaches
	image *replayedFile
	clean map[int64]*sector
	dirty map[int64]*sector
}

// sectorCaches are those of the disks of a chain, which share their bound.
type sectorCaches struct {
	mu  sync.Mutex
	all []*sectorCache
}

func (s *sectorCaches) add(image *replayedFile) *sectorCache {
	c := &sectorCache{sectorCaches: s, image: image, clean: map[int64]*sector{}, dirty: map[int64]*sector{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, c)
	return c
}

// cleanSectors counts what is cached. The lock is held.
func (s *sectorCaches) cleanSectors() (n int) {
	for _, c := range s.all {
		n += len(c.clean)
	}
	return n
}

// dropClean empties the caches of what can be read again. The lock is held.
func (s *sectorCaches) dropClean() {
	for _, c := range s.all {
		clear(c.clean)
	}
}

// get returns the sector at an aligned file offset.
func (c *sectorCache) get(offset int64) (*sector, error) {
	c.mu.Lock()
	s := c.dirty[offset]
	if s == nil {
		s = c.clean[offset]
	}
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s = new(sector)
	if _, err := c.image.ReadAt(s[:], offset); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleanSectors() >= maxCachedSectors {
		c.dropClean()
	}
	c.clean[offset] = s
	return s, nil
}

// edit returns the sector at an aligned file offset and notes that it changes.
func (c *sectorCache) edit(offset int64) (*sector, error) {
	s, err := c.get(offset)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clean, offset)
	c.dirty[offset] = s
	return s, nil
}

// put takes a whole sector as changed, whatever the file holds there.
func (c *sectorCache) put(offset int64, s *sector) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clean, offset)
	c.dirty[offset] = s
}

// forget drops what is cached and changed in a part of the file that is given up.
func (c *sectorCache) forget(offset, length int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range []map[int64]*sector{c.clean, c.dirty} {
		for at := range m {
			if at >= offset && at < offset+length {
				delete(m, at)
			}
		}
	}
}

// written notes that all changed sectors have reached their place.
func (c *sectorCache) written() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleanSectors()+len(c.dirty) > maxCachedSectors {
		c.dropClean()
	}
	for at, s := range c.dirty {
		c.clean[at] = s
	}
	clear(c.dirty)
}

// uint64At reads the little-endian integer at a file offset that is a multiple of 8.
func (c *sectorCache) uint64At(offset int64) (uint64, error) {
	s, err := c.get(offset &^ (logSectorSize - 1))
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(s[offset&(logSectorSize-1):]), nil
}

func (c *sectorCache) setUint64(offset int64, v uint64) error {
	s, err := c.edit(offset &^ (logSectorSize - 1))
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(s[offset&(logSectorSize-1):], v)
	return nil
}
