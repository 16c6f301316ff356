package recovery

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/fat"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// path is where the encrypted recovery key lies on the EFI system partition of a disk.
const path = "EFI/Scutum/recovery.ebek"

// ErrNotOnDisk says that a disk has no encrypted recovery key.
var ErrNotOnDisk = errors.New(`no EFI system partition of the disk holds \EFI\Scutum\recovery.ebek: ` +
	"it is not that of a shielded virtual machine, or the file was deleted")

// FromDisk reads the .ebek file of a shielded virtual machine's disk, and gives it as it stands there as well. A differencing
// disk, such as a checkpoint makes, must have been opened with its parents. The error is ErrNotOnDisk, ErrEBEK, or one of
// package fat.
func FromDisk(d *vhdx.Disk) (*Encrypted, []byte, error) {
	layout, err := volume.ReadWhole(d)
	if err != nil {
		return nil, nil, err
	}
	var damage error
	for _, p := range layout.Partitions {
		if p.Role != volume.RoleESP || p.Length() > d.Size() || p.Offset() > d.Size()-p.Length() {
			continue
		}
		data, err := fat.ReadFile(io.NewSectionReader(d, p.Offset(), p.Length()), path, MaxSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			damage = fmt.Errorf("read the EFI system partition, number %d: %w", p.Index, err)
		default:
			e, err := ParseEBEK(data)
			return e, data, err
		}
	}
	if damage != nil {
		return nil, nil, damage
	}
	return nil, nil, ErrNotOnDisk
}
