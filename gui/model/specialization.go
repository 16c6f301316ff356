package model

import (
	"errors"
	"strings"

	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// A Place is a substitution string of an answer file: where a value is to come.
type Place struct {
	Key   string // "@ComputerName@"
	Known bool   // every fabric supplies it
}

// ReadPlaces reads the substitution strings of an answer file, each once, in
// their order.
func ReadPlaces(path string) ([]Place, error) {
	f, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	defer clear(f.Content)
	found, err := answerfile.Substitutions(f.Content)
	if err != nil {
		return nil, err
	}
	var all []Place
	seen := map[string]bool{}
	for _, s := range found {
		if lower := strings.ToLower(s.Key); !seen[lower] && fsk.CheckKey(s.Key) == nil {
			seen[lower] = true
			all = append(all, Place{s.Key, fsk.Known(s.Key)})
		}
	}
	return all, nil
}

// CheckPlace says what is wrong with the value for a place. It may be left
// empty.
func CheckPlace(key, value string) error {
	if value == "" {
		return nil
	}
	return fsk.Values{key: value}.Check()
}

// ReadValues reads a specialization file.
func ReadValues(path string) (fsk.Values, error) {
	data, err := ReadFile(path, fsk.MaxSize)
	if err != nil {
		return nil, err
	}
	return fsk.Parse(data)
}

// SaveValues saves the values that are not empty as a specialization file, and
// gives the keys of the answer file that have none. A value that is not fit for
// its place is refused.
func SaveValues(answerFile, path string, values map[string]string, overwrite bool) (missing []string, err error) {
	v := fsk.Values{}
	for key, value := range values {
		if value != "" {
			v[key] = value
		}
	}
	if len(v) == 0 {
		return nil, problem("Enter at least one value.")
	}
	if SameFile(answerFile, path) {
		return nil, problem("This is the answer file itself. Choose another name.")
	}
	data, err := v.Encode()
	if err != nil {
		return nil, err
	}
	f, err := readSecret(answerFile)
	if err != nil {
		return nil, err
	}
	defer clear(f.Content)
	result, left, err := answerfile.Substitute(f.Content, v)
	clear(result)
	var unresolved *answerfile.UnresolvedError
	switch {
	case errors.As(err, &unresolved):
		left = unresolved.Substitutions
	case err != nil:
		return nil, err
	}
	seen := map[string]bool{}
	for _, s := range left {
		if lower := strings.ToLower(s.Key); !seen[lower] && fsk.Known(s.Key) {
			seen[lower] = true
			missing = append(missing, s.Key)
		}
	}
	return missing, atomicfile.WriteFile(path, data, 0o666, overwrite)
}
