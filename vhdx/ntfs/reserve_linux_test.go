package ntfs

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOverlay adds to a template through an overlay, which alone is changed.
func TestOverlay(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := planted(41)
	mount(t, image, "", func(dir string) { want.plant(t, dir) })
	template, err := os.ReadFile(image)
	require.NoError(t, err)
	overlay := &patched{base: bytes.Clone(template), sectors: map[int64][]byte{}}
	e, err := Edit(overlay, int64(len(template)))
	require.NoError(t, err)
	a := newAdder(e, want, 42)
	for range 100 {
		require.NoError(t, a.add(t))
	}
	require.NoError(t, e.Close())
	require.True(t, bytes.Equal(template, overlay.base))
	whole := make([]byte, len(template))
	_, err = overlay.ReadAt(whole, 0)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(image, whole, 0o600))
	judge(t, image, want)
}

// TestReserve puts a file where something else is to lie.
func TestReserve(t *testing.T) {
	image := shapes[3].mkntfs(t)
	want := planted(40)
	mount(t, image, "", func(dir string) { want.plant(t, dir) })
	v := openImage(t, image)
	var places []Extent
	for x, err := range v.Free() {
		require.NoError(t, err)
		if x.Count >= 64 {
			places = append(places, Extent{x.First + x.Count/2, 16}, Extent{x.First + 3, 16})
		}
	}
	require.NotEmpty(t, places)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	mark := bytes.Repeat([]byte("metadata"), 16*4096/8)
	data := []byte{}
	for _, x := range places {
		_, err := f.WriteAt(mark, x.First*4096)
		require.NoError(t, err)
		data = append(data, mark...)
	}
	e := editImage(t, image)
	require.NoError(t, e.MkdirAll("System Volume Information"))
	const path = "System Volume Information/FVE2.{24e6f0ae-6a00-4f73-984b-75ce9942852d}"
	whole := e.Volume().Info().Records
	require.ErrorIs(t, e.Reserve(Reservation{path, places[:1]}, Reservation{"other", places[:1]}), ErrTaken)
	require.Equal(t, whole, e.Volume().Info().Records)
	require.NoError(t, e.Reserve(Reservation{path, places}), "none of two was made")
	require.ErrorIs(t, e.Reserve(Reservation{path, []Extent{{places[0].First + 40, 1}}}), os.ErrExist)
	require.ErrorIs(t, e.Reserve(Reservation{Path: "other"}), os.ErrInvalid)
	for _, x := range []Extent{{0, 1}, {places[0].First + 15, 5}, {v.clusters, 1}, {v.clusters - 1, 2}, {-1, 3}, {5, -1}, {1 << 62, 1 << 62}} {
		require.ErrorIs(t, e.Reserve(Reservation{"other", []Extent{x}}), ErrTaken)
	}
	require.NoError(t, e.Close())
	want["System Volume Information"], want[path] = nil, data
	judge(t, image, want)
	v = openImage(t, image)
	owners, err := v.Owners()
	require.NoError(t, err)
	for _, x := range places {
		list := owners.Of(x)
		require.Len(t, list, 1)
		require.Equal(t, x, list[0].Extent)
		got, err := v.Path(list[0].Record)
		require.NoError(t, err)
		require.Equal(t, path, got)
	}
	require.Contains(t, tool(t, "ntfsinfo", "-F", path, image), "HIDDEN SYSTEM")
}
