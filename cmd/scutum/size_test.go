package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "512B": 512, "1K": 1 << 10, "1KiB": 1 << 10, "3 MiB": 3 << 20,
		"60GiB": 60 << 30, "60g": 60 << 30, "64TiB": 64 << 40, "64tib": 64 << 40,
	} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, reason := range map[string]string{
		"": "whole number", "GiB": "whole number", "-1": "whole number", "1.5GiB": "whole number",
		"1PiB": "whole number", "0x10": "whole number", "1GiBGiB": "whole number", "1 2": "whole number",
		"60GB": "ambiguous", "99999999999999999999": "too large", "8388608TiB": "too large",
	} {
		_, err := parseSize(text)
		require.ErrorContains(t, err, reason, text)
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1 << 10: "1 KiB", 1536: "1.5 KiB",
		60 << 30: "60 GiB", 60<<30 + 1: "60.0 GiB", 64 << 40: "64 TiB", math.MaxInt64: "8388608.0 TiB",
	} {
		require.Equal(t, want, formatSize(n))
	}
	require.Equal(t, "1 KiB (1024 bytes)", formatBytes(1024))
	require.Equal(t, "12 bytes", formatBytes(12))
}

func TestSizeFlagKeepsWhatItSays(t *testing.T) {
	var s size
	require.NoError(t, s.Set("32MiB"))
	require.Equal(t, "32MiB", s.String())
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"60GiB", "1K", "", "9223372036854775807", "-1", "GB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		require.True(t, err != nil || n >= 0)
	})
}
