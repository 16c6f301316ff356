package vhdx

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fault breaks one rule of the specification in a good disk.
type fault struct {
	name     string
	kind     Type
	plant    func(p *planted) int64 // returns the offset that Check is to name
	section  string
	text     string // part of what Check and Open say
	fatal    bool
	others   bool   // it breaks other rules as well
	repaired string // what Repair says that it did
}

func runFaults(t *testing.T, faults []fault) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			p := plant(t, f.kind)
			report, err := CheckFile(p, p.path)
			require.NoError(t, err)
			require.Empty(t, report.Violations, "before")
			good := readAll(t, p)
			at := f.plant(p)

			want := Violation{Offset: at, Section: f.section, Fatal: f.fatal}
			report, err = CheckFile(p, p.path)
			require.NoError(t, err)
			require.NotEmpty(t, report.Violations)
			require.False(t, report.Healthy())
			found := false
			for _, v := range report.Violations {
				said := v.Text
				v.Text = ""
				found = found || v == want && strings.Contains(said, f.text)
			}
			require.Truef(t, found, "want %+v with %q\nhave %+v", want, f.text, report.Violations)
			if !f.others {
				require.Len(t, report.Violations, 1)
			}

			if f.fatal {
				err := useAll(p)
				require.Error(t, err)
				require.Contains(t, err.Error(), f.text)
				var v *Violation
				require.True(t, errors.As(err, &v))
				require.True(t, v.Fatal)
				require.Equal(t, f.section, v.Section)
				done, _ := RepairFile(p)
				require.Empty(t, done)
				return
			}
			require.Equal(t, good, readAll(t, p))
			done, err := RepairFile(p)
			require.NoError(t, err)
			if f.repaired == "" {
				require.Empty(t, done)
				return
			}
			require.Equal(t, []string{f.repaired}, done)
			report, err = CheckFile(p, p.path)
			require.NoError(t, err)
			require.Empty(t, report.Violations, "after the repair")
			require.Equal(t, good, readAll(t, p))
		})
	}
}

// readAll returns the hash of what a disk holds in its first 40 MiB.
func readAll(t *testing.T, p *planted) [32]byte {
	t.Helper()
	d, err := OpenFile(p, Options{Path: p.path})
	require.NoError(t, err)
	defer d.Close()
	b := make([]byte, min(d.Size(), 40*mib))
	_, err = d.ReadAt(b, 0)
	require.NoError(t, err)
	return sha256.Sum256(b)
}

// useAll opens a disk and reads all of it, and returns what keeps it from that.
func useAll(p *planted) error {
	d, err := OpenFile(p, Options{Path: p.path})
	if err != nil {
		return err
	}
	defer d.Close()
	for _, err := range d.Extents(0, d.Size()) {
		if err != nil {
			return err
		}
	}
	_, err = d.ReadAt(make([]byte, min(d.Size(), 40*mib)), 0)
	if err != nil {
		return err
	}
	// Blocks that overlap read as they say; writing would change both.
	d, err = OpenFile(p, Options{Path: p.path, Writable: true})
	if err != nil {
		return err
	}
	_, err = d.WriteAt([]byte{1}, 20*mib)
	return errors.Join(err, d.Close())
}

func TestNoVHDX(t *testing.T) {
	for name, tt := range map[string]struct {
		content []byte
		text    string
	}{
		"empty":         {nil, "not a VHDX file: the file is empty"},
		"short":         {[]byte("vhd"), `not a VHDX file: it does not begin with "vhdxfile"`},
		"another":       {make([]byte, 5*mib), `not a VHDX file: it does not begin with "vhdxfile"`},
		"only its name": {[]byte("vhdxfile"), "the file ends at 8 bytes, inside the header section: it is truncated"},
		"zeros behind":  {append([]byte("vhdxfile"), make([]byte, 5*mib)...), "neither header is valid"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.vhdx")
			require.NoError(t, os.WriteFile(path, tt.content, 0o600))
			for do, err := range map[string]error{
				"open " + path:   second(Open(path)),
				"repair " + path: second(Repair(path)),
			} {
				require.ErrorContains(t, err, do+": ")
				require.ErrorContains(t, err, tt.text)
			}
			_, err := OpenReadWrite(path)
			require.ErrorContains(t, err, tt.text)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, tt.content, append(tt.content[:0:0], after...))
			report, err := Check(path)
			if err != nil {
				require.ErrorContains(t, err, "check "+path+": "+tt.text)
				require.ErrorIs(t, err, ErrNotVHDX)
				return
			}
			require.True(t, report.Violations[len(report.Violations)-1].Fatal)
			require.Contains(t, report.Violations[len(report.Violations)-1].Text, tt.text)
		})
	}
	_, err := Open(t.TempDir())
	require.ErrorContains(t, err, "is a directory")
	_, err = Open(filepath.Join(t.TempDir(), "none.vhdx"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Check(filepath.Join(t.TempDir(), "none.vhdx"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func second[T any](_ T, err error) error { return err }

// Whatever is cut off a file, nothing panics, and what is missing is noticed.
func TestTruncatedAnywhere(t *testing.T) {
	for _, kind := range []Type{Dynamic, Fixed, Differencing} {
		t.Run(kind.String(), func(t *testing.T) {
			p := plant(t, kind)
			size, random := p.size, newRandom(1)
			for range 60 {
				c := &planted{memFile: p.clone(), t: t, path: p.path, s: p.s}
				cut := random.Int64N(size)
				require.NoError(t, c.Truncate(cut))
				require.Error(t, useAll(c), "cut at %d", cut)
				report, err := CheckFile(c, c.path)
				if err != nil {
					require.ErrorIs(t, err, ErrNotVHDX)
					continue
				}
				require.NotEmpty(t, report.Violations, "cut at %d", cut)
			}
		})
	}
}

func TestCheckCountsBlocks(t *testing.T) {
	p := plant(t, Differencing)
	for block, state := range map[int64]int{5: stateZero, 6: stateUnmapped, 7: stateUndefined, 8: stateZero} {
		p.put64(p.bat(block), uint64(newBATEntry(state, 0)))
	}
	report, err := CheckFile(p, p.path)
	require.NoError(t, err)
	require.True(t, report.Healthy())
	require.Equal(t, BlockCounts{Total: 40, Present: 1, Partial: 3, Zero: 2, Unmapped: 1, Undefined: 1, NotPresent: 32}, report.Blocks)
}

// A file full of faults gives a report that can be read.
func TestCheckBoundsItsReport(t *testing.T) {
	m := newMemFile()
	d, err := Create(m, CreateOptions{Size: 2000 * mib, BlockSize: mib})
	require.NoError(t, err)
	bat := d.bat.offset
	require.NoError(t, d.Close())
	p := &planted{memFile: m, t: t}
	for n := range int64(2000) {
		p.put64(bat+8*n, uint64(newBATEntry(4, 0)))
	}
	report, err := CheckFile(m, "")
	require.NoError(t, err)
	require.Len(t, report.Violations, 1000)
	require.Equal(t, 1000, report.Omitted)
	require.False(t, report.Healthy())
}
