package store

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Within a backup stand records, each after a byte that says what it is. A length has 4 bytes, big-endian.
const (
	recordEnd    = 0 // nothing follows
	recordBucket = 1 // the name of a bucket, after its length: the entries of it follow
	recordEntry  = 2 // key and value of an entry, each after its length
)

// batchBytes is how much is written in one transaction where a whole store is restored.
const batchBytes = 8 << 20

// Backup writes all of the store as it is at one moment, or the buckets that are named, encrypted under a password. It needs
// memory for a single entry. It fails with ErrAudit or ErrAltered where the audit log is not whole: a backup of it would not be
// restored.
func (s *Store) Backup(w io.Writer, password []byte, only ...Bucket) error {
	if len(only) == 0 {
		only = Buckets()
	}
	if err := s.backup(w, password, only); err != nil {
		return fmt.Errorf("writing a backup: %w", err)
	}
	return nil
}

func (s *Store) backup(w io.Writer, password []byte, buckets []Bucket) error {
	c, err := newChunkWriter(w, password)
	if err != nil {
		return err
	}
	defer clear(c.buf[:cap(c.buf)])
	if err := s.writeRecords(c, buckets); err != nil {
		return err
	}
	return c.Close()
}

// writeRecords writes what readRecords reads, as it is at one moment.
func (s *Store) writeRecords(w io.Writer, buckets []Bucket) error {
	err := s.View(func(tx *Tx) error {
		if slices.Contains(buckets, Audit) {
			if _, err := tx.VerifyAudit(); err != nil { // what is read from a backup has no end but its last entry
				return err
			}
		}
		for _, b := range buckets {
			if !slices.Contains(Buckets(), b) {
				return fmt.Errorf("there is no bucket %.32q", b)
			}
			if _, err := w.Write(appendField([]byte{recordBucket}, []byte(b))); err != nil {
				return err
			}
			err := tx.Each(b, func(key string, value []byte) error {
				defer clear(value)
				record := appendField(appendField([]byte{recordEntry}, []byte(key)), value)
				defer clear(record)
				_, err := w.Write(record)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		_, err = w.Write([]byte{recordEnd})
	}
	return err
}

func appendField(b, field []byte) []byte {
	return append(binary.BigEndian.AppendUint32(slices.Grow(b, 4+len(field)), uint32(len(field))), field...)
}

// readRecords calls the functions with what stands in a backup, up to its end.
func readRecords(r io.Reader, bucket func(Bucket) error, entry func(b Bucket, key, value []byte) error) error {
	in := bufio.NewReader(r)
	field := func(limit uint32) ([]byte, error) {
		var length [4]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(length[:])
		if n > limit {
			return nil, fmt.Errorf("%w: it has a field of %d bytes", ErrBackup, n)
		}
		b := make([]byte, n)
		_, err := io.ReadFull(in, b)
		return b, err
	}
	var seen []Bucket
	for {
		kind, err := in.ReadByte()
		if err == nil {
			switch {
			case kind == recordEnd:
				if _, err := in.ReadByte(); err != io.EOF {
					return fmt.Errorf("%w: something follows its end", ErrBackup)
				}
				return nil
			case kind == recordBucket:
				var name []byte
				if name, err = field(MaxKey); err == nil {
					if b := Bucket(name); !slices.Contains(Buckets(), b) || slices.Contains(seen, b) {
						return fmt.Errorf("%w: it has the bucket %.32q twice, or there is none of that name", ErrBackup, name)
					}
					seen = append(seen, Bucket(name))
					err = bucket(Bucket(name))
				}
			case kind == recordEntry && len(seen) > 0:
				var key, value []byte
				if key, err = field(MaxKey); err == nil {
					if value, err = field(MaxValue); err == nil {
						err = entry(seen[len(seen)-1], key, value)
						clear(value)
					}
				}
			default:
				return fmt.Errorf("%w: it has a record of kind %d", ErrBackup, kind)
			}
		}
		if isEnd(err) {
			return fmt.Errorf("%w: it is cut off", ErrBackup)
		}
		if err != nil {
			return err
		}
	}
}

// Restore makes a store of a backup, under a passphrase. The file appears whole or not at all; it never takes the place of
// another one. It fails with ErrBackup, ErrAudit or fs.ErrExist.
func Restore(path string, backup io.Reader, password, passphrase []byte) error {
	c, err := newChunkReader(backup, password)
	if err == nil {
		defer clear(c.buf)
		err = create(path, passphrase, func(s *Store) error { return s.fill(c) })
	}
	if err != nil {
		return fmt.Errorf("restoring a backup: %w", err)
	}
	return nil
}

// fill writes the entries of a backup in transactions of bounded size. Nobody sees the store before all are done.
func (s *Store) fill(r io.Reader) error {
	btx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = btx.Rollback() }() // does nothing after the last commit
	tx := &Tx{s, btx}
	written := 0
	err = readRecords(r, func(Bucket) error { return nil }, func(b Bucket, key, value []byte) error {
		if written > batchBytes {
			if err := btx.Commit(); err != nil {
				return err
			}
			if btx, err = s.db.Begin(true); err != nil {
				return err
			}
			tx, written = &Tx{s, btx}, 0
		}
		written += len(key) + len(value)
		return tx.put(b, key, value)
	})
	if err != nil {
		return err
	}
	head, err := tx.follow()
	if err != nil {
		return err
	}
	if err := tx.setHead(head); err != nil {
		return err
	}
	return btx.Commit()
}

// Import puts the buckets of a backup in the place of the store's own, such as all that belongs to one mode of attestation. The
// audit log stays as it is. All is done, or nothing. It fails with ErrBackup.
func (s *Store) Import(backup io.Reader, password []byte) error {
	c, err := newChunkReader(backup, password)
	if err == nil {
		defer clear(c.buf)
		err = s.Update(func(tx *Tx) error {
			return readRecords(c, tx.empty, func(b Bucket, key, value []byte) error {
				if b == Audit {
					return nil
				}
				return tx.put(b, key, value)
			})
		})
	}
	if err != nil {
		return fmt.Errorf("importing a backup: %w", err)
	}
	return nil
}

func (tx *Tx) empty(b Bucket) error {
	if b == Audit {
		return nil
	}
	if err := tx.tx.DeleteBucket([]byte(b)); err != nil {
		return err
	}
	_, err := tx.tx.CreateBucket([]byte(b))
	return err
}
