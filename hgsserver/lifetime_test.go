package hgsserver

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCertificateLifetime sets how long health certificates hold.
func TestCertificateLifetime(t *testing.T) {
	s := open(t, newService(t))
	for seconds, want := range map[int]int{
		5: http.StatusOK, 3600: http.StatusOK, 8 * 3600: http.StatusOK,
		4: http.StatusBadRequest, -1: http.StatusBadRequest, 8*3600 + 1: http.StatusBadRequest, 1 << 62: http.StatusBadRequest,
	} {
		before := s.current.Load().attestation.Lifetime
		status, body := ask(t, s, Administrator, "PATCH", "/v1/config", SettingsChange{CertificateSeconds: &seconds})
		require.Equal(t, want, status, "%d: %s", seconds, body)
		if want == http.StatusOK {
			before = time.Duration(seconds) * time.Second
		}
		require.Equal(t, before, s.current.Load().attestation.Lifetime)
	}
	always := 0
	mustChange(t, s, "PATCH", "/v1/config", SettingsChange{CertificateSeconds: &always})
	require.Zero(t, s.current.Load().CertificateSeconds)
}
