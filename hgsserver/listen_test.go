package hgsserver

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListening(t *testing.T) {
	_, file := newIdentity(t, "service", time.Hour)
	_, other := newIdentity(t, "other", time.Hour)
	large := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(large, make([]byte, 2<<20), 0o600))
	for name, c := range map[string]struct {
		l    Listening
		says string
	}{
		"nothing":              {Listening{}, ""},
		"all":                  {Listening{Listen: ":443", TLSCert: file, TLSKey: file, Metrics: "[::1]:9", Admin: "192.0.2.1:8443", AdminCert: other, AdminKey: other}, ""},
		"that of hosts":        {Listening{Admin: ":8443", TLSCert: file, TLSKey: file}, ""},
		"by name":              {Listening{Listen: "hgs-1.example.com:80"}, ""},
		"no certificate":       {Listening{Admin: ":8443"}, "needs a certificate"},
		"no key":               {Listening{Admin: ":8443", AdminCert: file}, "come together"},
		"another key":          {Listening{Admin: ":8443", AdminCert: file, AdminKey: other}, "does not match"},
		"not used, but wrong":  {Listening{AdminCert: file, AdminKey: other}, "does not match"},
		"no file":              {Listening{TLSCert: file, TLSKey: file + "x"}, "no such file"},
		"a device":             {Listening{TLSCert: "/dev/zero", TLSKey: file}, "is not a file"},
		"a folder":             {Listening{TLSCert: t.TempDir(), TLSKey: file}, "is not a file"},
		"large":                {Listening{TLSCert: large, TLSKey: file}, "is not a file of at most"},
		"relative":             {Listening{TLSCert: "tls.pem", TLSKey: "tls.key"}, "not the whole path"},
		"no port":              {Listening{Listen: "192.0.2.1"}, "is not HOST:PORT"},
		"a service":            {Listening{Listen: ":http"}, "a port is a number"},
		"a large port":         {Listening{Metrics: ":65536"}, "a port is a number"},
		"no address":           {Listening{Metrics: "192.0.2.300:80"}, "neither the address nor the name"},
		"strange":              {Listening{Listen: "a b:80"}, "neither the address nor the name"},
		"twice":                {Listening{Listen: ":80", Metrics: ":80"}, "the same address"},
		"twice, as the others": {Listening{Metrics: "127.0.0.1:80"}, "the same address"},
		"twice, by any":        {Listening{Metrics: "127.0.0.1:9", Admin: "[::]:9", TLSCert: file, TLSKey: file}, "the same address"},
	} {
		err := c.l.check()
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
	}
}

// TestListeningChanges has administrators set different addresses, who do not know of each other: all are set.
func TestListeningChanges(t *testing.T) {
	s := open(t, newService(t))
	for _, change := range []ListeningChange{{Listen: ptr("127.0.0.1:8001")}, {Metrics: ptr("127.0.0.1:8002")}} {
		mustChange(t, s, "PATCH", "/v1/config", SettingsChange{Listening: &change})
	}
	require.Equal(t, Listening{Listen: "127.0.0.1:8001", Metrics: "127.0.0.1:8002"}, s.current.Load().Listening)
	mustChange(t, s, "PATCH", "/v1/config", SettingsChange{Listening: &ListeningChange{Metrics: ptr("")}})
	require.Equal(t, Listening{Listen: "127.0.0.1:8001"}, s.current.Load().Listening)
	status, _ := ask(t, s, Administrator, "PATCH", "/v1/config", SettingsChange{Listening: &ListeningChange{Admin: ptr("127.0.0.1:8001")}})
	require.Equal(t, http.StatusBadRequest, status)
}

func ptr(text string) *string { return &text }
