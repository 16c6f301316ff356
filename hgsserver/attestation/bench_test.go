package attestation

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// BenchmarkTPMAttestation is what the service does for an attestation, without what the TPM does: as a service needs to have kept
// nothing between two requests, one that is new each time answers those of an attestation that took place.
func BenchmarkTPMAttestation(b *testing.B) {
	m := startMachine(b)
	m.boot(b, bootLog("db"))
	host, err := NewHost("tpm host", m.certificate, m.root, m.intermediates, time.Now())
	require.NoError(b, err)
	bench := newTPMBench(b, *host)
	bench.restart()
	const path = "/Attestation/v2.0/attest"
	ek := hgsa.Provided{Type: hgsa.EndorsementKeyCertificate, Content: m.certificate}
	request := &hgsa.AttestationRequest{SessionID: uuid.New(), Requested: []hgsa.ResultType{hgsa.EncryptionKeyCertificate}, Provided: []hgsa.Provided{ek}}
	var bodies [][]byte
	for {
		bodies = append(bodies, marshal(b, request))
		reply := bench.reply(path, bodies[len(bodies)-1])
		next, more := reply.(*hgsa.ContinueReply)
		if !more {
			bench.requireHealthy(reply)
			break
		}
		request.Provided = []hgsa.Provided{ek, {Type: hgsa.RtpmContext, Content: m.Answer(b, next.Context, bootLog("db")).Bytes()}}
	}
	for b.Loop() {
		b.StopTimer() // a service takes the last answer of an attestation once
		bench.restart()
		bench.reports = nil
		bench.logged.Reset()
		b.StartTimer()
		for _, body := range bodies {
			require.Equal(b, http.StatusOK, bench.ask(http.MethodPost, path, body).Code)
		}
		require.True(b, bench.reports[0].Healthy)
	}
}

// BenchmarkHostKeyAttestation is what the service does for an attestation by host key.
func BenchmarkHostKeyAttestation(b *testing.B) {
	for _, name := range []string{"ec", "rsa"} {
		b.Run(name, func(b *testing.B) {
			bench := newBench(b)
			bench.Service.record = func(r Report) error {
				require.True(b, r.Healthy)
				return nil
			}
			body := marshal(b, hostKeyRequest(b, bench.keys[name], der(b, identityKey().Public()), hgsa.EncryptionKeyCertificate))
			for b.Loop() {
				require.Equal(b, http.StatusOK, bench.ask(http.MethodPost, hostKeyPath, body).Code)
			}
		})
	}
}
