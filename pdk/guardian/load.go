package guardian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// MetadataPath is where a host guardian service serves its metadata (MS-KPS section 2.2.1.2).
const MetadataPath = "/KeyProtection/service/metadata/2014-07/metadata.xml"

const maxRedirects = 3

var fetchTimeout = 30 * time.Second // less in tests

// Load reads metadata from a file, or from an address that begins with http:// or https://, of at most MaxMetadata bytes. An
// address without a path is completed with MetadataPath. Redirects are followed a few times, but never from https to http.
//
// What arrives over http can be anybody's: metadata is trusted by the thumbprints of its certificates, not by its address.
func Load(ctx context.Context, source string) ([]byte, error) {
	if strings.Contains(source, "://") {
		return fetch(ctx, http.DefaultTransport, source)
	}
	data, err := readFile(source)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; the address of a service begins with http:// or https://", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading guardian metadata: %w", err)
	}
	return data, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxMetadata+1))
	if err == nil && len(data) > MaxMetadata {
		err = fmt.Errorf("more than the %d bytes that are accepted: is this guardian metadata?", MaxMetadata)
	}
	return data, err
}

func fetch(ctx context.Context, transport http.RoundTripper, source string) ([]byte, error) {
	address, err := parseAddress(source)
	if err != nil {
		return nil, err
	}
	data, err := get(ctx, transport, address)
	if err != nil {
		return nil, fmt.Errorf("fetching guardian metadata from %s: %w", address.Redacted(), err)
	}
	return data, nil
}

func parseAddress(source string) (*url.URL, error) {
	address, err := url.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("fetching guardian metadata: the address is not valid: %w", withoutAddress(err))
	}
	switch {
	case address.Scheme != "http" && address.Scheme != "https":
		return nil, fmt.Errorf("fetching guardian metadata: an address begins with http:// or https://, not with %.16s://", address.Scheme)
	case address.Hostname() == "":
		return nil, errors.New("fetching guardian metadata: the address names no server: write it as http://hgs.example.com")
	case address.User != nil:
		return nil, errors.New("fetching guardian metadata: the address has a user name: metadata is public, leave it out")
	}
	if address.Path == "" || address.Path == "/" {
		address.Path = MetadataPath
	}
	return address, nil
}

func get(ctx context.Context, transport http.RoundTripper, address *url.URL) ([]byte, error) {
	client := http.Client{Transport: transport, Timeout: fetchTimeout, CheckRedirect: checkRedirect}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, unanswered(fmt.Errorf("%w: check the address, and that the service runs and can be reached from here", withoutAddress(err)))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %q: check the address, which without a path becomes that of a host guardian service",
			response.Status)
	}
	data, err := readAll(response.Body)
	if err != nil {
		return nil, unanswered(fmt.Errorf("the answer: %w", err))
	}
	return data, nil
}

// unanswered says of an error that the time was up, if it was.
func unanswered(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("the host guardian service did not answer within %v: check the address, that the service runs, and that no firewall is in the way",
		fetchTimeout)
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case next.URL.Scheme != "https" && next.URL.Scheme != from.Scheme:
		return fmt.Errorf("the server redirects from %s to %s, which is not followed", from.Scheme, next.URL.Scheme)
	}
	return nil
}

// withoutAddress takes off what net/url and net/http put before an error: the address, which may hold a password.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
