package volume

import (
	"errors"
	"fmt"
	"io"

	"github.com/scutum-project/scutum/vhdx/bitlocker"
)

// checkPrepared says why a BitLocker volume cannot be that of a template, or nil.
// A template is encrypted with a key that lies on it in clear, so that every
// machine made from it can put protectors of its own in that key's place. Any
// other protector would open all these machines for whoever has its key.
func checkPrepared(r *io.SectionReader) error {
	v, err := bitlocker.Open(r, r.Size())
	if err != nil {
		return err
	}
	info := v.Info()
	switch {
	case info.ToGo:
		return errors.New("it is made for removable drives")
	case !info.Encrypted:
		return bitlocker.ErrConverting
	case info.MetadataGood != [3]bool{true, true, true} || info.MetadataDiffer:
		// Programs differ in which copy they take, and so in what opens the volume.
		return errors.New("the three copies of its metadata are not the same")
	}
	for _, p := range info.Protectors {
		if p.Kind != bitlocker.ClearKeyProtector {
			return fmt.Errorf("it has the key protector %s (%s), which would open every machine made from the template", p.ID, p.Kind)
		}
	}
	if err := v.Unlock(bitlocker.ClearKey{}); err != nil {
		return err
	}
	v.Lock()
	return nil
}
