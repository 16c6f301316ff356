package hgsserver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scutum-project/scutum/hgsserver/attestation"
)

// metrics are what Prometheus gets to see. No label has a value that a host chooses.
type metrics struct {
	registry     *prometheus.Registry
	attestations *prometheus.CounterVec
	releases     prometheus.Counter
	requests     *prometheus.HistogramVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		attestations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hgs_attestations_total", Help: "Attestations that were recorded, by mode and outcome."}, []string{"mode", "outcome"}),
		releases: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hgs_key_releases_total", Help: "Keys of key protectors that were given to hosts."}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hgs_request_seconds", Help: "How long requests of hosts took, by service and HTTP status."}, []string{"service", "status"}),
	}
	m.registry.MustRegister(m.attestations, m.releases, m.requests)
	gauge := func(name, help string, value func(c *configuration) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			return value(s.current.Load())
		}))
	}
	gauge("hgs_tpm_hosts", "Hosts registered by their TPM.", func(c *configuration) float64 { return float64(len(c.attestation.Hosts)) })
	gauge("hgs_host_keys", "Hosts registered by a key.", func(c *configuration) float64 { return float64(len(c.attestation.HostKeys)) })
	gauge("hgs_problems", "Problems that the health of the service has; see its log.", func(c *configuration) float64 {
		return float64(len(c.problems(s.now())))
	})
	gauge("hgs_certificate_expiry_seconds", "When the first primary certificate or attestation signer in use ends, in seconds since 1970.",
		func(c *configuration) float64 { return float64(c.firstEnd(s.now()).Unix()) })
	return m
}

func (m *metrics) attestation(r attestation.Report) {
	outcome := "refused"
	if r.Healthy {
		outcome = "healthy"
	}
	m.attestations.WithLabelValues(r.Mode, outcome).Add(float64(1 + r.Omitted))
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// timed measures the requests to a service.
func (m *metrics) timed(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, answer := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		m.requests.WithLabelValues(service, strconv.Itoa(answer.status)).Observe(time.Since(start).Seconds())
	})
}

// A statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
