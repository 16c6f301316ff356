package store

import (
	"encoding/json"
	"fmt"
	"sync"
)

// A group lets those who record at the same time share a transaction, and with it a sync of the disk: while one is under way,
// all that comes waits for the next.
type group struct {
	mu      sync.Mutex
	waiting []*recording
	busy    bool // there is a committing goroutine
}

// A recording is an entry that waits to be on the disk.
type recording struct {
	kind string
	data json.RawMessage
	done chan error
}

// Record adds an entry in a transaction of its own, or together with others'. When it returns without an error, the entry is on
// the disk.
func (s *Store) Record(kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("recording %s: %w", kind, err)
	}
	r := &recording{kind, text, make(chan error, 1)}
	s.group.mu.Lock()
	s.group.waiting = append(s.group.waiting, r)
	if !s.group.busy {
		s.group.busy = true
		go s.recordWaiting()
	}
	s.group.mu.Unlock()
	return <-r.done
}

// recordWaiting records what waits until nothing does.
func (s *Store) recordWaiting() {
	for {
		s.group.mu.Lock()
		all := s.group.waiting
		s.group.waiting = nil
		s.group.busy = len(all) > 0
		s.group.mu.Unlock()
		if len(all) == 0 {
			return
		}
		err := s.Update(func(tx *Tx) error { return tx.record(all...) })
		if err != nil && len(all) > 1 { // one that cannot be recorded keeps no other from being
			for _, r := range all {
				r.done <- s.Update(func(tx *Tx) error { return tx.record(r) })
			}
			continue
		}
		for _, r := range all {
			r.done <- err
		}
	}
}
