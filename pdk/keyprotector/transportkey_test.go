package keyprotector

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransportKeyNeverPrints(t *testing.T) {
	key := TransportKey([]byte("0123456789abcdef0123456789abcdef"))
	secret := []string{"0123456789", hex.EncodeToString(key[:4]), "48, 49, 50", "48 49 50", "0x30, 0x31"}
	var prints []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%c", "%b", "%o", "%t", "%10.4s"} {
		prints = append(prints, fmt.Sprintf(verb, key), fmt.Sprintf(verb, &key), fmt.Sprintf(verb, []TransportKey{key}), fmt.Sprintf(verb, struct{ Key TransportKey }{key}))
	}
	prints = append(prints, key.String(), key.GoString(), fmt.Sprint(key), fmt.Errorf("%w: %v", ErrCannotUnwrap, key).Error())
	asJSON, err := json.Marshal(map[string]any{"key": key, "pointer": &key})
	require.NoError(t, err)
	prints = append(prints, string(asJSON))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "key", key)
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "key", key, "pointer", &key)
	prints = append(prints, log.String())

	for _, s := range prints {
		require.Contains(t, s, "[transport key]")
		for _, part := range secret {
			require.NotContains(t, s, part)
		}
	}
}

func TestTransportKeyClear(t *testing.T) {
	key := newTransportKey()
	require.False(t, key == TransportKey{})
	key.Clear()
	require.True(t, key == TransportKey{})
}
