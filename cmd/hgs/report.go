package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// reportPage is how many entries are asked for at a time where all are wanted.
const reportPage = 1000

func reportCommand() *cobra.Command {
	var kind, host, since, export string
	var limit int
	var all bool
	cmd := cli.Leaf("report", "Show what happened: attestations, key releases and changes",
		"hgs report --host host3 --since 24h\n  hgs report --kind attestation --limit 20\n  hgs report --export audit.jsonl",
		func(cmd *cobra.Command, _ []string) error {
			if first, _, _ := strings.Cut(kind, "."); kind != "" && !slices.Contains(hgsserver.Kinds(), first) {
				return cli.UsageError(cmd, fmt.Errorf("there is no kind %q: give one of %s", kind, strings.Join(hgsserver.Kinds(), ", ")))
			}
			query := url.Values{"kind": {kind}, "host": {host}}
			if since != "" {
				from, err := parseSince(since, time.Now())
				if err != nil {
					return cli.UsageError(cmd, err)
				}
				query.Set("since", from.Format(time.RFC3339))
			}
			if export != "" {
				if cmd.Flags().Changed("limit") {
					return cli.UsageError(cmd, errors.New("--export writes all entries: leave out --limit"))
				}
				return exportReport(cmd, export, query)
			}
			query.Set("limit", strconv.Itoa(limit))
			var entries []store.Entry
			if err := ask(cmd, "GET", "/v1/report?"+query.Encode(), nil, &entries); err != nil {
				return err
			}
			return cli.Report(cmd, entries, func(s *cli.Sheet) {
				if len(entries) == 0 {
					s.Line("The log has no such entry.")
				}
				for i := range entries {
					showEntry(s, &entries[i], all)
				}
			})
		})
	cmd.Flags().StringVar(&kind, "kind", "", "entries of one `KIND` alone, such as attestation, release, host or host.add")
	cmd.Flags().StringVar(&host, "host", "", "entries of the host `NAME` alone, or of the one whose identifier begins so")
	cmd.Flags().StringVar(&since, "since", "", "entries from `TIME` on: RFC 3339, a day such as 2026-01-31, or how long ago, such as 12h or 7d")
	cmd.Flags().IntVar(&limit, "limit", 100, "the last `N` entries")
	cmd.Flags().BoolVar(&all, "policies", false, "show every policy of an attestation, and not only those that refused it")
	completeValues(cmd, "kind", hgsserver.Kinds()...)
	cmd.Flags().StringVar(&export, "export", "", "write all entries, or those of --kind, --host and --since, into a new `FILE`: JSON, one a line")
	return cmd
}

// parseSince reads a time, a day in UTC, or how long ago.
func parseSince(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	ago, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		ago = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q is no time, such as %s, no day, such as %s, and not how long ago, such as 12h or 7d",
			text, now.UTC().Format(time.RFC3339), now.UTC().Format(time.DateOnly))
	}
	return now.Add(-ago).UTC(), nil
}

// exportReport writes a file that appears whole or not at all.
func exportReport(cmd *cobra.Command, path string, query url.Values) error {
	f, err := atomicfile.Create(path, false)
	if err != nil {
		return err
	}
	defer f.Discard()
	service, err := client(cmd)
	if err != nil {
		return err
	}
	query.Set("limit", strconv.Itoa(reportPage))
	facts := struct {
		File    string `json:"file"`
		Entries int    `json:"entries"`
	}{File: path}
	encoder := json.NewEncoder(f)
	for after, more := uint64(0), true; more; {
		query.Set("after", strconv.FormatUint(after, 10))
		var entries []store.Entry
		if err := service.Do(cmd.Context(), "GET", "/v1/report?"+query.Encode(), nil, &entries); err != nil {
			return err
		}
		for i := range entries {
			if err := encoder.Encode(&entries[i]); err != nil {
				return err
			}
			after = entries[i].Sequence
		}
		facts.Entries += len(entries)
		more = len(entries) == reportPage
	}
	if err := f.Commit(); err != nil {
		return err
	}
	return cli.Report(cmd, facts, func(s *cli.Sheet) { s.Facts("export", path, "entries", strconv.Itoa(facts.Entries)) })
}

// showEntry prints an entry: its number, when and what, in a sentence, and what there is to say besides, below.
func showEntry(s *cli.Sheet, e *store.Entry, all bool) {
	said, besides := describe(e, all)
	s.Line(strings.Join([]string{strconv.FormatUint(e.Sequence, 10), cli.Moment(e.Time), e.Kind, said}, "  "))
	for _, line := range besides {
		s.Line("    " + line)
	}
}

// showLog says what check found of the audit log.
func showLog(s *cli.Sheet, c *hgsserver.Check) {
	if c.Altered != "" {
		s.Facts("audit log", c.Altered)
		return
	}
	s.Facts("audit log", fmt.Sprintf("whole, from entry %d to %d, %x", c.Anchor.Sequence+1, c.Audit.Sequence, c.Audit.Hash))
	if c.Anchor.Sequence > 0 {
		s.Facts("removed", fmt.Sprintf("the entries up to %d, as they were old; the hash of that one was %x", c.Anchor.Sequence, c.Anchor.Hash))
	}
}
