package signing_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

const tib = 1 << 40

func signOptions(t testing.TB) signing.SignOptions {
	return signing.SignOptions{Identity: newLab(t), Name: "Windows Server 2025", Version: signing.Version{1, 2, 3, 4}}
}

func sign(t testing.TB, path string) *signing.Signed {
	t.Helper()
	s, err := signing.SignTemplate(t.Context(), path, signOptions(t))
	require.NoError(t, err)
	return s
}

func open(t testing.TB, path string) *vhdx.Disk {
	t.Helper()
	d, err := vhdx.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func fileSum(t testing.TB, path string) (sum [sha256.Size]byte) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return [sha256.Size]byte(h.Sum(nil))
}

// requireCatalogOf compares every hash of the catalog with the raw image of the disk.
func requireCatalogOf(t testing.TB, c *signing.Catalog, raw string) {
	t.Helper()
	f, err := os.Open(raw)
	require.NoError(t, err)
	defer f.Close()
	for i, v := range c.Volumes {
		at, end := int64(v.First)*int64(c.Disk.SectorSize), int64(v.First+v.Sectors)*int64(c.Disk.SectorSize)
		var want []byte
		for ; at < end; at += c.Hash.Segment {
			h := sha256.New()
			n := min(c.Hash.Segment, end-at)
			_, err := io.Copy(h, io.NewSectionReader(f, at, n))
			require.NoError(t, err)
			want = h.Sum(want)
		}
		require.Equal(t, want, v.Segments, "volume %d", i)
	}
}

// TestSignTemplate signs disks of all kinds and lets other programs judge.
func TestSignTemplate(t *testing.T) {
	for name, c := range map[string]struct {
		disk, raw func(testing.TB, volumetest.Options) string
		options   volumetest.Options
		convert   string // to this subformat
	}{
		"dynamic":                {disk: volumetest.Windows, raw: volumetest.WindowsRaw},
		"fixed":                  {disk: volumetest.Windows, raw: volumetest.WindowsRaw, convert: "fixed"},
		"blocks of 32 MiB":       {disk: volumetest.Windows, raw: volumetest.WindowsRaw, options: volumetest.Options{BlockSize: 32 * mib}},
		"sectors of 4096":        {disk: volumetest.Windows, raw: volumetest.WindowsRaw, options: volumetest.Options{SectorSize: 4096}},
		"Linux":                  {disk: volumetest.Linux, raw: volumetest.LinuxRaw},
		"Linux, sectors of 4096": {disk: volumetest.Linux, raw: volumetest.LinuxRaw, options: volumetest.Options{SectorSize: 4096}},
	} {
		t.Run(name, func(t *testing.T) {
			path, raw := c.disk(t, c.options), c.raw(t, c.options)
			if c.convert != "" {
				converted := filepath.Join(t.TempDir(), "converted.vhdx")
				volumetest.Run(t, "qemu-img", "convert", "-O", "vhdx", "-o", "subformat="+c.convert, path, converted)
				path = converted
			}
			o := signOptions(t)
			o.At = time.Now().Add(time.Second)
			var last, total int64
			o.Progress = func(done, of int64) {
				require.Greater(t, done, last)
				last, total = done, of
			}
			signed, err := signing.SignTemplate(t.Context(), path, o)
			require.NoError(t, err)
			require.Positive(t, total)
			require.Equal(t, total, last)
			require.WithinDuration(t, o.At, signed.SigningTime, time.Second)
			require.Equal(t, signed.SigningTime, signed.Catalog.Created)
			require.Equal(t, o.Identity.Certificate.Raw, signed.Signer.Raw)
			require.Equal(t, signing.Template{Name: o.Name, Version: o.Version}, signed.Catalog.Template)
			require.Equal(t, strings.HasPrefix(name, "Linux"), signed.Catalog.Type == volume.Linux)
			requireCatalogOf(t, signed.Catalog, raw)

			d := open(t, path)
			embedded, err := signing.Embedded(d)
			require.NoError(t, err)
			require.Equal(t, signed, embedded)
			report, err := signing.Verify(t.Context(), d, embedded, signing.VerifyOptions{})
			require.NoError(t, err)
			require.True(t, report.Intact(), "%v %v", report.Differences, report.Ranges())

			dir := t.TempDir()
			put(t, dir, "t.vsc", signed.DER)
			content, err := exec.Command("openssl", "cms", "-verify", "-inform", "DER", "-in", filepath.Join(dir, "t.vsc"), "-noverify", "-binary").Output()
			require.NoError(t, err)
			require.Equal(t, signed.Digest, sha256.Sum256(content))
			if c.options.SectorSize == 0 {
				require.Contains(t, volumetest.Run(t, "qemu-img", "check", path), "No errors")
				require.Contains(t, volumetest.Run(t, "qemu-img", "compare", path, raw), "identical")
				after := filepath.Join(dir, "after.raw")
				volumetest.Run(t, "qemu-img", "convert", "-O", "raw", path, after)
				require.Equal(t, fileSum(t, raw), fileSum(t, after))
			}
		})
	}
}

