package gui

import (
	"crypto"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// plant puts an .ebek file onto the EFI system partition of a disk, with mtools.
func plant(t *testing.T, disk string, data []byte) {
	t.Helper()
	d, err := vhdx.OpenReadWrite(disk)
	require.NoError(t, err)
	defer d.Close()
	layout, err := volume.ReadWhole(d)
	require.NoError(t, err)
	esp := layout.Partitions[0]
	image := make([]byte, esp.Length())
	_, err = d.ReadAt(image, esp.Offset())
	require.NoError(t, err)
	folder := t.TempDir()
	file, ebek := filepath.Join(folder, "esp"), filepath.Join(folder, "recovery.ebek")
	require.NoError(t, os.WriteFile(file, image, 0o600))
	require.NoError(t, os.WriteFile(ebek, data, 0o600))
	volumetest.Run(t, "mmd", "-i", file, "::EFI/Scutum")
	volumetest.Run(t, "mcopy", "-i", file, ebek, "::EFI/Scutum")
	image, err = os.ReadFile(file)
	require.NoError(t, err)
	_, err = d.WriteAt(image, esp.Offset())
	require.NoError(t, err)
	require.NoError(t, d.Close())
}

// recoverable puts an owner into the store, and makes shielding data of it and a
// recovery key under them.
func recoverable(t *testing.T, d *driver, shielding string) (owner *guardian.Owner, ebek []byte) {
	t.Helper()
	store, err := d.w.store()
	require.NoError(t, err)
	owner, err = guardian.NewOwner("Contoso", 2048, time.Hour*24*365)
	require.NoError(t, err)
	require.NoError(t, store.AddOwner(owner, "open sesame", false))
	data, err := pdk.New(owner, nil, pdk.Options{Kind: pdk.ExistingVM, Policy: pdk.Shielded})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(shielding, data, 0o600))
	made, err := pdk.Parse(data)
	require.NoError(t, err)
	transportKey, err := made.KeyProtector.Unwrap(owner.EncryptionKey.(crypto.Decrypter))
	require.NoError(t, err)
	id := vhdx.NewGUID()
	sealed, err := recovery.Seal(recovery.NewExternalKey(id, time.Now()), transportKey, made.ID, id, made.KeyProtector.Bytes())
	require.NoError(t, err)
	ebek, err = sealed.Encode()
	require.NoError(t, err)
	return owner, ebek
}

func TestRecoveryFromDisk(t *testing.T) {
	d := drive(t)
	folder := t.TempDir()
	shielding := filepath.Join(folder, "vm01.pdk")
	_, ebek := recoverable(t, d, shielding)
	disk := volumetest.Windows(t, volumetest.Options{})
	d.w.show(placeRecovery)
	d.settle()
	d.picture("recovery-empty")
	require.Contains(t, d.notices(), "no password of 48 digits")
	d.w.Open(disk)
	d.settle()
	require.Contains(t, d.field("Disk, or encrypted recovery key").Message(), "no recovery key on this disk")
	plant(t, disk, ebek)
	d.w.Open(disk)
	d.settle()
	encrypted, err := recovery.ParseEBEK(ebek)
	require.NoError(t, err)
	require.Contains(t, d.notices(), encrypted.PDK.String())
	saved := filepath.Join(folder, "vm01.ebek")
	d.enter("Save the encrypted recovery key as (optional)", saved)
	d.tap("Save")
	data, err := os.ReadFile(saved)
	require.NoError(t, err)
	require.Equal(t, ebek, data)

	out := filepath.Join(folder, "usb")
	require.NoError(t, os.Mkdir(out, 0o700))
	d.enter("Shielding data", shielding)
	require.Contains(t, d.notices(), "Their owner is Contoso")
	require.True(t, d.off("Get the recovery key"))
	d.enter("Passphrase of the owner", "wrong")
	d.enter("Folder for the .bek file", out)
	d.tap("Get the recovery key")
	require.Contains(t, d.field("Passphrase of the owner").Message(), "wrong")
	d.enter("Passphrase of the owner", "open sesame")
	d.picture("recovery-ready")
	d.tap("Get the recovery key")
	require.Contains(t, d.notices(), "manage-bde -unlock")
	require.Empty(t, d.field("Passphrase of the owner").Text())
	d.picture("recovery-done")
	d.resize(1600, 1000)
	d.picture("recovery-done-wide")
	judgeBEK(t, folder, out, saved, "--pdk", shielding)
}

// judgeBEK compares the only file in a folder with what the command line makes.
func judgeBEK(t *testing.T, folder, out, ebek string, from ...string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out, "*.BEK"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	password := filepath.Join(folder, "passphrase")
	require.NoError(t, os.WriteFile(password, []byte("open sesame\n"), 0o600))
	other := filepath.Join(folder, "other.bek")
	scutum(t, append([]string{"recovery", "unprotect", ebek, other, "--password-file", password}, from...)...)
	want, err := os.ReadFile(other)
	require.NoError(t, err)
	got, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestRecoveryBySearch(t *testing.T) {
	d := drive(t)
	folder := t.TempDir()
	pdks := filepath.Join(folder, "pdks", "2026")
	require.NoError(t, os.MkdirAll(pdks, 0o700))
	_, ebek := recoverable(t, d, filepath.Join(pdks, "vm01.pdk"))
	file := filepath.Join(folder, "vm01.ebek")
	require.NoError(t, os.WriteFile(file, ebek, 0o600))
	d.w.Open(file)
	d.settle()
	require.Equal(t, placeRecovery, d.w.current)
	d.option("Look for the shielding data in a folder")
	d.enter("Folder to look in", t.TempDir())
	require.Contains(t, d.field("Folder to look in").Message(), "No .pdk file in this folder")
	d.enter("Folder to look in", folder)
	require.Contains(t, d.notices(), "vm01.pdk")
	d.enter("Folder for the .bek file", folder)
	for range 2 { // the second time in place of the first
		d.enter("Passphrase of the owner", "open sesame")
		d.tap("Get the recovery key")
	}
	d.tap("Replace")
	require.Contains(t, d.notices(), "The recovery key is saved.")
	judgeBEK(t, folder, folder, file, "--search", folder)

	// Shielding data of an owner whom nobody knows here are of no use.
	store, err := d.w.store()
	require.NoError(t, err)
	require.NoError(t, store.Remove("Contoso"))
	d.enter("Folder to look in", filepath.Dir(pdks))
	require.Contains(t, d.field("Folder to look in").Message(), "another owner")
	require.True(t, d.off("Get the recovery key"))
}
