package gui

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2/test"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

const prepareBox = "Prepare the operating-system volume for BitLocker"

// alone gives a disk a folder in which there is nothing else.
func alone(t *testing.T, disk string) string {
	t.Helper()
	data, err := os.ReadFile(disk)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "template.vhdx")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// facts is all that the facts in view say.
func (d *driver) facts() string {
	var all []string
	for _, f := range find(d, func(*widgets.Facts) bool { return true }) {
		all = append(all, f.Text())
	}
	return strings.Join(all, "\n")
}

func (d *driver) box(text string) *widgets.Check {
	d.t.Helper()
	all := find(d, func(c *widgets.Check) bool { return c.Text == text })
	require.Len(d.t, all, 1)
	return all[0]
}

func TestSignWizardPreparesForBitLocker(t *testing.T) {
	disk := alone(t, volumetest.Windows(t, volumetest.Options{}))
	d := drive(t)
	d.signWizard(disk, t.TempDir(), 1)
	d.tick(prepareBox)
	d.pick("AES-XTS-256")
	d.picture("sign-2-bitlocker")
	d.tap("Next")
	d.enter("Name of the template", "Windows Server 2025")
	d.tap("Next")
	require.Contains(t, d.facts(), "is to be prepared (AES-XTS-256)")
	require.Contains(t, d.says(), "the copy takes the place of the file")
	d.picture("sign-4-bitlocker")

	// Cancelled, the file is as it was, and alone.
	before, err := os.ReadFile(disk)
	require.NoError(t, err)
	test.Tap(d.button("Sign"))
	d.w.pages[placeSign].progress.Cancel()
	d.settle()
	require.Contains(t, d.says(), "Cancelled. Nothing was changed.")
	after, err := os.ReadFile(disk)
	require.NoError(t, err)
	require.True(t, string(before) == string(after))
	entries, err := os.ReadDir(filepath.Dir(disk))
	require.NoError(t, err)
	require.Len(t, entries, 1)

	d.tap("Sign")
	require.Contains(t, d.says(), "The disk is signed.")
	require.Contains(t, d.facts(), "prepared (AES-XTS-256)")
	d.picture("sign-5-bitlocker")
	opened, err := model.OpenDisk(disk)
	require.NoError(t, err)
	require.Empty(t, opened.Unfit)
	require.Equal(t, volume.BitLocker, opened.Signed.Catalog.OSVolume().FileSystem)
	require.Equal(t, bitlocker.AESXTS256, opened.Prepared.Method)
	d.tap("Finish")

	// The pages say that it is prepared, and it is not done twice.
	d.w.openAt(placeInspect, model.File{Path: disk, Kind: model.VHDX})
	d.settle()
	require.Contains(t, d.says(), "The operating-system volume is prepared for BitLocker")
	require.Contains(t, d.says(), "AES-XTS-256")
	d.picture("inspect-bitlocker")
	d.signWizard(disk, t.TempDir(), 1)
	require.True(t, d.box(prepareBox).Disabled())
	require.Contains(t, d.says(), "prepared already (AES-XTS-256)")
	d.tap("Next")
	d.tap("Next")
	require.Contains(t, d.facts(), "prepared before (AES-XTS-256)")
	d.tap("Sign")
	require.Contains(t, d.says(), "The disk is signed.")
	d.tap("Finish")

	// What is altered in it has names.
	alterMFT(t, disk)
	d.w.openAt(placeInspect, model.File{Path: disk, Kind: model.VHDX})
	d.settle()
	d.tap("Verify every byte")
	require.Contains(t, d.says(), "The disk is not what was signed.")
	require.True(t, d.stands("The names of its files were read with the key"))
	d.picture("verify-bitlocker")
}

func TestSignWizardLeavesBitLockerAlone(t *testing.T) {
	d := drive(t)
	d.w.show(placeSign)
	require.Empty(t, find(d, func(c *widgets.Check) bool { return c.Text == prepareBox }))
	d.w.leave(placeSign)

	d.signWizard(volumetest.Linux(t, volumetest.Options{}), t.TempDir(), 1)
	require.True(t, d.box(prepareBox).Disabled())
	require.Contains(t, d.says(), "A Linux template is encrypted with LUKS already.")
	require.False(t, d.off("Next"))

	// Of two disks the box is for the one in view.
	d.enter("Virtual disk", volumetest.Windows(t, volumetest.Options{}))
	d.tick(prepareBox)
	dirty := volumetest.Windows(t, volumetest.Options{})
	markDirty(t, dirty)
	d.enter("Virtual disk", dirty)
	require.True(t, d.box(prepareBox).Disabled())
	require.False(t, d.box(prepareBox).Checked)
	require.Contains(t, d.says(), "The operating-system volume cannot be prepared for BitLocker")
	require.Contains(t, d.says(), "run chkdsk")
	d.picture("sign-2-dirty")
	d.tap("Next")
	d.enter("Name of the template", "Windows Server 2025")
	d.tap("Next")
	require.Contains(t, d.facts(), "not prepared")
	d.tap("Sign")
	require.Contains(t, d.says(), "The disk is signed.")
}

// inSystemVolume changes bytes of the system volume of a Windows template.
func inSystemVolume(t *testing.T, path string, offset int64, change func([]byte)) {
	t.Helper()
	d, err := vhdx.OpenReadWrite(path)
	require.NoError(t, err)
	l, err := volume.Read(d)
	require.NoError(t, err)
	p, ok := l.OSVolume()
	require.True(t, ok)
	b := make([]byte, 1024)
	_, err = d.ReadAt(b, p.Offset()+offset)
	require.NoError(t, err)
	change(b)
	_, err = d.WriteAt(b, p.Offset()+offset)
	require.NoError(t, errors.Join(err, d.Close()))
}

const mft = 4 * 4096 // where mkntfs has it

// alterMFT changes a record that is free, or its ciphertext.
func alterMFT(t *testing.T, path string) {
	inSystemVolume(t, path, mft+20*1024, func(b []byte) { b[1000] ^= 1 })
}

// markDirty does what Windows does to a volume that it mounts, in the attribute $VOLUME_INFORMATION of record 3.
func markDirty(t *testing.T, path string) {
	inSystemVolume(t, path, mft+3*1024, func(b []byte) {
		for at := int(binary.LittleEndian.Uint16(b[20:])); ; at += int(binary.LittleEndian.Uint32(b[at+4:])) {
			if binary.LittleEndian.Uint32(b[at:]) == 0x70 {
				b[at+int(binary.LittleEndian.Uint16(b[at+20:]))+10] |= 1
				return
			}
		}
	})
}