// TestSegmentsByOpenSSL compares some hashes with what dd and openssl make of the raw image.
func TestSegmentsByOpenSSL(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	raw := filepath.Join(t.TempDir(), "disk.raw")
	volumetest.Run(t, "qemu-img", "convert", "-O", "raw", path, raw)
	c := sign(t, path).Catalog
	for _, v := range c.Volumes {
		count := len(v.Segments) / sha256.Size
		for _, n := range []int{0, count / 2, count - 1} {
			skip := int64(v.First)*512 + int64(n)*c.Hash.Segment
			length := min(c.Hash.Segment, int64(v.Sectors)*512-int64(n)*c.Hash.Segment)
			pipe := fmt.Sprintf("dd if=%s iflag=skip_bytes,count_bytes skip=%d count=%d status=none | openssl dgst -sha256 -r", raw, skip, length)
			out, err := exec.Command("sh", "-c", pipe).Output()
			require.NoError(t, err)
			require.Equal(t, string(out[:64]), hex.EncodeToString(v.Segments[n*sha256.Size:][:sha256.Size]), "%s segment %d", v.Role, n)
		}
	}
}

// TestSignHugeDisk signs 2 TiB with little in them: in little time and memory.
func TestSignHugeDisk(t *testing.T) {
	o := volumetest.Options{OSSize: 2*tib - 512*mib, BlockSize: 32 * mib}
	path, raw := volumetest.Windows(t, o), volumetest.WindowsRaw(t, o)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	signed := sign(t, path)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*mib), "all that was ever allocated, so the most at any time")

	c := signed.Catalog
	require.EqualValues(t, 128*mib, c.Hash.Segment)
	require.Less(t, len(signed.DER), signing.MaxSize)

	d := open(t, path)
	report, err := signing.Verify(t.Context(), d, signed, signing.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, report.Intact())

	// The raw image is as sparse: read the segments that hold data, and a few that do not.
	f, err := os.Open(raw)
	require.NoError(t, err)
	defer f.Close()
	checked := 0
	for i, v := range c.Volumes {
		for n, state := range report.States[i] {
			if state == signing.NeverWritten && n%5000 != 0 {
				continue
			}
			h := sha256.New()
			at := int64(v.First)*512 + int64(n)*c.Hash.Segment
			_, err := io.Copy(h, io.NewSectionReader(f, at, min(c.Hash.Segment, int64(v.First+v.Sectors)*512-at)))
			require.NoError(t, err)
			require.Equal(t, h.Sum(nil), v.Segments[n*sha256.Size:][:sha256.Size])
			checked++
		}
	}
	require.Greater(t, checked, 8)
	require.Less(t, checked, 100)
}

func TestSignAgain(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	o := signOptions(t)
	first, err := signing.SignTemplate(t.Context(), path, o)
	require.NoError(t, err)

	second, err := signing.SignTemplate(t.Context(), path, signing.SignOptions{Identity: o.Identity, Like: first})
	require.NoError(t, err)
	require.Equal(t, "Windows Server 2025", second.Catalog.Template.Name)
	require.Equal(t, signing.Version{1, 2, 3, 5}, second.Catalog.Template.Version)
	require.Equal(t, first.Catalog.Volumes, second.Catalog.Volumes)

	third, err := signing.SignTemplate(t.Context(), path, signing.SignOptions{
		Identity: newLab(t), Like: first, Name: "Other", Version: signing.Version{9}, Type: volume.Windows,
	})
	require.NoError(t, err)
	require.Equal(t, signing.Template{Name: "Other", Version: signing.Version{9}}, third.Catalog.Template)
	require.Equal(t, volume.Windows, third.Catalog.Type)

	d := open(t, path)
	require.Len(t, d.Items(), 1)
	embedded, err := signing.Embedded(d)
	require.NoError(t, err)
	require.Equal(t, third, embedded)
	require.Contains(t, volumetest.Run(t, "qemu-img", "check", path), "No errors")
}

