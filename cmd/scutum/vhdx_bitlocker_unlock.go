package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/volume"
)

type bitLockerUnlock struct {
	with, bek, to string
	partition     int
	secret        cli.Password
	force         bool
}

func vhdxBitLockerUnlockCommand() *cobra.Command {
	var o bitLockerUnlock
	cmd := &cobra.Command{
		Use:   "unlock DISK.vhdx OUT",
		Short: "Decrypt a BitLocker volume into a new file",
		Long: `Open a BitLocker volume of a disk and write what it holds to a new file. A raw image
gets the volume alone; another VHDX is the same disk, with the volume decrypted in its
place. The format is that of the file's name (.vhdx; .raw, .img, .bin), or of --to.
The disk itself is not changed.

--with says what opens it: a recovery password, a passphrase, or the clear key of a
volume whose protection is suspended; --bek names the file of an external key. The
password is asked for on the terminal, or comes from --password-file or
--password-env, never from the command line.`,
		Example: `  scutum vhdx bitlocker unlock disk.vhdx volume.raw --with recovery-password
  scutum vhdx bitlocker unlock disk.vhdx plain.vhdx --with passphrase --password-file secret
  scutum vhdx bitlocker unlock vm01.vhdx plain.vhdx --bek vm01.bek
  scutum vhdx bitlocker unlock template.vhdx volume.raw --with clear-key`,
		Args: cli.ExactArgs("DISK.vhdx", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1]) },
	}
	cmd.Flags().StringVar(&o.with, "with", "", "open it with this `KIND`: recovery-password, passphrase or clear-key")
	oneOf(cmd, "with", "recovery-password", "passphrase", "clear-key")
	cmd.Flags().StringVar(&o.bek, "bek", "", "open it with the external key in `FILE.bek`")
	cmd.Flags().IntVar(&o.partition, "partition", 0, "`NUMBER` of the partition, where a disk has several BitLocker volumes")
	cmd.Flags().StringVar(&o.to, "to", "", "`FORMAT` of OUT: raw or vhdx")
	oneOf(cmd, "to", "raw", "vhdx")
	o.secret.Flags(cmd, "password", "the recovery password or passphrase")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	return cmd
}

func (o *bitLockerUnlock) run(cmd *cobra.Command, disk, out string) error {
	if err := o.check(); err != nil {
		return cli.UsageError(cmd, err)
	}
	to, err := formatOf(out, o.to, "--to")
	if err != nil {
		return cli.UsageError(cmd, err)
	}
	inputs := append(chain("DISK.vhdx", disk), file{"--bek", o.bek}, passwordFile(&o.secret))
	if err := claim(o.force, []file{{"OUT", out}}, inputs...); err != nil {
		return err
	}
	d, err := vhdx.Open(disk)
	if err != nil {
		return err
	}
	defer d.Close()
	p, err := named(bitLockerPartition(d, o.partition))(disk)
	if err != nil {
		return err
	}
	v, err := named(openBitLocker(d, p))(disk)
	if err != nil {
		return err
	}
	defer v.Lock()
	credential, err := o.credential(cmd.Context())
	if err != nil {
		return err
	}
	if err := v.Unlock(credential); err != nil {
		return fmt.Errorf("%s: partition %d: %w", disk, p.Index, advised(err, v.Info()))
	}
	if err := o.write(cmd, d, p, v, out, to); err != nil {
		return fmt.Errorf("decrypt %s to %s: %w", disk, out, advised(err, v.Info()))
	}
	facts := struct {
		File   string         `json:"file"`
		Format string         `json:"format"`
		Volume bitLockerFacts `json:"volume"`
	}{out, to, factsOfBitLocker(p.Index, v.Info())}
	return cli.Report(cmd, facts, func(s *cli.Sheet) {
		s.Facts(append([]string{"file", facts.File, "format", facts.Format}, facts.Volume.pairs()...)...)
		s.Line("The file is not encrypted.")
	})
}

// check says what is wrong with the flags.
func (o *bitLockerUnlock) check() error {
	switch o.with {
	case "recovery-password", "passphrase":
	case "", "clear-key":
		if o.secret.Given() {
			return errors.New("a password is for --with recovery-password or --with passphrase")
		}
	default:
		return fmt.Errorf("--with: %q is neither recovery-password, passphrase nor clear-key", o.with)
	}
	if (o.with == "") == (o.bek == "") {
		return errors.New("give --with or --bek, one of the two")
	}
	if o.partition < 0 {
		return fmt.Errorf("--partition: %d is no number of a partition", o.partition)
	}
	return nil
}

