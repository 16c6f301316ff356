package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// openEvery is how many answers come before one that the host opens and checks. To open all of them would take as much
// processor time as the service has for its work.
const openEvery = 50

// A connection is that of one host, which comes from an address of its own.
type connection struct {
	client *http.Client
	url    string
}

func (s *server) connect(i int) *connection {
	from := &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))} // all of 127/8 is this machine
	dialer := &net.Dialer{LocalAddr: from}
	return &connection{&http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxConnsPerHost: 1,
		DisableCompression: true, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}}, s.url}
}

func (c *connection) close() { c.client.CloseIdleConnections() }

// post sends a request and gives the body of its answer, which is 200.
func (c *connection) post(ctx context.Context, path, contentType string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	response, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, kps.MaxMessage))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", path, response.Status, answer)
	}
	return answer, err
}

// attest lets all hosts attest, round after round, and keeps the certificates of the last one.
func (f *fabric) attest(ctx context.Context, s *server, rounds int) (*measure, error) {
	return s.measured(func() ([]time.Duration, error) {
		return f.each(s, func(_ int, h *host, c *connection, took func(time.Time)) error {
			for range rounds {
				start := time.Now()
				answer, err := c.post(ctx, "/Attestation/v2.0/hostkeyattest", "application/json", h.attestation)
				if err != nil {
					return err
				}
				took(start)
				reply, err := hgsa.ParseReply(answer)
				if err != nil {
					return err
				}
				certificates, ok := reply.(*hgsa.HealthCertificateReply)
				if !ok || len(certificates.Content) != 1 {
					return fmt.Errorf("the attestation of %s failed: %.300s", h.name, answer)
				}
				h.certificate = certificates.Content[0].Content
			}
			return nil
		})
	})
}

// storm lets all hosts start their virtual machines at the same moment, each of them one after the other.
func (f *fabric) storm(ctx context.Context, s *server, machines int) (*measure, error) {
	return s.measured(func() ([]time.Duration, error) {
		return f.each(s, func(n int, h *host, c *connection, took func(time.Time)) error {
			for i := range machines {
				m := &f.machines[(n*machines+i)%len(f.machines)]
				body := (&kps.Request{Ingress: m.protector, HealthCertificate: h.certificate}).Bytes()
				start := time.Now()
				answer, err := c.post(ctx, kps.V2.Path(), "application/xml", body)
				if err != nil {
					return err
				}
				took(start)
				if (n*machines+i)%openEvery == 0 {
					if err := h.check(answer, m); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
}

// check opens an answer.
func (h *host) check(answer []byte, m *machine) error {
	response, err := kps.ParseResponse(answer)
	if err != nil {
		return err
	}
	keys, err := response.Open(kps.V2, h.identity)
	if err != nil {
		return err
	}
	egress, err := keyprotector.Parse(response.Egress)
	if err != nil {
		return err
	}
	if keys.Ingress != m.key {
		return errors.New("the service gave another key than that of the virtual machine")
	}
	return egress.Check(keys.Egress)
}

// each lets all hosts do something at the same time, and gives what they took.
func (f *fabric) each(s *server, do func(int, *host, *connection, func(time.Time)) error) ([]time.Duration, error) {
	var lock sync.Mutex
	var all []time.Duration
	var failures error
	var hosts sync.WaitGroup
	for i, h := range f.hosts {
		hosts.Go(func() {
			c := s.connect(i)
			defer c.close()
			var took []time.Duration
			err := do(i, h, c, func(start time.Time) { took = append(took, time.Since(start)) })
			lock.Lock()
			defer lock.Unlock()
			all = append(all, took...)
			if failures == nil {
				failures = err
			}
		})
	}
	hosts.Wait()
	return all, failures
}