// TestSignReady looks at the file when the catalog is ready: it is not written to yet.
func TestSignReady(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	before := fileSum(t, path)
	o := signOptions(t)
	var ready []*signing.Signed
	o.Ready = func(s *signing.Signed) error {
		ready = append(ready, s)
		require.Equal(t, before, fileSum(t, path))
		return nil
	}
	signed, err := signing.SignTemplate(t.Context(), path, o)
	require.NoError(t, err)
	require.Equal(t, []*signing.Signed{signed}, ready)
	require.NotEqual(t, before, fileSum(t, path))
}

func TestNotSigned(t *testing.T) {
	_, err := signing.Embedded(open(t, volumetest.Windows(t, volumetest.Options{})))
	require.ErrorIs(t, err, signing.ErrNotSigned)
}

// TestSignRefuses checks that what cannot be signed stays as it is.
func TestSignRefuses(t *testing.T) {
	windows := func(t *testing.T) string { return volumetest.Windows(t, volumetest.Options{}) }
	strange := &signing.Signed{Signer: newLab(t).Certificate, Catalog: smallCatalog()}
	fresh := func(size string, options string) func(t *testing.T) string {
		return func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "disk.vhdx")
			volumetest.Run(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", options, path, size)
			return path
		}
	}
	garbage := func(content string) func(t *testing.T) string {
		return func(t *testing.T) string {
			dir := t.TempDir()
			put(t, dir, "disk.vhdx", []byte(content))
			return filepath.Join(dir, "disk.vhdx")
		}
	}
	for name, c := range map[string]struct {
		disk func(*testing.T) string
		vary func(*signing.SignOptions)
		is   error
		say  string
	}{
		"no partitions":  {disk: fresh("64M", "subformat=dynamic"), is: volume.ErrNoPartitionTable, say: "not fit to be a template"},
		"not a VHDX":     {disk: garbage("hello"), say: "disk.vhdx"},
		"empty file":     {disk: garbage(""), say: "disk.vhdx"},
		"no name":        {disk: windows, vary: func(o *signing.SignOptions) { o.Name = "" }, say: "no name"},
		"no version":     {disk: windows, vary: func(o *signing.SignOptions) { o.Version = signing.Version{} }, say: "no version"},
		"unknown type":   {disk: windows, vary: func(o *signing.SignOptions) { o.Type = "macos" }, say: "macos"},
		"another time":   {disk: windows, vary: func(o *signing.SignOptions) { o.At = time.Now().AddDate(5, 0, 0) }, is: signing.ErrExpired, say: "expired"},
		"time in no way": {disk: windows, vary: func(o *signing.SignOptions) { o.At = time.Unix(0, 0) }, is: signing.ErrNotYetValid, say: "not valid before"},
		"like one for Linux": {disk: windows, vary: func(o *signing.SignOptions) {
			o.Like = &signing.Signed{Catalog: &signing.Catalog{Type: volume.Linux}}
		}, say: "give the type"},
		"no next version": {disk: windows, vary: func(o *signing.SignOptions) {
			o.Version = signing.Version{}
			o.Like = &signing.Signed{
				Signer:  o.Identity.Certificate,
				Catalog: &signing.Catalog{Template: signing.Template{Version: signing.Version{1, 0, 0, 65535}}},
			}
		}, say: "no next version"},
		"like another's, no name": {disk: windows, vary: func(o *signing.SignOptions) {
			o.Name, o.Like = "", strange
		}, say: "give both name and version"},
		"like another's, no version": {disk: windows, vary: func(o *signing.SignOptions) {
			o.Version, o.Like = signing.Version{}, strange
		}, say: signing.Thumbprint(strange.Signer)},
		"Windows as Linux": {disk: windows, vary: func(o *signing.SignOptions) { o.Type = volume.Linux }, say: `the disk holds windows, not "linux"`},
		"Linux as Windows": {disk: func(t *testing.T) string { return volumetest.Linux(t, volumetest.Options{}) },
			vary: func(o *signing.SignOptions) { o.Type = volume.Windows }, say: `the disk holds linux, not "windows"`},
		"not ready": {disk: windows, vary: func(o *signing.SignOptions) {
			o.Ready = func(*signing.Signed) error { return os.ErrClosed }
		}, is: os.ErrClosed},
		"log not empty": {disk: func(t *testing.T) string {
			path := windows(t)
			fillLog(t, path)
			return path
		}, is: signing.ErrDirtyLog, say: "vhdx check --repair"},
		"region tables differ": {disk: func(t *testing.T) string {
			path := windows(t)
			spoilRegionTable(t, path)
			return path
		}, is: signing.ErrRegionTables, say: "vhdx check --repair"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.disk(t)
			before := fileSum(t, path)
			o := signOptions(t)
			if c.vary != nil {
				c.vary(&o)
			}
			_, err := signing.SignTemplate(t.Context(), path, o)
			require.ErrorContains(t, err, "sign "+path)
			require.ErrorContains(t, err, c.say)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.Equal(t, before, fileSum(t, path))
		})
	}
	t.Run("no such file", func(t *testing.T) {
		_, err := signing.SignTemplate(t.Context(), "/no/such/disk.vhdx", signOptions(t))
		require.ErrorIs(t, err, os.ErrNotExist)
		require.Equal(t, 1, strings.Count(err.Error(), "/no/such/disk.vhdx"))
	})
	t.Run("every reason", func(t *testing.T) {
		path := windows(t)
		d, err := vhdx.OpenReadWrite(path)
		require.NoError(t, err)
		l, err := volume.Read(d)
		require.NoError(t, err)
		system, ok := l.OSVolume()
		require.True(t, ok)
		_, err = d.WriteAt([]byte("-FVE-FS-"), system.Offset()+3)
		require.NoError(t, err)
		_, err = d.WriteAt(make([]byte, 34*512), d.Size()-34*512)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		_, err = signing.SignTemplate(t.Context(), path, signOptions(t))
		require.ErrorIs(t, err, volume.ErrBitLocker)
		require.ErrorIs(t, err, volume.ErrBrokenGPT)
	})
}

