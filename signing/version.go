package signing

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Version is the version of a template, four numbers: "1.0.0.0".
type Version [4]uint16

// ParseVersion reads the form of String and no other.
func ParseVersion(s string) (Version, error) {
	var v Version
	parts := strings.SplitN(s, ".", 5)
	if len(parts) == len(v) {
		for i, part := range parts {
			n, err := strconv.ParseUint(part, 10, 16)
			if err != nil {
				break
			}
			v[i] = uint16(n)
		}
		if v.String() == s {
			return v, nil
		}
	}
	return Version{}, fmt.Errorf("version %.32q is not four numbers below 65536, as in 1.0.0.0", s)
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d.%d", v[0], v[1], v[2], v[3]) }

// Compare orders versions by their first number, then by their second, and so on.
func (v Version) Compare(other Version) int { return slices.Compare(v[:], other[:]) }

// Next is the version after v: its last number is one more.
func (v Version) Next() (Version, error) {
	if v[3] == math.MaxUint16 {
		return Version{}, fmt.Errorf("there is no next version after %s by its last number: give a version", v)
	}
	v[3]++
	return v, nil
}

// MarshalText gives the form of String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the form of String.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}
