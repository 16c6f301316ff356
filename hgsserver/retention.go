package hgsserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/hgsserver/store"
)

// The entries of the audit log are kept forever, or for at least leastRetention days.
const (
	leastRetention = 7
	mostRetention  = 100 * 365
	retainEvery    = 24 * time.Hour
)

func checkRetention(days int) error {
	if days != 0 && (days < leastRetention || days > mostRetention) {
		return fmt.Errorf("the audit log is kept for %d to %d days, or forever, not for %d days", leastRetention, mostRetention, days)
	}
	return nil
}

// retain removes the entries of the audit log that are older than they are kept.
func (s *Server) retain() error {
	days := s.current.Load().AuditRetentionDays
	if days == 0 {
		return nil
	}
	removed, err := s.store.RemoveAudit(s.now().AddDate(0, 0, -days))
	if removed > 0 {
		s.log.Info("old entries of the audit log were removed", "entries", removed, "days", days)
	}
	return err
}

// retaining removes old entries of the audit log, at once and then each day, until ctx ends.
func (s *Server) retaining(ctx context.Context) {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		if err := s.retain(); err != nil {
			s.log.Error("the audit log is not shortened", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lastBackup gives when the last whole backup was made, zero for never.
func (s *Server) lastBackup() (at time.Time, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		value, err := tx.Get(store.Configuration, backupKey)
		if err != nil {
			return err
		}
		return at.UnmarshalText(value)
	})
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	return at, err
}

// backedUp remembers that a whole backup was made.
func (s *Server) backedUp() error {
	text, err := s.now().UTC().Truncate(time.Second).MarshalText()
	if err != nil {
		return err
	}
	return s.store.Update(func(tx *store.Tx) error { return tx.Put(store.Configuration, backupKey, text) })
}

// futureSkew is how far the clock of an administrator may be ahead.
const futureSkew = 5 * time.Minute

// checkDenyBefore refuses a time that is yet to come: no health certificate could be from after it.
func (s *Server) checkDenyBefore(t time.Time) error {
	if now := s.now(); t.After(now.Add(futureSkew)) {
		return fmt.Errorf("%s is yet to come, it is %s here: until then, no host would get a key, not even after attesting again; say now, or a time that was",
			stamp(t), stamp(now))
	}
	return nil
}
