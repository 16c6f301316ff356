package hgsserver

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
)

// metrics are what Prometheus gets to see. No label has a value that a host chooses.
type metrics struct {
	registry     *prometheus.Registry
	attestations *prometheus.CounterVec
	releases     prometheus.Counter
	refusals     *prometheus.CounterVec
	program      *prometheus.GaugeVec
	requests     *prometheus.HistogramVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		attestations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hgs_attestations_total", Help: "Attestations that were recorded, by mode and outcome."}, []string{"mode", "outcome"}),
		releases: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hgs_key_releases_total", Help: "Keys of key protectors that were given to hosts."}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hgs_key_refusals_total", Help: "Requests to the key protection service that were answered with an error, by its name."}, []string{"error"}),
		program: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hgs_build_info", Help: "1, with the version of the program."}, []string{"version", "go"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hgs_request_seconds", Help: "How long requests of hosts took, by service and HTTP status."}, []string{"service", "status"}),
	}
	m.registry.MustRegister(m.attestations, m.releases, m.refusals, m.program, m.requests)
	// What has not happened yet is 0, so that an alert sees the first time.
	for _, mode := range []hgsa.OperationMode{hgsa.ModeTPM, hgsa.ModeHostKey} {
		for _, outcome := range []string{healthy, refused} {
			m.attestations.WithLabelValues(mode.String(), outcome)
		}
	}
	for _, code := range refusalCodes {
		m.refusals.WithLabelValues(string(code))
	}
	gauge := func(name, help string, value func(c *configuration) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			return value(s.current.Load())
		}))
	}
	gauge("hgs_tpm_hosts", "Hosts registered by their TPM.", func(c *configuration) float64 { return float64(len(c.attestation.Hosts)) })
	gauge("hgs_host_keys", "Hosts registered by a key.", func(c *configuration) float64 { return float64(len(c.attestation.HostKeys)) })
	gauge("hgs_problems", "Problems that the health of the service has; see its log.", func(c *configuration) float64 {
		return float64(len(s.healthProblems(c)))
	})
	gauge("hgs_last_backup_seconds", "When the last whole backup was made, in seconds since 1970; 0 for never.", func(*configuration) float64 {
		at, err := s.lastBackup()
		if err != nil || at.IsZero() {
			return 0
		}
		return float64(at.Unix())
	})
	gauge("hgs_certificate_expiry_seconds", "When the first primary certificate or attestation signer in use ends, in seconds since 1970.",
		func(c *configuration) float64 { return float64(c.firstEnd(s.now()).Unix()) })
	return m
}

// build says which program serves.
func (m *metrics) build(version string) {
	if info, ok := debug.ReadBuildInfo(); version == "" && ok {
		version = info.Main.Version
	}
	m.program.WithLabelValues(version, runtime.Version()).Set(1)
}

// The outcomes of an attestation.
const (
	healthy = "healthy"
	refused = "refused"
)

// refusalCodes are the errors of the key protection service; another one is not counted by its name.
var refusalCodes = []kps.Code{kps.HealthCertificateError, kps.InvalidProtector, kps.InvalidWrapping, kps.InvalidRequest, kps.ServiceUnavailable}

func (m *metrics) refused(code kps.Code) {
	if !slices.Contains(refusalCodes, code) {
		code = "other"
	}
	m.refusals.WithLabelValues(string(code)).Inc()
}

func (m *metrics) attestation(r attestation.Report) {
	outcome := refused
	if r.Healthy {
		outcome = healthy
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
