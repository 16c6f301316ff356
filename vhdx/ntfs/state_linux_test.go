package ntfs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// restartPages makes the two restart pages of a log.
func restartPages(major, minor, client, flags uint16, lsns ...uint64) []byte {
	b := bytes.Repeat([]byte{0xff}, 2*4096)
	for i, lsn := range lsns {
		p := b[i*4096 : (i+1)*4096]
		clear(p)
		copy(p, "RSTR")
		le.PutUint16(p[4:], 30)
		le.PutUint16(p[6:], 9)
		le.PutUint32(p[16:], 4096)
		le.PutUint32(p[20:], 4096)
		le.PutUint16(p[24:], 64)
		le.PutUint16(p[26:], minor)
		le.PutUint16(p[28:], major)
		a := p[64:]
		le.PutUint64(a, lsn)
		le.PutUint16(a[8:], 1)
		le.PutUint16(a[10:], 0xffff)
		le.PutUint16(a[12:], client)
		le.PutUint16(a[14:], flags)
		le.PutUint16(a[20:], 48)
		_ = protect(p)
	}
	return b
}

// forced is an editor of a volume that may be one not to be changed.
func forced(t testing.TB, image string) *Editor {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	require.NoError(t, err)
	tx := &transaction{dev: f, sector: stride}
	v, err := Open(tx, info.Size())
	require.NoError(t, err)
	n, a, err := v.mirror()
	require.NoError(t, err)
	return &Editor{v: v, tx: tx, mirror: &stream{v: v, a: a, what: n.name()}}
}

// TestState has the states in which Windows leaves volumes.
func TestState(t *testing.T) {
	torn := restartPages(1, 1, logNoClient, 0, 9, 5)
	torn[511]++
	for name, c := range map[string]struct {
		log   []byte // its beginning
		hiber []byte // hiberfil.sys
		flags uint16
		want  error
	}{
		"formatted":                   {},
		"no client":                   {log: restartPages(1, 1, logNoClient, 0, 5, 6)},
		"marked clean":                {log: restartPages(1, 1, 0, logVolumeClean, 5, 6)},
		"in use":                      {log: restartPages(1, 1, 0, 0, 5, 6), want: ErrLog},
		"the second page is newer":    {log: append(restartPages(1, 1, logNoClient, 0, 5)[:4096], restartPages(1, 1, 0, 0, 5, 6)[4096:]...), want: ErrLog},
		"the first page is newer":     {log: append(restartPages(1, 1, logNoClient, 0, 9)[:4096], restartPages(1, 1, 0, 0, 5, 6)[4096:]...)},
		"the first page is torn":      {log: append(torn[:4096], restartPages(1, 1, 0, 0, 5, 6)[4096:]...), want: ErrLog},
		"fast start":                  {log: restartPages(2, 0, 0, logVolumeClean, 5, 6), want: ErrLog},
		"no page is whole":            {log: bytes.Repeat([]byte("RSTR????"), 1024), want: ErrLog},
		"records only":                {log: append([]byte("RCRD"), make([]byte, 8188)...), want: ErrLog},
		"hibernated":                  {hiber: append([]byte("hibr"), make([]byte, 9000)...), want: ErrHibernated},
		"hibernated, new":             {hiber: append([]byte("HIBR"), make([]byte, 9000)...), want: ErrHibernated},
		"being resumed":               {hiber: append([]byte("RSTR"), make([]byte, 9000)...), want: ErrHibernated},
		"hibernated on another":       {hiber: make([]byte, 100), want: ErrHibernated},
		"resumed":                     {hiber: append([]byte("wake"), make([]byte, 9000)...)},
		"never hibernated":            {hiber: make([]byte, 9000)},
		"dirty":                       {flags: volumeDirty, want: ErrDirty},
		"chkdsk was under way":        {flags: 0x4000, want: ErrDirty},
		"chkdsk changed it":           {flags: 0x8000},
		"to be upgraded":              {flags: 4, want: ErrDirty},
		"the log wants another size":  {flags: 2, want: ErrDirty},
		"the change journal is going": {flags: 16, want: ErrDirty},
	} {
		t.Run(name, func(t *testing.T) {
			image := mkntfs(t, 8<<20)
			if c.hiber != nil {
				mount(t, image, "", func(dir string) {
					require.NoError(t, os.WriteFile(filepath.Join(dir, "hiberfil.sys"), c.hiber, 0o600))
				})
			}
			e := forced(t, image)
			if c.log != nil {
				log, err := e.v.log()
				require.NoError(t, err)
				require.NoError(t, e.writeStream(0, log, 0, c.log))
			}
			r, err := e.v.record(recordVolume)
			require.NoError(t, err)
			extents, err := r.extents()
			require.NoError(t, err)
			for _, x := range extents {
				if x.typ == typeVolumeInformation {
					le.PutUint16(x.value[10:], c.flags)
				}
			}
			require.NoError(t, e.putRecord(r, 0))
			require.NoError(t, e.tx.flush())
			before, err := os.ReadFile(image)
			require.NoError(t, err)
			f, err := os.OpenFile(image, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			state, err := openImage(t, image).State()
			require.NoError(t, err)
			_, err = Edit(f, int64(len(before)))
			require.ErrorIs(t, err, c.want)
			require.ErrorIs(t, state.Err(), c.want)
			after, err := os.ReadFile(image)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after))
			if c.want != nil {
				return
			}
			e = editImage(t, image)
			require.NoError(t, e.WriteFile("x", []byte("y")))
			require.NoError(t, e.Close())
			want := tree{"x": []byte("y")}
			if c.hiber != nil {
				want["hiberfil.sys"] = c.hiber
			}
			judge(t, image, want)
			log, err := e.v.log()
			require.NoError(t, err)
			b, err := log.readAll(64 << 20)
			require.NoError(t, err)
			require.Equal(t, len(b), bytes.Count(b, []byte{0xff}))
		})
	}
}