func TestSignRefusesDirtyLog(t *testing.T) {
	const packed = "/work/shared/testdata/vhdx/vhdx-log-replay.vhdx.gz"
	if _, err := os.Stat(packed); err != nil {
		t.Skipf("no disks made by Windows here: %v", err)
	}
	path := filepath.Join(t.TempDir(), "disk.vhdx")
	content, err := exec.Command("gzip", "-dc", packed).Output()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	_, err = signing.SignTemplate(t.Context(), path, signOptions(t))
	require.ErrorIs(t, err, signing.ErrDirtyLog)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, after))
}

// TestSignCancelled stops at several moments of the hashing.
func TestSignCancelled(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	before := fileSum(t, path)
	for _, percent := range []int64{0, 30, 100} {
		t.Run(strconv.Itoa(int(percent)), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := signOptions(t)
			o.Progress = func(done, total int64) {
				if done*100 >= total*percent {
					cancel()
				}
			}
			_, err := signing.SignTemplate(ctx, path, o)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, before, fileSum(t, path))
		})
	}
}

// TestSignNoticesOthers has somebody else write to the file while it is hashed.
func TestSignNoticesOthers(t *testing.T) {
	for name, meddle := range map[string]func(t *testing.T, path string){
		"written": func(t *testing.T, path string) {
			volumetest.Run(t, "qemu-io", "-f", "vhdx", "-c", "write -P 7 20M 4k", path)
		},
		"touched": func(t *testing.T, path string) {
			require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
		},
		"replaced": func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path+"~", content, 0o600))
			require.NoError(t, os.Rename(path+"~", path))
		},
		"removed": func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := volumetest.Windows(t, volumetest.Options{})
			o := signOptions(t)
			o.Progress = func(done, total int64) {
				if done == total {
					meddle(t, path)
				}
			}
			_, err := signing.SignTemplate(t.Context(), path, o)
			if name == "removed" {
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.ErrorIs(t, err, signing.ErrChanged)
			_, err = signing.Embedded(open(t, path))
			require.ErrorIs(t, err, signing.ErrNotSigned)
		})
	}
}
