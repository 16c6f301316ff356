package hgsserver

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/store"
)

func (s *Server) status(*call) (any, error) {
	c := s.current.Load()
	status := Status{Name: c.Name, Mode: c.Mode, Hosts: len(c.attestation.Hosts), HostKeys: len(c.attestation.HostKeys),
		Policies: len(c.attestation.Policies.Administrator), Certificates: len(c.certs), Signers: len(c.signers), Problems: s.problems(c), DenyBefore: c.DenyBefore}
	if at := s.serving.Load(); at != nil {
		status.Address, status.TLS, status.Metrics, status.Admin = at.address, at.tls, at.metrics, at.admin
	}
	var err error
	if status.LastBackup, err = s.lastBackup(); err != nil {
		return nil, err
	}
	err = s.store.View(func(tx *store.Tx) (err error) {
		status.Audit, err = tx.Head()
		return err
	})
	return status, err
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
			if err := s.checkDenyBefore(*n.DenyBefore); err != nil {
				return err
			}
			settings.DenyBefore = n.DenyBefore.UTC()
		}
		if n.DenyAllSoFar { // certificates have the second in which they were issued
			settings.DenyBefore = s.now().UTC().Truncate(time.Second).Add(time.Second)
		}
		if n.CertificateSeconds != nil {
			if longest := int(health.Lifetime / time.Second); *n.CertificateSeconds < 0 || *n.CertificateSeconds > longest {
				return fmt.Errorf("a health certificate holds for at most %d seconds, not %d", longest, *n.CertificateSeconds)
			}
			settings.CertificateSeconds = *n.CertificateSeconds
		}
		if n.AuditRetentionDays != nil {
			settings.AuditRetentionDays = *n.AuditRetentionDays
		}
		if n.Listening != nil {
			settings.Listening = n.Listening.Over(settings.Listening)
			if err := settings.Listening.check(); err != nil {
				return err
			}
		}
		return putJSON(tx, store.Configuration, settingsKey, settings)
	})
	if err == nil && n.AuditRetentionDays != nil {
		err = s.retain()
	}
	return settings, err
}

// errChecking says that the audit log is being read from its beginning to its end, which is enough work for one at a time.
var errChecking = errors.New("the audit log is being checked already: ask again when that is done")

// check reads the whole audit log.
func (s *Server) check(*call) (any, error) {
	if !s.reading.TryLock() {
		return nil, errChecking
	}
	defer s.reading.Unlock()
	check := Check{Problems: s.problems(s.current.Load())}
	err := s.store.View(func(tx *store.Tx) (err error) {
		if check.Anchor, err = tx.AuditAnchor(); err == nil {
			check.Audit, err = tx.VerifyAudit()
		}
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
