package model

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

func TestSign(t *testing.T) {
	folder := t.TempDir()
	pfx := filepath.Join(folder, "signer.pfx")
	_, err := MakeLab(Lab{Subject: "Contoso", Kind: signing.P256, Days: 30, Path: pfx}, "secret", false)
	require.NoError(t, err)
	_, err = MakeLab(Lab{Subject: "Contoso", Kind: signing.P256, Days: 30, Path: pfx}, "secret", false)
	require.ErrorIs(t, err, os.ErrExist)
	_, err = OpenSigner(pfx, "", "")
	require.ErrorContains(t, err, "Enter its password")
	_, err = OpenSigner(pfx, "", "wrong")
	require.ErrorContains(t, err, "password is wrong")
	id, err := OpenSigner(pfx, "", "secret")
	require.NoError(t, err)

	s := Sign{Name: "Windows", Version: "1.0.0.0"}
	require.False(t, s.SignerReady() || s.DiskReady())
	s.Identity = id
	s.Disk, err = OpenDisk(volumetest.Windows(t, volumetest.Options{}))
	require.NoError(t, err)
	require.True(t, s.SignerReady() && s.DiskReady() && s.CatalogReady())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	before, err := os.ReadFile(s.Disk.Path)
	require.NoError(t, err)
	require.ErrorIs(t, s.Job(func(*signing.Signed) {})(ctx, nil), context.Canceled)
	after, err := os.ReadFile(s.Disk.Path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	require.NoError(t, s.Job(func(r *signing.Signed) { s.Result = r })(context.Background(), func(done, total int64) {}))
	vsc := filepath.Join(folder, "t.vsc")
	require.NoError(t, SaveCatalog(s.Result, vsc, false))
	require.Contains(t, volumetest.Run(t, "openssl", "cms", "-verify", "-inform", "DER", "-in", vsc, "-noverify"), `"scutum-vsc-1"`)

	s.Disk, err = OpenDisk(s.Disk.Path)
	require.NoError(t, err)
	name, version := s.Proposal()
	require.Equal(t, []string{"Windows", "1.0.0.1"}, []string{name, version}, "the next version of what is there")
	require.NoError(t, s.TakeFrom(s.Result))
	require.Equal(t, "1.0.0.1", s.Version)

	var answer *Verification
	require.NoError(t, Verify{Path: s.Disk.Path, Catalog: vsc}.Job(func(v *Verification) { answer = v })(context.Background(), nil))
	require.True(t, answer.Report.Intact())
	require.ErrorIs(t, answer.Trust, signing.ErrUntrusted)
}

func TestChecks(t *testing.T) {
	for text, check := range map[string]func(string) error{
		"1.0": CheckVersion, "": CheckTemplateName, " x": CheckTemplateName, "0": CheckDays, "a": CheckDays,
		"/no/such/file": CheckOpen, "/no/such/folder/file": CheckSave,
	} {
		var p *Problem
		require.ErrorAs(t, check(text), &p, "%q", text)
		require.NotContains(t, p.Error(), "{{")
	}
	require.Error(t, CheckNewPassword(""))
	require.Error(t, CheckRepeated("a", "b"))
	require.NoError(t, CheckRepeated("a", "a"))
	require.Error(t, CheckSave(t.TempDir()))
}

func TestKinds(t *testing.T) {
	id, err := signing.NewLabIdentity("x", signing.P256, time.Hour)
	require.NoError(t, err)
	pfx, err := id.EncodePFX("secret")
	require.NoError(t, err)
	owner, err := guardian.NewOwner("x", 2048, time.Hour)
	require.NoError(t, err)
	metadata, err := owner.Metadata()
	require.NoError(t, err)
	values, err := fsk.Values{"@ComputerName@": "VM01"}.Encode()
	require.NoError(t, err)
	for want, data := range map[Kind][]byte{
		VHDX: []byte("vhdxfile and more"), KeyFile: pfx, Certificates: id.Certificate.Raw, Guardian: metadata, Values: values,
		RecoveryKey: []byte(` {"format": "scutum-ebek-1"}`), AnswerFile: []byte("#cloud-config\n"), Unknown: []byte("nothing in particular"),
	} {
		require.Equal(t, want, kindOf(data), "%.20q", data)
	}
	require.Equal(t, AnswerFile, kindOf([]byte(`<?xml version="1.0"?><unattend xmlns="urn:schemas-microsoft-com:unattend"/>`)))
	require.Equal(t, Certificates, kindOf([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")))
}

func FuzzKind(f *testing.F) {
	for _, seed := range []string{"vhdxfile", "0\x82\x01\x00\x02\x01\x03", "\x00\x00\x00\x10<Protector", `{"format": "scutum-fsk-1"}`, `{"a":`, "<unattend", "#cloud-config", "0\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) { kindOf(data) })
}
