package signing_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// fullDisk is a disk with 256 MiB of random data in its OS volume.
func fullDisk(b *testing.B) (path string) {
	const size = 256 * mib
	path = volumetest.Windows(b, volumetest.Options{OSSize: size + 64*mib})
	d, err := vhdx.OpenReadWrite(path)
	require.NoError(b, err)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	_, err = d.WriteAt(data, 100*mib)
	require.NoError(b, err)
	require.NoError(b, d.Close())
	b.SetBytes(size)
	return path
}

func BenchmarkBuild(b *testing.B) {
	d := open(b, fullDisk(b))
	l, err := volume.Read(d)
	require.NoError(b, err)
	o := signing.BuildOptions{Template: signing.Template{Name: "bench", Version: signing.Version{1}}, Type: volume.Windows, Created: time.Now()}
	for b.Loop() {
		_, err := signing.Build(b.Context(), d, l, o)
		require.NoError(b, err)
	}
}

// BenchmarkVolumeReader is what provisioning needs: all of the OS volume, each byte after it was found to match.
func BenchmarkVolumeReader(b *testing.B) {
	path := fullDisk(b)
	r := newReader(b, open(b, path), sign(b, path), windows)
	for b.Loop() {
		for _, err := range r.Chunks(b.Context()) {
			require.NoError(b, err)
		}
	}
}
