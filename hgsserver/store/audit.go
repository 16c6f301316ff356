package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const hashSize = sha256.Size

// ErrAudit says that the audit log is not whole.
var ErrAudit = errors.New("the audit log was altered")

// An Entry says what happened. Entries are chained: the hash of each is over all of it and the hash of the one before.
type Entry struct {
	Sequence uint64          `json:"sequence"` // from 1 on
	Time     time.Time       `json:"time"`     // UTC, in milliseconds
	Kind     string          `json:"kind"`
	Data     json.RawMessage `json:"data"`
	Hash     []byte          `json:"hash"`
}

// Sum is what Hash must be after an entry with that hash, or after 32 zeros for the first: SHA-256 over that hash, the sequence
// and the milliseconds since 1970, 8 bytes each, the length of the kind in 4 bytes, all big-endian, the kind, and the data.
func (e *Entry) Sum(previous []byte) []byte {
	h := sha256.New()
	h.Write(previous)
	var b []byte
	b = binary.BigEndian.AppendUint64(b, e.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Kind)))
	h.Write(append(b, e.Kind...))
	h.Write(e.Data)
	return h.Sum(nil)
}

// A Head is the end of the log: the last entry's sequence and hash. Who keeps a head elsewhere can tell later that no entry up
// to it was altered, whatever happened to the file.
type Head struct {
	Sequence uint64 `json:"sequence"`
	Hash     []byte `json:"hash"`
}

// Record adds an entry. The data is written as JSON.
func (tx *Tx) Record(kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("recording %s: %w", kind, err)
	}
	return tx.record(&recording{kind: kind, data: text})
}

// record adds entries.
func (tx *Tx) record(all ...*recording) error {
	head, err := tx.Head()
	if err != nil {
		return err
	}
	tx.bucket(Audit).FillPercent = 0.9 // entries come in order
	for _, r := range all {
		e := &Entry{Sequence: head.Sequence + 1, Time: time.Now().UTC().Truncate(time.Millisecond), Kind: r.kind, Data: r.data}
		e.Hash = e.Sum(head.Hash)
		value, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("recording %s: %w", r.kind, err)
		}
		if err := tx.put(Audit, sequenceKey(e.Sequence), value); err != nil {
			return err
		}
		head = Head{e.Sequence, e.Hash}
	}
	return tx.setHead(head)
}

func sequenceKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Head gives the end of the log. Before the first entry, its sequence is 0 and its hash zeros.
func (tx *Tx) Head() (Head, error) {
	value, err := tx.s.open(meta, []byte(headKey), tx.bucket(meta).Get([]byte(headKey)))
	if err != nil {
		return Head{}, fmt.Errorf("%w: its end: %w", ErrAudit, err)
	}
	var head Head
	if err := json.Unmarshal(value, &head); err != nil || len(head.Hash) != hashSize {
		return Head{}, fmt.Errorf("%w: its end is of another form", ErrAudit)
	}
	return head, nil
}

func (tx *Tx) setHead(head Head) error {
	value, err := json.Marshal(head)
	if err != nil {
		return err
	}
	return tx.bucket(meta).Put([]byte(headKey), tx.s.seal(meta, []byte(headKey), value))
}

// Entries calls a function with the entries from one sequence on, in their order, until it fails.
func (tx *Tx) Entries(from uint64, entry func(*Entry) error) error {
	cursor := tx.bucket(Audit).Cursor()
	for key, sealed := cursor.Seek(sequenceKey(from)); key != nil; key, sealed = cursor.Next() {
		value, err := tx.s.open(Audit, key, sealed)
		if err != nil {
			return err
		}
		e, err := parseEntry(key, value)
		if err != nil {
			return err
		}
		if err := entry(e); err != nil {
			return err
		}
	}
	return nil
}

func parseEntry(key, value []byte) (*Entry, error) {
	var e Entry
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil || !bytes.Equal(key, sequenceKey(e.Sequence)) {
		return nil, fmt.Errorf("%w: entry %x is of another form", ErrAudit, key)
	}
	return &e, nil
}

// VerifyAudit reads the whole log and says whether it is whole, from its anchor to the head that it gives. It fails with ErrAudit,
// or ErrAltered.
func (tx *Tx) VerifyAudit() (Head, error) {
	head, err := tx.Head()
	if err != nil {
		return Head{}, err
	}
	last, err := tx.follow()
	if err != nil {
		return Head{}, err
	}
	if last.Sequence != head.Sequence || !bytes.Equal(last.Hash, head.Hash) {
		return Head{}, fmt.Errorf("%w: it ends with entry %d, and must end with %d", ErrAudit, last.Sequence, head.Sequence)
	}
	return head, nil
}

// follow goes from entry to entry and gives where they end.
func (tx *Tx) follow() (Head, error) {
	last, err := tx.AuditAnchor()
	if err != nil {
		return Head{}, err
	}
	err = tx.Entries(0, func(e *Entry) (err error) {
		last, err = e.after(last)
		return err
	})
	return last, err
}

// after gives where the log ends with the entry, which must follow from what was its end before.
func (e *Entry) after(last Head) (Head, error) {
	if e.Sequence != last.Sequence+1 {
		return last, fmt.Errorf("%w: entry %d follows entry %d", ErrAudit, e.Sequence, last.Sequence)
	}
	if !bytes.Equal(e.Hash, e.Sum(last.Hash)) {
		return last, fmt.Errorf("%w: entry %d does not follow from the one before", ErrAudit, e.Sequence)
	}
	return Head{e.Sequence, e.Hash}, nil
}
