package hgsserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/store"
)

func TestRetention(t *testing.T) {
	s := open(t, newService(t))
	days := 7
	mustChange(t, s, "PATCH", "/v1/config", SettingsChange{AuditRetentionDays: &days})
	check := func() (c Check) {
		status, body := ask(t, s, Reviewer, "GET", "/v1/check", nil)
		require.Equal(t, http.StatusOK, status)
		require.NoError(t, json.Unmarshal(body, &c))
		require.Empty(t, c.Altered)
		return c
	}
	before := check()
	require.Zero(t, before.Anchor.Sequence)
	require.Equal(t, uint64(3), before.Audit.Sequence)

	start := time.Now()
	s.now = func() time.Time { return start.AddDate(0, 0, 6) }
	require.NoError(t, s.retain())
	require.Zero(t, check().Anchor.Sequence)
	s.now = func() time.Time { return start.AddDate(0, 0, 8) }
	require.NoError(t, s.retain())
	after := check()
	require.Equal(t, before.Audit, after.Anchor, "the chain goes on where it was")
	require.Equal(t, uint64(4), after.Audit.Sequence)

	var entries []store.Entry
	_, body := ask(t, s, Reviewer, "GET", "/v1/report", nil)
	require.NoError(t, json.Unmarshal(body, &entries))
	require.Len(t, entries, 1)
	require.Equal(t, store.AuditRemoved, entries[0].Kind)
	_, body = ask(t, s, Reviewer, "GET", "/v1/report?after=0", nil)
	require.NoError(t, json.Unmarshal(body, &entries))
	require.Len(t, entries, 1)

	for _, days := range []int{-1, 6, 36501} {
		status, _ := ask(t, s, Administrator, "PATCH", "/v1/config", SettingsChange{AuditRetentionDays: &days})
		require.Equal(t, http.StatusBadRequest, status, days)
	}
}

func TestLastBackup(t *testing.T) {
	s := open(t, newService(t))
	at, err := s.lastBackup()
	require.NoError(t, err)
	require.Zero(t, at)
	var b bytes.Buffer
	require.NoError(t, s.Backup(&b, []byte("password"), ModeHostKey, "me"))
	at, err = s.lastBackup()
	require.NoError(t, err)
	require.Zero(t, at, "one mode's state is not all")
	require.NoError(t, s.Backup(&b, []byte("password"), "", "me"))
	at, err = s.lastBackup()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}
