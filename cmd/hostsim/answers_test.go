package main

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/hostsim/attest"
	"github.com/scutum-project/scutum/hostsim/keyrelease"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

const (
	attestPath = "/attestation/v2.0/attest"
	keyPath    = "/attestation/v2.0/hostkeyattest"
	rollPath   = "/keyprotection/service/v2.0/rolltransportkey"
)

// TestRestart kills the service after each request of an attestation, and starts it again: the attestation goes on.
func TestRestart(t *testing.T) {
	s := startService(t, "tpm")
	h := s.host("host1")
	s.registerTPM(h)
	for _, after := range []int{1, 2, 3, 0} { // 0: after each of them
		t.Run(fmt.Sprint("after request ", after), func(t *testing.T) {
			requests := 0
			s.onAnswer(func(path string, body []byte) []byte {
				if path == attestPath {
					if requests++; requests == after || after == 0 {
						s.kill()
						s.start()
					}
				}
				return body
			})
			health, err := h.Attest(t.Context())
			require.NoError(t, err)
			require.Equal(t, hgsa.ModeTPM, health.Mode)
			require.Equal(t, 4, requests, "the exchange did not start anew")
		})
	}
}

// TestReplayedChallenges answers a host with what an earlier attestation was answered with.
func TestReplayedChallenges(t *testing.T) {
	s := startService(t, "tpm")
	h := s.host("host1")
	s.registerTPM(h)
	var recorded [][]byte
	s.onAnswer(func(path string, body []byte) []byte {
		if path == attestPath {
			recorded = append(recorded, body)
		}
		return body
	})
	_, err := h.Attest(t.Context())
	require.NoError(t, err)
	require.Len(t, recorded, 4)
	for i, old := range recorded[:3] {
		t.Run(fmt.Sprint("answer ", i+1), func(t *testing.T) {
			s.onAnswer(func(path string, body []byte) []byte {
				if reply, err := hgsa.ParseReply(body); err == nil && path == attestPath {
					if _, goesOn := reply.(*hgsa.ContinueReply); goesOn {
						return old
					}
				}
				return body
			})
			_, err := h.Attest(t.Context())
			refusal := &attest.Refusal{}
			require.ErrorAs(t, err, &refusal)
			require.Contains(t, []hgsa.ErrorName{hgsa.RtpmError, hgsa.PayloadError}, refusal.Reply.Name)
		})
	}
	s.onAnswer(nil)
	_, err = h.Attest(t.Context())
	require.NoError(t, err, "nothing was left behind in the TPM")
}

// protector makes one that grants the service access, with its key.
func (s *service) protector(owner *guardian.Owner) (*keyprotector.Protector, keyprotector.TransportKey) {
	s.t.Helper()
	document, err := guardian.Load(s.t.Context(), "http://"+s.address)
	require.NoError(s.t, err)
	g, err := guardian.ParseMetadata(document)
	require.NoError(s.t, err)
	p, key, err := keyprotector.New(owner, []*guardian.Guardian{g})
	require.NoError(s.t, err)
	return p, key
}

// TestOtherAnswers gives a host the answers that were for another host, or another protector, or altered ones.
func TestOtherAnswers(t *testing.T) {
	s := startService(t, "hostkey")
	owner, err := guardian.NewOwner("owner", 2048, 24*time.Hour)
	require.NoError(t, err)
	first, key := s.protector(owner)
	second, _ := s.protector(owner)
	one, two := s.host("host1"), s.host("host2")
	s.registerKey(one)
	s.registerKey(two)

	recorded := map[string][]byte{}
	s.onAnswer(func(path string, body []byte) []byte { recorded[path] = body; return body })
	released, _, err := one.Release(t.Context(), first, false)
	require.NoError(t, err)
	require.Equal(t, key, released.Keys.Ingress)
	egress, err := keyprotector.Parse(released.Protector)
	require.NoError(t, err)
	require.NoError(t, egress.Check(released.Keys.Egress))

	// replay answers with what came before on that path, changed or not.
	replay := func(at string, change func([]byte) []byte) {
		old := recorded[at]
		s.onAnswer(func(path string, body []byte) []byte {
			if path == at {
				return change(old)
			}
			return body
		})
	}
	same := func(body []byte) []byte { return body }

	replay(keyPath, same)
	_, err = two.Attest(t.Context())
	require.ErrorIs(t, err, attest.ErrAnswer, "the certificate of another host")
	require.ErrorContains(t, err, "for another key than that of this host")
	s.onAnswer(nil)
	_, err = two.Attest(t.Context())
	require.NoError(t, err)

	replay(rollPath, same)
	_, _, err = two.Release(t.Context(), first, false)
	require.ErrorIs(t, err, keyrelease.ErrAnswer, "the keys for another host")
	require.ErrorIs(t, err, kps.ErrCannotOpen)
	_, _, err = one.Release(t.Context(), second, false)
	require.ErrorIs(t, err, keyrelease.ErrAnswer, "the keys of another protector")
	_, _, err = one.Release(t.Context(), first, false)
	require.NoError(t, err, "what opened before opens again: the protocol has no number of requests")

	altered := func(change func(*kps.Response)) func([]byte) []byte {
		return func(body []byte) []byte {
			r, err := kps.ParseResponse(body)
			require.NoError(t, err)
			change(r)
			return r.Bytes()
		}
	}
	stranger, err := guardian.NewOwner("stranger", 2048, 24*time.Hour)
	require.NoError(t, err)
	foreign, _ := s.protector(stranger)
	for name, change := range map[string]func(*kps.Response){
		"the old protector":     func(r *kps.Response) { r.Egress = first.Bytes() },
		"a stranger's":          func(r *kps.Response) { r.Egress = foreign.Bytes() },
		"no protector":          func(r *kps.Response) { r.Egress = []byte{0, 0, 0, 4} },
		"an altered one":        func(r *kps.Response) { r.Egress = bytes.Replace(r.Egress, []byte("A"), []byte("B"), 1) },
		"keys in another order": func(r *kps.Response) { r.WrappingKey, r.TransportKeys = r.TransportKeys, r.WrappingKey },
	} {
		t.Run(name, func(t *testing.T) {
			replay(rollPath, altered(change))
			_, _, err := one.Release(t.Context(), first, false)
			require.ErrorIs(t, err, keyrelease.ErrAnswer)
		})
	}

	// Cut off, the answer is none; and whoever waits no longer gets none.
	replay(rollPath, func(body []byte) []byte { return body[:len(body)/2] })
	_, _, err = one.Release(t.Context(), first, false)
	require.ErrorIs(t, err, kps.ErrMessage)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = one.Release(ctx, first, false)
	require.ErrorIs(t, err, context.Canceled)
}