// credential gets what opens the volume.
func (o *bitLockerUnlock) credential(ctx context.Context) (bitlocker.Credential, error) {
	switch o.with {
	case "clear-key":
		return bitlocker.ClearKey{}, nil
	case "recovery-password":
		text, err := o.secret.Read(ctx, "recovery password", false)
		if err != nil {
			return nil, err
		}
		return bitlocker.ParseRecoveryPassword(string(text))
	case "passphrase":
		text, err := o.secret.Read(ctx, "passphrase of the volume", false)
		return bitlocker.Passphrase(string(text)), err
	}
	data, err := readFile(o.bek, recovery.MaxSize)
	if err != nil {
		return nil, err
	}
	key, err := named(recovery.ParseBEK(data))(o.bek)
	if err != nil {
		return nil, err
	}
	return bitlocker.ExternalKey{ID: bitlocker.GUID(key.ID), Key: key.Key}, nil
}

// advised adds to the error of a volume what to do about it.
func advised(err error, info bitlocker.Info) error {
	switch {
	case errors.Is(err, bitlocker.ErrNoProtector):
		var kinds []string
		for _, p := range info.Protectors {
			kind := p.Kind.String()
			if p.Kind == bitlocker.ExternalKeyProtector {
				kind += " " + p.ID.String()
			}
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
		return fmt.Errorf("%w; it has: %s", err, strings.Join(kinds, ", "))
	case errors.Is(err, bitlocker.ErrWrongKey):
		return fmt.Errorf("%w; try again, or with another of its protectors, which \"scutum vhdx bitlocker info\" lists", err)
	case errors.Is(err, bitlocker.ErrMetadata) && !info.Encrypted:
		return fmt.Errorf("%w; let Windows finish to encrypt or decrypt the volume first", err)
	}
	return err
}

func (o *bitLockerUnlock) write(cmd *cobra.Command, d *vhdx.Disk, p volume.Partition, v *bitlocker.Volume, out, to string) error {
	f, err := atomicfile.Create(out, o.force)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := f.Chmod(0o600); err != nil { // what was a secret
		return err
	}
	src := &unlocked{disk: d, plain: v, offset: p.Offset(), alone: to == "raw"}
	update, finish := progress(cmd, "decrypting")
	defer finish()
	done := func(n int64) { update(n, src.Size()) }
	if to == "raw" {
		err = convertToRaw(cmd.Context(), f, src, done)
	} else {
		err = unlockToVHDX(cmd.Context(), f, out, d, src, done)
	}
	if err == nil {
		err = f.Commit()
	}
	finish()
	return err
}

// unlockToVHDX makes a disk of the same geometry. A catalog does not go along: it is about the encrypted volume.
func unlockToVHDX(ctx context.Context, f *atomicfile.File, path string, old *vhdx.Disk, src *unlocked, done func(int64)) error {
	info := old.Info()
	d, err := vhdx.Create(f, vhdx.CreateOptions{
		Size: info.Size, Path: path, BlockSize: info.BlockSize,
		LogicalSectorSize: info.LogicalSectorSize, PhysicalSectorSize: info.PhysicalSectorSize,
	})
	if err != nil {
		return err
	}
	err = vhdx.Copy(ctx, d, src, done)
	if closing := d.Close(); err == nil {
		err = closing
	}
	return err
}

// unlocked is a volume decrypted, or its whole disk. What the disk never held stays zero, and is not decrypted to noise.
type unlocked struct {
	disk   *vhdx.Disk
	plain  *bitlocker.Volume
	offset int64 // of the volume on the disk
	alone  bool  // without the rest of the disk
}

func (u *unlocked) Size() int64 {
	if u.alone {
		return u.plain.Size()
	}
	return u.disk.Size()
}

func (u *unlocked) Close() error { return nil }

func (u *unlocked) ReadAt(b []byte, off int64) (int, error) {
	if u.alone {
		return u.plain.ReadAt(b, off)
	}
	total := 0
	for len(b) > 0 {
		var n int
		var err error
		in := off - u.offset
		switch {
		case in < 0:
			n, err = u.disk.ReadAt(b[:min(int64(len(b)), -in)], off)
		case in < u.plain.Size():
			n, err = u.plain.ReadAt(b[:min(int64(len(b)), u.plain.Size()-in)], in)
		default:
			n, err = u.disk.ReadAt(b, off)
		}
		total, b, off = total+n, b[n:], off+int64(n)
		if err != nil && !(errors.Is(err, io.EOF) && len(b) == 0) {
			return total, err
		}
	}
	return total, nil
}

// Extents are those of the disk: the first sectors of a volume, which hold its header, are never among what is absent.
func (u *unlocked) Extents(off, length int64) iter.Seq2[vhdx.Extent, error] {
	shift := int64(0)
	if u.alone {
		shift = u.offset
	}
	return func(yield func(vhdx.Extent, error) bool) {
		for e, err := range u.disk.Extents(off+shift, length) {
			e.Offset -= shift
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
