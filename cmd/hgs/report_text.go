package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/keyprotection"
	"github.com/scutum-project/scutum/hgsserver/store"
)

// describe says in a sentence what an entry is of, and what there is to say besides. What it cannot read, it shows as it is.
func describe(e *store.Entry, all bool) (said string, besides []string) {
	switch e.Kind {
	case "attestation":
		var r attestation.Report
		if json.Unmarshal(e.Data, &r) == nil {
			return describeAttestation(&r, all)
		}
	case "release":
		var r keyprotection.Release
		if json.Unmarshal(e.Data, &r) == nil {
			return describeRelease(&r)
		}
	case "refusal":
		var r keyprotection.Refusal
		if json.Unmarshal(e.Data, &r) == nil {
			return describeRefusal(&r)
		}
	}
	if e.Kind == store.AuditRemoved {
		var r store.Removal
		if json.Unmarshal(e.Data, &r) == nil {
			return fmt.Sprintf("%d entries from before %s were removed, up to number %d with hash %x", r.Entries, cli.Moment(r.Before), r.Sequence, r.Hash), nil
		}
	}
	var change struct {
		By   string          `json:"by"`
		What json.RawMessage `json:"what"`
	}
	if json.Unmarshal(e.Data, &change) == nil && (change.By != "" || change.What != nil) {
		said = flatten(change.What)
		if change.By != "" {
			said = strings.TrimSuffix("by "+change.By+": "+said, ": ")
		}
		return said, nil
	}
	return flatten(e.Data), nil
}

// describeAttestation says who attested and what came of it.
func describeAttestation(r *attestation.Report, all bool) (said string, besides []string) {
	who, from := r.Host, ""
	if r.Remote != "" {
		from = " from " + r.Remote
	}
	if who == "" {
		who = "an unregistered host with identifier " + r.Identifier
	}
	who += from
	if r.Healthy {
		said = fmt.Sprintf("%s attested in mode %s: health certificate until %s", who, r.Mode, cli.Moment(r.Expires))
		var matched []string
		for _, p := range r.Policies {
			if p.Enforced && p.Matched != "" {
				matched = append(matched, p.Matched)
			}
		}
		if len(matched) > 0 {
			said += ", by " + strings.Join(matched, " and ")
		}
	} else {
		said = fmt.Sprintf("%s was refused in mode %s: %s", who, r.Mode, r.Reason)
	}
	if all {
		for i := range r.Policies {
			besides = append(besides, r.Policies[i].String())
		}
	} else {
		besides = r.Explain()
	}
	if r.Omitted > 0 {
		besides = append(besides, fmt.Sprintf("Before it, %d more attestations were refused that the log does not have, as there were too many.", r.Omitted))
	}
	return said, besides
}

// describeRelease says to whom a key went, and which key protector it was of: the one that came, and the one that the host keeps
// from then on.
func describeRelease(r *keyprotection.Release) (said string, besides []string) {
	said = fmt.Sprintf("%s got the key of key protector %s", strings.TrimPrefix(r.Host, "CN="), r.Ingress)
	besides = []string{
		"which the host keeps as " + r.Egress,
		"of owner " + r.Owner + ", wrapped for encryption certificate " + r.Encryption,
		"by health certificate " + r.HealthCertificate + " of attestation signer " + r.AttestationSigner,
	}
	if r.MaxOfflineUnwraps > 0 {
		besides = append(besides, fmt.Sprintf("The host may use it %d times more without asking.", r.MaxOfflineUnwraps))
	}
	return said, besides
}

// describeRefusal says who got no key, and why.
func describeRefusal(r *keyprotection.Refusal) (said string, besides []string) {
	who := r.Host
	if r.Remote != "" {
		who += " from " + r.Remote
	}
	said = fmt.Sprintf("%s did not get the key of key protector %s: %s", who, r.Ingress, r.Reason)
	besides = []string{"which was answered with " + string(r.Code) + ", by health certificate " + r.HealthCertificate}
	if len(r.Encryption) > 0 {
		besides = append(besides, "It is wrapped for the encryption certificates "+strings.Join(r.Encryption, ", "))
	}
	if r.Omitted > 0 {
		besides = append(besides, fmt.Sprintf("Before it, %d more of its requests were refused that the log does not have, as there were too many.", r.Omitted))
	}
	return said, besides
}

// unshown are members of what an entry says that are long, and for programs.
var unshown = map[string]bool{"certificate": true, "key": true}

// flatten writes JSON for people: the members of an object in their order, without those that are empty.
func flatten(data []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return strings.Trim(strings.TrimSpace(string(data)), `"`)
	}
	var parts []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			break
		}
		var value any
		if err := decoder.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
			break
		}
		text := fmt.Sprint(value)
		if text == "0001-01-01T00:00:00Z" { // the zero time, in JSON
			text = "none"
		}
		if key := fmt.Sprint(name); value != nil && text != "" && text != "false" && !(unshown[key] && len(text) > 16) {
			parts = append(parts, key+" "+text)
		}
	}
	return strings.Join(parts, ", ")
}
