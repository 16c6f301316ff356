package signing

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/signing/strictjson"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// Format is the format of the catalogs that this package reads and writes.
const Format = "scutum-vsc-1"

// MaxSize bounds a signed catalog, in bytes: more does not fit into a metadata item of a VHDX file.
const MaxSize = 1 << 20

// ErrCatalog says that the content of a catalog is malformed or contradicts itself.
var ErrCatalog = errors.New("invalid volume signature catalog")

// A Catalog is the content of a volume signature catalog: what was signed about a template disk.
type Catalog struct {
	Format   string    `json:"format"`
	Template Template  `json:"template"`
	Type     string    `json:"type"`    // volume.Windows or volume.Linux
	Created  time.Time `json:"created"` // UTC
	Disk     Disk      `json:"disk"`
	Hash     Hash      `json:"hash"`
	Volumes  []Volume  `json:"volumes"` // every partition, in the order in which they lie on the disk
}

// A Template is named by its owner; shielding data refer to it by this name and a range of versions.
type Template struct {
	Name    string  `json:"name"`
	Version Version `json:"version"`
}

// Disk is the virtual disk that the catalog describes.
type Disk struct {
	Size       int64  `json:"size"`       // bytes
	SectorSize int    `json:"sectorSize"` // bytes: 512 or 4096
	GUID       string `json:"guid"`       // of the GPT, lower case 8-4-4-4-12
}

// Hash is how the volumes were hashed.
type Hash struct {
	Algorithm string `json:"algorithm"` // "SHA-256"
	Segment   int64  `json:"segment"`   // bytes
}

// A Volume is one partition and the hashes of its segments.
type Volume struct {
	Role       volume.Role       `json:"role"`
	GUID       string            `json:"guid"` // of the partition, lower case 8-4-4-4-12
	Type       string            `json:"type"` // partition type GUID, likewise
	Name       string            `json:"name"`
	Attributes uint64            `json:"attributes"` // GPT attribute bits
	First      uint64            `json:"first"`      // LBA
	Sectors    uint64            `json:"sectors"`
	FileSystem volume.FileSystem `json:"fileSystem"`
	Segments   []byte            `json:"segments"` // the SHA-256 of each segment, one after the other
}

// ParseCatalog reads the content of a catalog. Its errors are ErrCatalog.
func ParseCatalog(content []byte) (*Catalog, error) {
	if len(content) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrCatalog, len(content), MaxSize)
	}
	var c Catalog
	if err := strictjson.Unmarshal(content, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCatalog, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCatalog, err)
	}
	return &c, nil
}

// Encode writes the content that is to be signed. It refuses a catalog that ParseCatalog would not read.
func (c *Catalog) Encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCatalog, err)
	}
	content, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCatalog, err)
	}
	if len(content) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrCatalog, len(content), MaxSize)
	}
	return content, nil
}

// OSVolume is the volume that holds the operating system. Every catalog has exactly one.
func (c *Catalog) OSVolume() *Volume {
	for i := range c.Volumes {
		if c.Volumes[i].Role == volume.RoleOS {
			return &c.Volumes[i]
		}
	}
	panic("signing: the catalog was not checked")
}
