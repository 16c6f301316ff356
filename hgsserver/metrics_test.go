package hgsserver

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// scrape reads metrics as Prometheus does.
func scrape(t testing.TB, url string) map[string]*dto.MetricFamily {
	t.Helper()
	response, err := http.Get(url + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	require.NoError(t, err)
	return families
}

// value gives a counter or gauge with those values of labels.
func value(t testing.TB, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	require.Contains(t, families, name)
	for _, m := range families[name].Metric {
		var values []string
		for _, l := range m.Label {
			values = append(values, l.GetValue())
		}
		if strings.Join(values, " ") == strings.Join(labels, " ") {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	require.Fail(t, "there is no such metric", "%s %v: %v", name, labels, families[name])
	return 0
}

func TestMetrics(t *testing.T) {
	s := open(t, newService(t))
	s.metrics.build("1.2.3")
	hosts, metrics := httptest.NewServer(s.Handler()), httptest.NewServer(s.metricsHandler())
	defer hosts.Close()
	defer metrics.Close()

	first := scrape(t, metrics.URL)
	for _, outcome := range []string{"healthy", "refused"} {
		require.Zero(t, value(t, first, "hgs_attestations_total", "HostKey", outcome))
	}
	require.Zero(t, value(t, first, "hgs_key_releases_total"))
	require.Zero(t, value(t, first, "hgs_last_backup_seconds"))
	require.Equal(t, 1.0, value(t, first, "hgs_problems"), "no host is registered")
	require.Equal(t, "1.2.3", first["hgs_build_info"].Metric[0].Label[1].GetValue())
	require.InDelta(t, time.Now().AddDate(0, 0, 365).Unix(), value(t, first, "hgs_certificate_expiry_seconds"), 366*24*3600)

	h := newHost(t)
	require.IsType(t, &hgsa.ErrorReply{}, h.attest(t, hosts.URL))
	mustChange(t, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(t, h.key.Public())})
	reply, ok := h.attest(t, hosts.URL).(*hgsa.HealthCertificateReply)
	require.True(t, ok)
	metadata, err := s.protection.Metadata()
	require.NoError(t, err)
	service, err := guardian.ParseMetadata(metadata)
	require.NoError(t, err)
	owner, err := guardian.NewOwner("Contoso", 2048, time.Hour)
	require.NoError(t, err)
	p, _, err := keyprotector.New(owner, []*guardian.Guardian{service})
	require.NoError(t, err)
	_, _, err = h.roll(t, hosts.URL, p, reply.Content[0].Content)
	require.NoError(t, err)
	_, _, err = h.roll(t, hosts.URL, p, owner.Encryption.Raw)
	require.Error(t, err)
	other, _, err := keyprotector.New(owner, nil)
	require.NoError(t, err)
	_, _, err = h.roll(t, hosts.URL, other, reply.Content[0].Content)
	require.Error(t, err)
	response, err := http.Post(hosts.URL+kps.V2.Path(), "application/xml", strings.NewReader("<a/>"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, s.Backup(&bytes.Buffer{}, []byte("password"), "", "me"))

	after := scrape(t, metrics.URL)
	for _, outcome := range []string{"healthy", "refused"} {
		require.Equal(t, 1.0, value(t, after, "hgs_attestations_total", "HostKey", outcome), outcome)
		require.Zero(t, value(t, after, "hgs_attestations_total", "TPM", outcome), outcome)
	}
	require.Equal(t, 1.0, value(t, after, "hgs_key_releases_total"))
	for code, want := range map[kps.Code]float64{kps.HealthCertificateError: 1, kps.InvalidProtector: 1, kps.InvalidRequest: 1, kps.InvalidWrapping: 0, kps.ServiceUnavailable: 0} {
		require.Equal(t, want, value(t, after, "hgs_key_refusals_total", string(code)), code)
	}
	require.Equal(t, 1.0, value(t, after, "hgs_host_keys"))
	require.Zero(t, value(t, after, "hgs_problems"))
	require.InDelta(t, time.Now().Unix(), value(t, after, "hgs_last_backup_seconds"), 60)
	requests := uint64(0)
	for _, m := range after["hgs_request_seconds"].Metric {
		requests += m.GetHistogram().GetSampleCount()
	}
	require.Equal(t, uint64(6), requests)

	s.metrics.refused("whatever a host might say")
	require.Equal(t, 1.0, value(t, scrape(t, metrics.URL), "hgs_key_refusals_total", "other"))
}

// TestHealthReasons: whoever balances loads learns that hosts are not served, and not why.
func TestHealthReasons(t *testing.T) {
	s := open(t, newService(t))
	get := func(h http.Handler) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
		body, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		return w.Code, string(body)
	}
	for _, h := range []http.Handler{s.metricsHandler(), s.AdminHandler(Reviewer)} {
		status, body := get(h)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "healthy\n", body)
	}
	s.now = func() time.Time { return time.Now().AddDate(20, 0, 0) }
	status, body := get(s.metricsHandler())
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "not healthy\n", body)
	status, body = get(s.AdminHandler(Reviewer))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.True(t, strings.HasPrefix(body, "not healthy\nthere is no attestation signer that holds: "), body)
}
