package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli/clitest"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"scutum": main})
}

// TestSessions runs the command-line sessions in testdata, each in a folder of
// its own. The tools they name are real, and so are the disks in $WINDOWS,
// $WINDOWS4K and $LINUX. $SCHEMAS is the folder of the XML schemas.
func TestSessions(t *testing.T) {
	disks := map[string]string{
		"WINDOWS":   volumetest.Windows(t, volumetest.Options{}),
		"WINDOWS4K": volumetest.Windows(t, volumetest.Options{SectorSize: 4096}),
		"LINUX":     volumetest.Linux(t, volumetest.Options{}),
	}
	schemas, err := filepath.Abs("../../assets/xsd")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits, "shielded": shielded, "partition": partition, "alter": alter, "protect": protect},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
			env.Setenv("SCHEMAS", schemas)
			for name, path := range disks {
				env.Setenv(name, path)
			}
			return nil
		},
	})
}

// systemVolume is where the third partition, of a Windows template, lies.
func systemVolume(ts *testscript.TestScript, path string) (offset, length int64) {
	table, err := exec.Command("sfdisk", "--json", path).Output()
	ts.Check(err)
	var t struct {
		PartitionTable struct {
			Partitions []struct{ Start, Size int64 }
		}
	}
	ts.Check(json.Unmarshal(table, &t))
	p := t.PartitionTable.Partitions[2]
	return p.Start * 512, p.Size * 512
}

// partition is `partition DISK.raw VOLUME`: it copies the system volume of a
// Windows template.
func partition(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: partition DISK.raw VOLUME")
	}
	disk, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer disk.Close()
	offset, length := systemVolume(ts, disk.Name())
	out, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	_, err = io.Copy(out, io.NewSectionReader(disk, offset, length))
	ts.Check(errors.Join(err, out.Close()))
}

// alter is `alter DISK.vhdx`: it changes one byte of the MFT, in a record that is
// free, or its ciphertext.
func alter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: alter DISK.vhdx")
	}
	d, err := vhdx.OpenReadWrite(ts.MkAbs(args[0]))
	ts.Check(err)
	l, err := volume.Read(d)
	ts.Check(err)
	p, ok := l.OSVolume()
	if !ok {
		ts.Fatalf("no system volume")
	}
	at := p.Offset() + 4*4096 + 20*1024 + 1000 // mkntfs has the MFT at cluster 4
	b := make([]byte, 1)
	_, err = d.ReadAt(b, at)
	ts.Check(err)
	b[0] ^= 1
	_, err = d.WriteAt(b, at)
	ts.Check(errors.Join(err, d.Close()))
}

// protect is `protect DISK.vhdx`: it adds protectors to the BitLocker volume of a
// template, and writes what opens them: recovery-password, passphrase and key.bek.
func protect(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: protect DISK.vhdx")
	}
	d, err := vhdx.OpenReadWrite(ts.MkAbs(args[0]))
	ts.Check(err)
	l, err := volume.Read(d)
	ts.Check(err)
	p, _ := l.OSVolume()
	v, err := bitlocker.Open(struct {
		io.ReaderAt
		io.WriterAt
	}{io.NewSectionReader(d, p.Offset(), p.Length()), io.NewOffsetWriter(d, p.Offset())}, p.Length())
	ts.Check(err)
	ts.Check(v.Unlock(bitlocker.ClearKey{}))
	password := bitlocker.NewRecoveryPassword()
	key := recovery.NewExternalKey(vhdx.GUID{}, time.Now()) // dislocker 0.7 does not get past the volume's identifier
	for _, p := range []bitlocker.NewProtector{
		password, bitlocker.Passphrase("Größe 42"), bitlocker.ExternalKey{ID: bitlocker.GUID(key.ID), Key: key.Key},
	} {
		_, err := v.AddProtector(p)
		ts.Check(err)
	}
	ts.Check(v.Resume())
	ts.Check(d.Close())
	for name, data := range map[string]string{"recovery-password": password.Text() + "\n", "passphrase": "Größe 42\n", "key.bek": string(key.BEK())} {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(data), 0o600))
	}
}

// TestHelp holds every command to a description and examples.
func TestHelp(t *testing.T) { clitest.Help(t, rootCommand()) }

// TestCompletion holds every command to a completion of all that it takes.
func TestCompletion(t *testing.T) { clitest.Completion(t, rootCommand(), 100) }

// TestDocuments holds what documents say of the commands to what there is.
func TestDocuments(t *testing.T) {
	clitest.DocumentedCommands(t, rootCommand, 31)
	clitest.NamedCommands(t, rootCommand, 31)
}
