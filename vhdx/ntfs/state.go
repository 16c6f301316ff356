package ntfs

import (
	"errors"
	"fmt"
	"io/fs"
)

// State tells whether a volume is fit to be changed.
type State struct {
	Dirty      bool // Windows, or an [Editor] that was cut short, left it to chkdsk
	Hibernated bool // hiberfil.sys holds a Windows that was not shut down
	LogInUse   bool // $LogFile may hold changes that are not on the volume
}

// Err gives [ErrDirty], [ErrHibernated], [ErrLog] or nil.
func (s State) Err() error {
	switch {
	case s.Hibernated:
		return ErrHibernated
	case s.Dirty:
		return ErrDirty
	case s.LogInUse:
		return ErrLog
	}
	return nil
}

// Flags of $VOLUME_INFORMATION.
const (
	volumeDirty = 0x0001
	// Resize the log, upgrade on mount, delete the change journal, repair object
	// IDs, chkdsk under way: work that Windows has still to do.
	volumeUnfinished = 0x0002 | 0x0004 | 0x0010 | 0x0020 | 0x4000
)

// State tells whether the volume was cleanly unmounted.
func (v *Volume) State() (State, error) {
	s, err := v.state()
	if err != nil {
		return State{}, fmt.Errorf("NTFS volume's state: %w", err)
	}
	return s, nil
}

func (v *Volume) state() (s State, err error) {
	n, err := v.inode(recordVolume)
	if err != nil {
		return s, err
	}
	b, err := n.resident(typeVolumeInformation, "", 12)
	if err != nil {
		return s, err
	}
	s.Dirty = le.Uint16(b[10:])&(volumeDirty|volumeUnfinished) != 0
	if s.Hibernated, err = v.hibernated(); err != nil {
		return s, err
	}
	log, err := v.log()
	if err != nil {
		return s, err
	}
	s.LogInUse, err = logInUse(log)
	return s, err
}

// hibernated looks at the header of the memory image that Windows leaves when
// it hibernates or, starting fast, only seems to shut down. A file too short
// for a header belongs to a Windows on another volume.
func (v *Volume) hibernated() (bool, error) {
	n, c, err := v.lookup("hiberfil.sys")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f, err := v.newFile(n, c.name)
	if err != nil {
		return false, err
	}
	magic := make([]byte, 4)
	if f.data == nil || f.data.a.size < 4096 {
		return true, nil
	}
	if f.refused != nil {
		return false, fmt.Errorf("hiberfil.sys: %w", f.refused)
	}
	if err := f.data.read(magic, 0); err != nil {
		return false, err
	}
	switch string(magic) {
	case "hibr", "HIBR", "rstr", "RSTR": // written, or being brought back
		return true, nil
	}
	return false, nil
}
