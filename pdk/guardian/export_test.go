package guardian

import (
	"context"
	"io/fs"
	"net/http"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/scutum-project/scutum/signing"
)

// MetadataWithID writes metadata that says the same each time.
func (o *Owner) MetadataWithID(id string) ([]byte, error) { return o.metadata(id) }

// Fetch is Load of an address, over another transport than the usual one.
func Fetch(ctx context.Context, transport http.RoundTripper, address string) ([]byte, error) {
	return fetch(ctx, transport, address)
}

// Hurry has fetching wait no longer than that, until the test ends.
func Hurry(t testing.TB, timeout time.Duration) {
	before := fetchTimeout
	fetchTimeout = timeout
	t.Cleanup(func() { fetchTimeout = before })
}

// Intercept calls before ahead of every file that the store writes (with its content) or removes (with nil). An error of
// it is the error of the write or removal, which is not made.
func (s *Store) Intercept(before func(path string, data []byte) error) {
	write, remove := s.write, s.remove
	s.write = func(path string, data []byte, perm fs.FileMode, overwrite bool) error {
		if err := before(path, data); err != nil {
			return err
		}
		return write(path, data, perm, overwrite)
	}
	s.remove = func(path string) error {
		if err := before(path, nil); err != nil {
			return err
		}
		return remove(path)
	}
}

// Quick has the store spend no time on passphrases, for tests that are about something else.
func (s *Store) Quick() *Store {
	s.encode = func(id *signing.Identity, passphrase string) ([]byte, error) {
		return pkcs12.Modern2023.WithIterations(1).Encode(id.Key, id.Certificate, nil, passphrase)
	}
	return s
}
