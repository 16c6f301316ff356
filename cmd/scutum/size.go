package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A size is a count of bytes as a flag: "60GiB", "512M" or "4096".
type size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
}

// parseSize reads a whole number of bytes or of KiB, MiB, GiB or TiB; the "iB"
// may be left out. Powers of ten are refused rather than guessed at.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGTbikmgt ")
	unit := strings.ToLower(strings.TrimSpace(text[len(digits):]))
	factor := int64(0)
	switch unit {
	case "", "b":
		factor = 1
	case "kb", "mb", "gb", "tb":
		return 0, fmt.Errorf("%s is ambiguous; write %siB, which counts in 1024s", strings.ToUpper(unit), strings.ToUpper(unit[:1]))
	default:
		for _, u := range sizeUnits {
			if name := strings.ToLower(u.name); unit == name || unit == name[:1] {
				factor = u.bytes
			}
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && factor > 0 && int64(n) > math.MaxInt64/factor:
		return 0, errors.New("it is too large")
	case err != nil || factor == 0:
		return 0, errors.New("write a whole number with KiB, MiB, GiB or TiB, like 60GiB")
	}
	return int64(n) * factor, nil
}

// formatSize writes a count of bytes in the largest unit that leaves a number of
// at least one; a rounded one has a decimal.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		switch {
		case n < u.bytes:
		case n%u.bytes == 0:
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		default:
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}

// formatBytes adds the exact count to a size that was rounded or abbreviated.
func formatBytes(n int64) string {
	text := formatSize(n)
	if strings.HasSuffix(text, "iB") {
		text += fmt.Sprintf(" (%d bytes)", n)
	}
	return text
}

// String, Set and Type make size a flag of pflag.
func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return strings.ReplaceAll(formatSize(int64(*s)), " ", "")
}

func (s *size) Set(text string) error {
	n, err := parseSize(text)
	*s = size(n)
	return err
}

func (s *size) Type() string { return "SIZE" }
