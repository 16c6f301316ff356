package main

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// makeShielded does for the session what a host does when it provisions a
// machine, and its tenant before. In the folder dir it makes:
//
//	home          a store with the owner guardians tenant and other, passphrase "geheim"
//	home-other    a store with other alone
//	vm01.ebek     the key, under the transport key of:
//	vm01.pdk      shielding data of tenant
//	vm01-new.pdk  the same, after other's access to them was revoked
//	vm02.pdk      other shielding data of tenant
func makeShielded(dir string, key *recovery.ExternalKey, volume vhdx.GUID) error {
	tenant, errTenant := guardian.NewOwner("tenant", 2048, time.Hour)
	other, errOther := guardian.NewOwner("other", 2048, time.Hour)
	home, errHome := guardian.OpenStore(filepath.Join(dir, "home", "guardians"))
	homeOther, errHomeOther := guardian.OpenStore(filepath.Join(dir, "home-other", "guardians"))
	if err := errors.Join(errTenant, errOther, errHome, errHomeOther); err != nil {
		return err
	}
	if err := errors.Join(home.AddOwner(tenant, "geheim", false), home.AddOwner(other, "geheim", false),
		homeOther.AddOwner(other, "geheim", false)); err != nil {
		return err
	}
	granted, err := home.Get("other")
	if err != nil {
		return err
	}
	o := pdk.Options{Kind: pdk.ExistingVM, Policy: pdk.Shielded}
	first, errFirst := pdk.New(tenant, []*guardian.Guardian{granted}, o)
	second, errSecond := pdk.New(tenant, nil, o)
	if err := errors.Join(errFirst, errSecond); err != nil {
		return err
	}
	d, err := pdk.Parse(first)
	if err != nil {
		return err
	}
	transportKey, err := d.KeyProtector.Unwrap(tenant.EncryptionKey.(crypto.Decrypter))
	if err != nil {
		return err
	}
	sealed, err := recovery.Seal(key, transportKey, d.ID, volume, d.KeyProtector.Bytes())
	if err != nil {
		return err
	}
	ebek, errEncode := sealed.Encode()
	revoked, errEdit := d.Edit(tenant, pdk.Change{Revoke: func(w keyprotector.WrappingInfo) bool { return w.IsFor(&other.Guardian) }})
	all := []error{errEncode, errEdit}
	for name, data := range map[string][]byte{"vm01.ebek": ebek, "vm01.pdk": first, "vm01-new.pdk": revoked, "vm02.pdk": second} {
		all = append(all, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return errors.Join(all...)
}

// shielded is `shielded`: what makeShielded makes, and vm01.bek, the key.
func shielded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: shielded")
	}
	volume := vhdx.NewGUID()
	key := recovery.NewExternalKey(volume, time.Now())
	ts.Check(makeShielded(ts.MkAbs("."), key, volume))
	ts.Check(os.WriteFile(ts.MkAbs("vm01.bek"), key.BEK(), 0o600))
	ts.Setenv("BEK", key.FileName())
}

// TestRecoverWindowsVolume brings the keys of volumes that Windows made all the
// way from the disk of a machine to programs that open the volumes with them.
func TestRecoverWindowsVolume(t *testing.T) {
	const archive = "/work/shared/testdata/bitlocker/bitlk-images.tar.xz"
	if _, err := os.Stat(archive); err != nil {
		t.Skip("no volumes made by Windows here: ", err)
	}
	for volume, c := range map[string]struct{ key, sum string }{
		"bitlk-aes-xts-128-startup-key": {
			key: "4381F759-C4F8-4DE0-BB61-FC33A831BDA5.BEK",
			sum: "bbb68369d8f7badb2c2330349d9d0cf12e68f54eece25e718d2bb13feba23f7a",
		},
		"bitlk-aes-xts-128-startup-key-win11": {key: "AA80A52B-9B66-47AE-B097-33F536FFBB07.BEK"},
	} {
		t.Run(volume, func(t *testing.T) {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			volumetest.Run(t, "tar", "-C", dir, "--strip-components=1", "-xJf", archive, "bitlk-images/"+volume+".img", "bitlk-images/"+c.key)
			original, err := os.ReadFile(at(c.key))
			require.NoError(t, err)
			key, err := recovery.ParseBEK(original)
			require.NoError(t, err)
			id := key.Volume
			if id.IsZero() { // Windows 10 did not write it down
				id = vhdx.NewGUID()
			}
			require.NoError(t, makeShielded(dir, key, id))
			raw := volumetest.WindowsRaw(t, volumetest.Options{})
			require.NoError(t, os.Rename(at("vm01.ebek"), at("recovery.ebek")))
			volumetest.Run(t, "mmd", "-i", raw+"@@1M", "::EFI/Scutum")
			volumetest.Run(t, "mcopy", "-i", raw+"@@1M", at("recovery.ebek"), "::EFI/Scutum/")
			volumetest.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vhdx", raw, at("vm01.vhdx"))

			t.Setenv("SCUTUM_HOME", at("home"))
			t.Setenv("PASSPHRASE", "geheim")
			require.NoError(t, os.Mkdir(at("out"), 0o700))
			for _, args := range [][]string{
				{"recovery", "save", at("vm01.vhdx"), at("saved.ebek")},
				{"recovery", "unprotect", at("saved.ebek"), at("out"), "--search", dir, "--password-env", "PASSPHRASE"},
			} {
				status, _, stderr := runHere(t, args...)
				require.Equal(t, cli.ExitOK, status, stderr)
			}
			bek := filepath.Join(at("out"), c.key)
			got, err := os.ReadFile(bek)
			require.NoError(t, err)
			require.Equal(t, original, got, "byte by byte what Windows wrote")

			image := at(volume + ".img")
			require.Contains(t, volumetest.Run(t, "bdeinfo", "-s", bek, image), key.ID.String())
			require.Contains(t, volumetest.Run(t, "cryptsetup", "bitlkDump", "-q", "--dump-volume-key", "--key-file", bek, image), "MK dump:")
			if c.sum == "" {
				return // dislocker 0.7 does not read the files of Windows 11
			}
			volumetest.Run(t, "dislocker-file", "-f", bek, "-V", image, "--", at("plain"))
			plain, err := os.ReadFile(at("plain"))
			require.NoError(t, err)
			sum := sha256.Sum256(plain)
			require.Equal(t, c.sum, hex.EncodeToString(sum[:]), "the volume in clear")
		})
	}
}
