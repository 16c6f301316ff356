package hgsserver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/scutum-project/scutum/hgsserver/store"
)

func (s *Server) status(*call) (any, error) {
	c := s.current.Load()
	status := Status{Name: c.Name, Mode: c.Mode, Hosts: len(c.attestation.Hosts), HostKeys: len(c.attestation.HostKeys),
		Policies: len(c.attestation.Policies.Administrator), Certificates: len(c.certs), Signers: len(c.signers), Problems: s.problems(c)}
	err := s.store.View(func(tx *store.Tx) (err error) {
		status.Audit, err = tx.Head()
		return err
	})
	return status, err
}

// problems is never nil, so that JSON has a list.
func (s *Server) problems(c *configuration) []Problem {
	return append([]Problem{}, c.problems(s.now())...)
}

func (s *Server) changeSettings(c *call) (any, error) {
	var n SettingsChange
	if err := c.read(&n); err != nil {
		return nil, err
	}
	var settings Settings
	err := s.change(c.by, "config", n, func(tx *store.Tx, config *configuration) error {
		settings = config.Settings
		if n.Name != nil {
			settings.Name = *n.Name
		}
		if n.Mode != nil {
			settings.Mode = *n.Mode
		}
		if n.MaxOfflineUnwraps != nil {
			settings.MaxOfflineUnwraps = *n.MaxOfflineUnwraps
		}
		if n.DenyBefore != nil {
			settings.DenyBefore = n.DenyBefore.UTC()
		}
		if n.Listening != nil {
			if err := n.Listening.check(); err != nil {
				return err
			}
			settings.Listening = *n.Listening
		}
		return putJSON(tx, store.Configuration, settingsKey, settings)
	})
	return settings, err
}

// Limits of a report, in entries: how many are given if nobody says, at most, and how many are read in one transaction.
const (
	reportEntries = 100
	maxReport     = 10000
	reportStep    = 2048
)

// report gives the last entries of the audit log, oldest first: of one kind, or since a time, where the request says so.
func (s *Server) report(c *call) (any, error) {
	query := c.URL.Query()
	limit := reportEntries
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxReport {
			return nil, fmt.Errorf("a report has 1 to %d entries", maxReport)
		}
	}
	var since time.Time
	if text := query.Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, fmt.Errorf("the time of the first entry: %w", err)
		}
	}
	kind, found := query.Get("kind"), []*store.Entry{}
	err := s.store.View(func(tx *store.Tx) error {
		head, err := tx.Head()
		for end := head.Sequence; err == nil && end > 0 && len(found) < limit; {
			first := uint64(1)
			if end > reportStep {
				first = end - reportStep + 1
			}
			var step []*store.Entry
			err = entriesBetween(tx, first, end, func(e *store.Entry) {
				if (kind == "" || kind == e.Kind) && !e.Time.Before(since) {
					step = append(step, e)
				}
			})
			found = append(step, found...)
			end = first - 1
		}
		return err
	})
	return found[max(0, len(found)-limit):], err
}

func entriesBetween(tx *store.Tx, first, last uint64, entry func(*store.Entry)) error {
	enough := fmt.Errorf("entry %d was the last", last)
	err := tx.Entries(first, func(e *store.Entry) error {
		if e.Sequence > last {
			return enough
		}
		entry(e)
		return nil
	})
	if err == enough {
		return nil
	}
	return err
}

// check reads the whole audit log.
func (s *Server) check(*call) (any, error) {
	check := Check{Problems: s.problems(s.current.Load())}
	err := s.store.View(func(tx *store.Tx) (err error) {
		check.Audit, err = tx.VerifyAudit()
		return err
	})
	if err != nil {
		check.Altered = err.Error()
	}
	return check, nil
}

// writeBackup streams a backup. One that breaks off midway shows by its end: it does not restore.
func (s *Server) writeBackup(c *call) (any, error) {
	var n BackupRequest
	if err := c.read(&n); err != nil {
		return nil, err
	}
	if n.Password == "" {
		return nil, fmt.Errorf("a backup needs a password")
	}
	if _, err := modeBuckets(n.Mode); err != nil {
		return nil, err
	}
	control := http.NewResponseController(c.w)
	if err := control.SetWriteDeadline(time.Time{}); err != nil { // it may be large, and the reader is an administrator
		return nil, err
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	if err := s.Backup(c.w, []byte(n.Password), n.Mode, c.by); err != nil {
		s.log.Error("a backup broke off", "error", err)
		panic(http.ErrAbortHandler) // the reader must not take it for whole
	}
	return nil, nil
}
