// Package fsk reads and writes specialization files (.fsk): the values that make one virtual machine out of an answer
// file that serves many. A key is a substitution string of the answer file, such as @ComputerName@, and its value is one
// line of text.
//
// The file comes from whoever runs the fabric, is neither signed nor encrypted, and is never to hold a secret. Values of
// known keys have a form, such as that of an address: what a guest writes them into may be read by a shell later. Whether
// another value is fit for the place where it lands is for the package answerfile to judge.
package fsk

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/signing/strictjson"
)

// Format is the format of the files that this package reads and writes.
const Format = "scutum-fsk-1"

// Limits of a file.
const (
	MaxSize   = 256 << 10 // bytes of the file
	MaxValues = 256       // number of values
	MaxKey    = 64        // bytes of a key, both @ included
	MaxValue  = 4096      // bytes of a value
)

// ErrFSK says that a specialization file, or what is to become one, is malformed.
var ErrFSK = errors.New("invalid specialization file")

// Values are the values of a file by their keys. A key keeps its @ signs. Two keys that differ in nothing but case are
// the same key.
type Values map[string]string

type document struct {
	Format string `json:"format"`
	Values Values `json:"values"`
}

// Parse reads a file. Its errors are ErrFSK.
func Parse(data []byte) (Values, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrFSK, len(data), MaxSize)
	}
	var d document
	if err := strictjson.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFSK, err)
	}
	if d.Format != Format {
		return nil, fmt.Errorf("%w: format %.32q is unknown, want %q", ErrFSK, d.Format, Format)
	}
	if err := d.Values.Check(); err != nil {
		return nil, err
	}
	return d.Values, nil
}

// Encode writes the file, keys in order. It refuses, with ErrFSK, values that Parse would not read.
func (v Values) Encode() ([]byte, error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	if v == nil {
		v = Values{}
	}
	data, err := json.MarshalIndent(document{Format, v}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the specialization file: %w", err)
	}
	if data = append(data, '\n'); len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrFSK, len(data), MaxSize)
	}
	return data, nil
}

// Get gives the value of a key, whose case does not matter.
func (v Values) Get(key string) (value string, ok bool) {
	if value, ok = v[key]; ok {
		return value, true
	}
	for k, value := range v {
		if strings.EqualFold(k, key) {
			return value, true
		}
	}
	return "", false
}

// Check holds the values against all the rules of the format. Its errors are ErrFSK.
func (v Values) Check() error {
	if len(v) > MaxValues {
		return fmt.Errorf("%w: %d values, at most %d are allowed", ErrFSK, len(v), MaxValues)
	}
	seen := make(map[string]string, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) {
		if err := CheckKey(key); err != nil {
			return fmt.Errorf("%w: %w", ErrFSK, err)
		}
		folded := strings.ToLower(key)
		if other, ok := seen[folded]; ok {
			return fmt.Errorf("%w: %s and %s are the same key", ErrFSK, other, key)
		}
		seen[folded] = key
		err := CheckValue(v[key])
		if err == nil {
			err = checkKnown(key, v[key])
		}
		if err != nil {
			return fmt.Errorf("%w: the value of %s: %w", ErrFSK, key, err)
		}
	}
	return nil
}

var keyForm = regexp.MustCompile(`^@[A-Za-z][0-9A-Za-z_-]*@$`)

// CheckKey reports whether key has the form of a key: letters, digits, - and _ between two @ signs, a letter first.
func CheckKey(key string) error {
	if len(key) > MaxKey || !keyForm.MatchString(key) {
		return fmt.Errorf("%.80q is not a key: want @Name@, at most %d letters, digits, - and _, a letter first", key, MaxKey-2)
	}
	return nil
}

// CheckValue reports whether value can be one: a line of printable characters that is not blank. Those of known keys have to
// be more than that, which Check asks.
func CheckValue(value string) error {
	switch {
	case !utf8.ValidString(value):
		return errors.New("it is not UTF-8")
	case len(value) > MaxValue:
		return fmt.Errorf("%d bytes, at most %d are allowed", len(value), MaxValue)
	case strings.TrimSpace(value) == "":
		return errors.New("it is blank")
	}
	for _, r := range value {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("it holds %U, which is not printable", r)
		}
	}
	return nil
}
