package hgsserver

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// BenchmarkRollTransportKey is a request over HTTP as the handler sees it, from its header to the answer, with its entry in the
// audit log on the disk. Several are under way at a time, as they share the syncs of the disk.
func BenchmarkRollTransportKey(b *testing.B) {
	s := open(b, newService(b))
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	h := newHost(b)
	mustChange(b, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(b, h.key.Public())})
	reply, ok := h.attest(b, server.URL).(*hgsa.HealthCertificateReply)
	require.True(b, ok)
	metadata, err := s.protection.Metadata()
	require.NoError(b, err)
	service, err := guardian.ParseMetadata(metadata)
	require.NoError(b, err)
	owner, err := guardian.NewOwner("Contoso", 2048, time.Hour)
	require.NoError(b, err)
	p, _, err := keyprotector.New(owner, []*guardian.Guardian{service})
	require.NoError(b, err)
	request := &kps.Request{Ingress: p.Bytes(), HealthCertificate: reply.Content[0].Content}
	manyAtATime(b, s, kps.V2.Path(), "application/xml", request.Bytes())
}

// BenchmarkHostKeyAttestation is a request by host key, like BenchmarkRollTransportKey.
func BenchmarkHostKeyAttestation(b *testing.B) {
	s := open(b, newService(b))
	h := newHost(b)
	mustChange(b, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(b, h.key.Public())})
	manyAtATime(b, s, "/Attestation/v2.0/hostkeyattest", "application/json", h.attestation(b))
}

// manyAtATime sends the same request again and again.
func manyAtATime(b *testing.B, s *Server, path, contentType string, body []byte) {
	handler := s.Handler()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				b.Errorf("status %d", w.Code)
			}
		}
	})
}
