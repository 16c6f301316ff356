package guardian_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	data, err := guardian.Load(t.Context(), put(t, dir, "a.xml", []byte("metadata")))
	require.NoError(t, err)
	require.Equal(t, "metadata", string(data))

	_, err = guardian.Load(t.Context(), put(t, dir, "large.xml", make([]byte, guardian.MaxMetadata+1)))
	require.ErrorContains(t, err, "more than the 1048576 bytes")
	_, err = guardian.Load(t.Context(), filepath.Join(dir, "hgs.example.com"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "begins with http://")
	_, err = guardian.Load(t.Context(), dir)
	require.ErrorContains(t, err, dir)
}

func TestLoadAddress(t *testing.T) {
	doc := metadata(t, contoso(t))
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+guardian.MetadataPath, func(w http.ResponseWriter, _ *http.Request) { w.Write(doc) })
	mux.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.URL.RawQuery)) })
	mux.HandleFunc("/full", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, guardian.MaxMetadata)) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for piece := make([]byte, 1<<16); ; {
			if _, err := w.Write(piece); err != nil {
				return // until who reads has enough
			}
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("half"))
	})
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("address"), http.StatusFound)
	})
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	defer plain.Close()
	defer secure.Close()
	to := func(addresses ...string) string { // redirects through all but the last, to the last
		address := addresses[len(addresses)-1]
		for i := len(addresses) - 2; i >= 0; i-- {
			address = addresses[i] + "/to?address=" + url.QueryEscape(address)
		}
		return address
	}
	withUser := strings.Replace(plain.URL, "://", "://user:secret@", 1)
	gone := httptest.NewServer(mux)
	gone.Close()

	for name, c := range map[string]struct {
		address string
		want    []byte
		err     string
	}{
		"path":                       {plain.URL + guardian.MetadataPath, doc, ""},
		"no path":                    {plain.URL, doc, ""},
		"only a slash":               {plain.URL + "/", doc, ""},
		"query":                      {plain.URL + "/query?a=b", []byte("a=b"), ""},
		"as large as may be":         {plain.URL + "/full", make([]byte, guardian.MaxMetadata), ""},
		"https":                      {secure.URL, doc, ""},
		"three redirects":            {to(plain.URL, plain.URL, plain.URL, plain.URL+guardian.MetadataPath), doc, ""},
		"redirect to https":          {to(plain.URL, secure.URL+guardian.MetadataPath), doc, ""},
		"redirect, https to https":   {to(secure.URL, secure.URL+guardian.MetadataPath), doc, ""},
		"four redirects":             {to(plain.URL, plain.URL, plain.URL, plain.URL, plain.URL+"/full"), nil, "more than 3 redirects"},
		"redirect, https to http":    {to(secure.URL, plain.URL+guardian.MetadataPath), nil, "redirects from https to http"},
		"redirect, there and back":   {to(plain.URL, secure.URL, plain.URL+guardian.MetadataPath), nil, "redirects from https to http"},
		"redirect to something else": {to(plain.URL, "ftp://example.com/"), nil, "redirects from http to ftp"},
		"too large":                  {plain.URL + "/large", nil, "more than the 1048576 bytes"},
		"cut short":                  {plain.URL + "/cut", nil, "unexpected EOF"},
		"not there":                  {plain.URL + "/other", nil, `the server answered "404 Not Found": check the address`},
		"busy":                       {plain.URL + "/busy", nil, `the server answered "503 Service Unavailable"`},
		"nobody there":               {gone.URL, nil, "check the address, and that the service runs"},
		"other scheme":               {"ftp://example.com/", nil, "begins with http:// or https://"},
		"no server":                  {"http:///a", nil, "names no server"},
		"bad port":                   {"http://user:secret@a:b/", nil, "the address is not valid"},
		"user":                       {withUser, nil, "leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := guardian.Fetch(t.Context(), secure.Client().Transport, c.address)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.NotContains(t, err.Error(), "secret")
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(c.want, data))
		})
	}

	t.Run("unknown authority", func(t *testing.T) {
		_, err := guardian.Load(t.Context(), secure.URL)
		require.ErrorContains(t, err, "certificate")
	})
	t.Run("plain, as users do", func(t *testing.T) {
		data, err := guardian.Load(t.Context(), plain.URL)
		require.NoError(t, err)
		require.Equal(t, doc, data)
	})
}

func TestLoadIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(errors.New("enough"))
		<-r.Context().Done()
	}))
	defer server.Close()
	_, err := guardian.Load(ctx, server.URL)
	require.ErrorContains(t, err, "enough")
}

// A server that keeps others waiting, before or in the middle of its answer.
func TestLoadDoesNotWaitForEver(t *testing.T) {
	guardian.Hurry(t, 50*time.Millisecond)
	for name, begin := range map[string]bool{"no answer": false, "half an answer": true} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if begin {
					_, _ = w.Write([]byte("<Metadata"))
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			}))
			defer server.Close()
			_, err := guardian.Load(t.Context(), server.URL)
			require.EqualError(t, err, "fetching guardian metadata from "+server.URL+guardian.MetadataPath+
				": the host guardian service did not answer within 50ms: check the address, that the service runs, and that no firewall is in the way")
		})
	}
}
