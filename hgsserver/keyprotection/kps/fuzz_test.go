package kps

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/keyprotector"
)

func rsaDER(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return der
}

// FuzzMessages requires that what is read once is read as the same when written again.
func FuzzMessages(f *testing.F) {
	f.Add(testRequest.Bytes())
	f.Add(newResponse(f, V2, testKeys).Bytes())
	f.Add((&Error{InvalidProtector, "message"}).Bytes())
	f.Add([]byte("<a/>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ParseRequest(data); err == nil {
			again, err := ParseRequest(r.Bytes())
			require.NoError(t, err)
			require.Equal(t, r, again)
		} else {
			require.ErrorIs(t, err, ErrMessage)
		}
		if r, err := ParseResponse(data); err == nil {
			again, err := ParseResponse(r.Bytes())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
		if e, err := ParseError(data); err == nil {
			again, err := ParseError(e.Bytes())
			require.NoError(t, err)
			require.Equal(t, e, again)
		}
	})
}

// FuzzOpen opens responses whose parts an adversary wrote.
func FuzzOpen(f *testing.F) {
	r := newResponse(f, V2, testKeys)
	f.Add(r.TransferKey, r.WrappingKey, r.TransportKeys, 2)
	f.Add([]byte("<a/>"), []byte{}, r.TransportKeys, 1)
	f.Fuzz(func(t *testing.T, transfer, wrapping, keys []byte, version int) {
		_, _ = (&Response{nil, transfer, wrapping, keys}).Open(Version(version), hostKey())
	})
}

// FuzzPayload requires that a payload has one form alone.
func FuzzPayload(f *testing.F) {
	f.Add(appendPayload(nil, V1, &testKeys.Ingress, 0), 1)
	f.Add(appendPayload(nil, V2, &testKeys.Ingress, 0), 2)
	f.Add(appendPayload(nil, V2, &testKeys.Ingress, 9), 2)
	f.Fuzz(func(t *testing.T, data []byte, version int) {
		var key keyprotector.TransportKey
		offline, rest, ok := cutPayload(data, Version(version), &key)
		if ok {
			require.Equal(t, data, append(appendPayload(nil, Version(version), &key, offline), rest...))
		}
	})
}
