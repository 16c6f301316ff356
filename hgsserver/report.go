package hgsserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scutum-project/scutum/hgsserver/keyprotection"
	"github.com/scutum-project/scutum/hgsserver/store"
)

// Limits of a report, in entries: how many are given if nobody says, at most, and how many are read in one transaction.
const (
	reportEntries = 100
	maxReport     = 10000
	reportStep    = 2048
)

// A reportFilter says which entries of the audit log a report has.
type reportFilter struct {
	kind  string // itself, or what follows it after a dot; any where it is empty
	host  string // its name without regard to case, or the first digits of its identifier; any where it is empty
	since time.Time
	limit int

	encryption string // releases of keys that were wrapped for this certificate; any entry where it is empty

	after uint64 // with pages: only entries that follow this one
	pages bool   // the first entries after that one, not the last ones
}

// Kinds are those of the entries of an audit log, and what the kinds of changes begin with.
func Kinds() []string {
	return []string{"attestation", "release", "refusal", "config", "host", "hostkey", "root", "policy", "cert", "signer", "admin", "backup", "init", "restore",
		"import", "passphrase", "audit"}
}

// leastIdentifier is how many digits of a host's identifier name it.
const leastIdentifier = 8

func readReportFilter(query url.Values) (*reportFilter, error) {
	f := &reportFilter{kind: query.Get("kind"), host: query.Get("host"), limit: reportEntries}
	var err error
	if text := query.Get("limit"); text != "" {
		if f.limit, err = strconv.Atoi(text); err != nil || f.limit < 1 || f.limit > maxReport {
			return nil, fmt.Errorf("a report has 1 to %d entries", maxReport)
		}
	}
	if text := query.Get("since"); text != "" {
		if f.since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, fmt.Errorf("the time of the first entry: %w", err)
		}
	}
	if text := query.Get("after"); text != "" {
		if f.after, err = strconv.ParseUint(text, 10, 64); err != nil || f.after+1 == 0 {
			return nil, fmt.Errorf("the number of an entry is one from 0 on, not %.32q", text)
		}
		f.pages = true
	}
	return f, nil
}

func (f *reportFilter) match(e *store.Entry) bool {
	if f.kind != "" && e.Kind != f.kind && !strings.HasPrefix(e.Kind, f.kind+".") {
		return false
	}
	if f.encryption != "" {
		var r keyprotection.Release
		if json.Unmarshal(e.Data, &r) != nil || r.Encryption != f.encryption {
			return false
		}
	}
	return !e.Time.Before(f.since) && (f.host == "" || f.matchHost(e.Data))
}

// matchHost looks for the host among what attestations, releases and changes say of one.
func (f *reportFilter) matchHost(data []byte) bool {
	type named struct {
		Host       string `json:"host"`
		Name       string `json:"name"`
		Identifier string `json:"identifier"`
	}
	is := func(n *named) bool {
		return strings.EqualFold(n.Host, f.host) || strings.EqualFold(n.Host, "CN="+f.host) || strings.EqualFold(n.Name, f.host) ||
			len(f.host) >= leastIdentifier && strings.HasPrefix(n.Identifier, strings.ToLower(f.host))
	}
	var of named
	if json.Unmarshal(data, &of) == nil && is(&of) {
		return true
	}
	var changed struct {
		What named `json:"what"`
	}
	return json.Unmarshal(data, &changed) == nil && is(&changed.What)
}

// report gives entries of the audit log, oldest first: the last ones that match, or the first ones after a number.
func (s *Server) report(c *call) (any, error) {
	f, err := readReportFilter(c.URL.Query())
	if err != nil {
		return nil, err
	}
	found := []*store.Entry{}
	err = s.store.View(func(tx *store.Tx) error {
		if f.pages {
			found, err = firstEntries(tx, f)
		} else {
			found, err = lastEntries(tx, f)
		}
		return err
	})
	return found, err
}

var errEnough = errors.New("enough entries")

func firstEntries(tx *store.Tx, f *reportFilter) ([]*store.Entry, error) {
	found := []*store.Entry{}
	err := tx.Entries(f.after+1, func(e *store.Entry) error {
		if f.match(e) {
			found = append(found, e)
		}
		if len(found) == f.limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

func lastEntries(tx *store.Tx, f *reportFilter) ([]*store.Entry, error) {
	found := []*store.Entry{}
	head, err := tx.Head()
	for end := head.Sequence; err == nil && end > 0 && len(found) < f.limit; {
		first := uint64(1)
		if end > reportStep {
			first = end - reportStep + 1
		}
		var step []*store.Entry
		err = entriesBetween(tx, first, end, func(e *store.Entry) {
			if f.match(e) {
				step = append(step, e)
			}
		})
		found = append(step, found...)
		end = first - 1
	}
	return found[max(0, len(found)-f.limit):], err
}

func entriesBetween(tx *store.Tx, first, last uint64, entry func(*store.Entry)) error {
	err := tx.Entries(first, func(e *store.Entry) error {
		if e.Sequence > last {
			return errEnough
		}
		entry(e)
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
