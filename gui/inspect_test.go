package gui

import (
	"context"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// signedDisk makes a signed template and the certificate of its signer.
func signedDisk(t *testing.T) (disk, certificate string, signed *signing.Signed) {
	t.Helper()
	disk = volumetest.Windows(t, volumetest.Options{OSSize: 256 << 20})
	id, err := signing.NewLabIdentity("Contoso templates", signing.P256, 24*time.Hour)
	require.NoError(t, err)
	signed, err = signing.SignTemplate(context.Background(), disk, signing.SignOptions{
		Identity: id, Name: "Windows Server 2025", Version: signing.Version{1, 0, 0, 0}})
	require.NoError(t, err)
	certificate = filepath.Join(t.TempDir(), "signer.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate.Raw}), 0o600))
	return disk, certificate, signed
}

// says gives all that the notices in view say.
func (d *driver) says() string {
	var all []string
	for _, n := range find(d, func(*widgets.Notice) bool { return true }) {
		all = append(all, n.Text())
	}
	return strings.Join(all, "\n")
}

func TestInspectDisk(t *testing.T) {
	disk, certificate, _ := signedDisk(t)
	d := drive(t)
	d.w.Open(disk)
	d.settle()
	require.Equal(t, placeInspect, d.w.current)
	d.picture("inspect-1")
	d.tap("Verify every byte")
	require.Contains(t, d.says(), "Every byte of every partition is what was signed.")
	require.Contains(t, d.says(), "You have not said that you trust the signer")
	d.enter("Certificate of the signer whom you trust (optional)", certificate)
	d.tap("Verify every byte")
	require.Contains(t, d.says(), "The signer is trusted.")
	d.resize(900, 1900)
	d.picture("inspect-2")

	// One byte in the middle of the operating system.
	volumetest.Run(t, "qemu-io", "-f", "vhdx", "-c", "write -P 0xa5 150m 512", disk)
	d.tap("Verify every byte")
	require.Contains(t, d.says(), "The disk is not what was signed.")
	m := find(d, func(*widgets.SegmentMap) bool { return true })
	require.Len(t, m, 1)
	facts := find(d, func(f *widgets.Facts) bool { return strings.Contains(f.Text(), "altered since it was signed") })
	require.Len(t, facts, 1, "the map begins at what was altered")
	require.Contains(t, facts[0].Text(), "157286400", "the byte range on the disk begins at 150 MiB")
	d.picture("inspect-3")
	d.resize(1600, 1000)
	d.picture("inspect-4")
}

func TestInspectContents(t *testing.T) {
	_, _, signed := signedDisk(t)
	owner, err := guardian.NewOwner("Contoso tenant", 2048, 24*time.Hour)
	require.NoError(t, err)
	fabric, err := guardian.NewOwner("Fabric North", 2048, 24*time.Hour)
	require.NoError(t, err)
	metadata, err := fabric.Metadata()
	require.NoError(t, err)
	public, err := guardian.ParseMetadata(metadata)
	require.NoError(t, err)
	data, err := pdk.New(owner, []*guardian.Guardian{public}, pdk.Options{
		Kind: pdk.Template, Policy: pdk.Shielded, Volumes: []pdk.Qualifier{pdk.QualifierOf(signed, pdk.GreaterOrEqual, false)},
		Payload: pdk.Payload{AnswerFile: &pdk.File{Name: "unattend.xml", Content: []byte("<unattend/>")}},
	})
	require.NoError(t, err)
	shielding, err := pdk.Parse(data)
	require.NoError(t, err)
	values, err := fsk.Values{"@ComputerName@": "VM01"}.Encode()
	require.NoError(t, err)

	folder := t.TempDir()
	d := drive(t)
	store, err := d.w.store()
	require.NoError(t, err)
	_, err = store.Add("north", metadata, false)
	require.NoError(t, err)
	for _, tt := range []struct {
		name, says string
		data       []byte
	}{
		// The names say nothing: content does.
		{"a.bin", "Signature catalog", signed.DER},
		{"b.bin", "north", data},
		{"c.bin", "north", shielding.KeyProtector.Bytes()},
		{"d.bin", "Encryption certificate", metadata},
		{"e.bin", "Specialization values", values},
	} {
		path := filepath.Join(folder, tt.name)
		require.NoError(t, os.WriteFile(path, tt.data, 0o600))
		file, err := model.Recognize(path)
		require.NoError(t, err)
		d.w.openAt(placeInspect, file)
		d.settle()
		require.Equal(t, placeInspect, d.w.current)
		require.NotEmpty(t, find(d, func(b *widgets.Button) bool { return b.Text == tt.says }), tt.name)
		d.resize(900, 1600)
		d.picture("contents-" + tt.name[:1])
	}
}
