package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// AuditRemoved is the kind of the entries that say which ones before were removed. The newest of them is the anchor of the log:
// the chain begins with the entry after the last one that it names.
const AuditRemoved = "audit.remove"

// removeStep is how many entries are removed in one transaction.
const removeStep = 4096

// A Removal is what an entry of the kind AuditRemoved says.
type Removal struct {
	Head              // the last entry that was removed
	Entries uint64    `json:"entries"` // how many were removed with it
	Before  time.Time `json:"before"`  // all that were recorded before this
}

// RemoveAudit takes away the entries that were recorded before a time, from the oldest on up to the first one that was not, and
// says how many. Each step is a transaction with an entry that says what was removed. It fails with ErrAudit, and takes no more
// away, where what it would remove is not whole: so that nothing which is missing is forgotten.
func (s *Store) RemoveAudit(before time.Time) (removed uint64, err error) {
	for {
		var step uint64
		err := s.Update(func(tx *Tx) (err error) {
			step, err = tx.removeAudit(before)
			return err
		})
		if err != nil {
			return removed, fmt.Errorf("removing old entries of the audit log: %w", err)
		}
		removed += step
		if step < removeStep {
			return removed, nil
		}
	}
}

func (tx *Tx) removeAudit(before time.Time) (uint64, error) {
	anchor, err := tx.AuditAnchor()
	if err != nil {
		return 0, err
	}
	enough := errors.New("the next entry stays")
	last := anchor
	err = tx.Entries(0, func(e *Entry) (err error) {
		if !e.Time.Before(before) || last.Sequence-anchor.Sequence == removeStep {
			return enough
		}
		last, err = e.after(last)
		return err
	})
	if err != nil && !errors.Is(err, enough) {
		return 0, err
	}
	removed := last.Sequence - anchor.Sequence
	if removed == 0 {
		return 0, nil
	}
	for n := anchor.Sequence + 1; n <= last.Sequence; n++ {
		if err := tx.bucket(Audit).Delete(sequenceKey(n)); err != nil {
			return 0, err
		}
	}
	return removed, tx.Record(AuditRemoved, Removal{last, removed, before.UTC()})
}

// AuditAnchor gives the entry after which the log begins: of sequence 0 and with a hash of zeros where none was removed. It fails
// with ErrAudit where the log does not say that all before its first entry were removed.
func (tx *Tx) AuditAnchor() (Head, error) {
	cursor := tx.bucket(Audit).Cursor()
	first, _ := cursor.First()
	if first == nil || bytes.Equal(first, sequenceKey(1)) {
		return Head{Hash: make([]byte, hashSize)}, nil
	}
	for key, sealed := cursor.Last(); key != nil; key, sealed = cursor.Prev() {
		value, err := tx.s.open(Audit, key, sealed)
		if err != nil {
			return Head{}, err
		}
		e, err := parseEntry(key, value)
		if err != nil {
			return Head{}, err
		}
		if e.Kind != AuditRemoved {
			continue
		}
		var r Removal
		if err := json.Unmarshal(e.Data, &r); err != nil || len(r.Hash) != hashSize {
			return Head{}, fmt.Errorf("%w: entry %d says in another form what was removed", ErrAudit, e.Sequence)
		}
		if !bytes.Equal(first, sequenceKey(r.Sequence+1)) {
			return Head{}, fmt.Errorf("%w: it begins with entry %x, and entry %d says that those up to %d were removed", ErrAudit, first, e.Sequence, r.Sequence)
		}
		return r.Head, nil
	}
	return Head{}, fmt.Errorf("%w: it begins with entry %x, and does not say that those before were removed", ErrAudit, first)
}
