package model

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// Job gives the work of making or changing the file. It keeps what it needs, so
// that the model may be looked at meanwhile; result hears of what was written
// before the job ends. A file that exists is replaced only with overwrite.
func (s *ShieldingData) Job(overwrite bool, result func(*pdk.ShieldingData)) func(ctx context.Context, update func(done, total int64)) error {
	c := *s
	c.Templates, c.Files, c.Access = append([]Trusted(nil), s.Templates...), append([]Secret(nil), s.Files...), append([]Access(nil), s.Access...)
	return func(ctx context.Context, _ func(done, total int64)) error {
		if err := c.CheckPath(); err != nil {
			return err
		}
		data, err := c.encode()
		if err != nil {
			return err
		}
		d, err := pdk.Parse(data)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.write(data, overwrite); err != nil {
			return err
		}
		result(d)
		return nil
	}
}

func (s *ShieldingData) encode() ([]byte, error) {
	if s.Edited != nil {
		return s.change()
	}
	o := pdk.Options{Kind: s.Kind, Policy: s.Policy}
	if s.ForTemplates() {
		o.Volumes = s.qualifiers()
		p, err := s.payload()
		if err != nil {
			return nil, err
		}
		defer p.Clear()
		o.Payload = *p
	}
	return pdk.New(s.Owner, s.granted(), o)
}

// granted are those who get access and did not have it.
func (s *ShieldingData) granted() []*guardian.Guardian {
	var all []*guardian.Guardian
	for _, a := range s.Access {
		if a.added() && a.Guardian != nil {
			all = append(all, a.Guardian)
		}
	}
	return all
}

func (s *ShieldingData) change() ([]byte, error) {
	now, err := ReadFile(s.Edited.Path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(now, s.Edited.bytes) {
		return nil, problem("Somebody changed the file since it was opened. Open it again, and make your changes there.")
	}
	c := pdk.Change{Grant: s.granted()}
	if s.Policy != s.Edited.Data.Policy {
		c.Policy = &s.Policy
	}
	if s.templatesChanged() {
		volumes := s.qualifiers()
		c.Volumes = &volumes
	}
	if s.filesChanged() {
		if c.Payload, err = s.payload(); err != nil {
			return nil, err
		}
		defer c.Payload.Clear()
	}
	if revoked := s.Revoked(); len(revoked) > 0 {
		ids := map[uint32]bool{}
		for _, a := range revoked {
			ids[a.Wrapping.ID] = true
		}
		c.Revoke = func(w keyprotector.WrappingInfo) bool { return ids[w.ID] }
	}
	return s.Edited.Data.Edit(s.Owner, c)
}

// write writes a new file, or changes one where it really is, should a link lead
// to it.
func (s *ShieldingData) write(data []byte, overwrite bool) error {
	if !s.InPlace() {
		return atomicfile.WriteFile(s.Path, data, 0o666, overwrite)
	}
	target, err := filepath.EvalSymlinks(s.Path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(target, data, info.Mode().Perm(), overwrite)
}
