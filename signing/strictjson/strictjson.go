// Package strictjson reads JSON that is signed or otherwise relied upon, where two readers must not be able to see two
// different things: it accepts a document only when the value it gives writes back as the same tree.
//
// So a key that is unknown, missing, given twice or spelled in another case, null, a number or a base64 text that is not in its
// one usual form, half of a surrogate pair, and anything after the document are errors. White space and the order of keys are
// free. A field that may be left out has omitempty or omitzero. The package bounds the number of values, because the memory
// goes by it, and never the size of a document: its callers do.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

const (
	maxDepth  = 32   // of arrays and objects within each other
	maxValues = 8192 // of all kinds together
)

// Unmarshal decodes the document data into v, as encoding/json does but for what the package refuses.
func Unmarshal(data []byte, v any) error {
	given, err := parse(data)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	back, err := json.Marshal(v)
	if err != nil {
		return err
	}
	meant, err := parse(back)
	if err != nil {
		return err
	}
	return compare("", given, meant)
}

// parse gives the tree of a document: map[string]any, []any, string, json.Number, bool or nil.
func parse(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the JSON is not UTF-8")
	}
	if at := loneSurrogate(data); at >= 0 {
		return nil, fmt.Errorf("the escape at byte %d is half of a surrogate pair, which is no character", at)
	}
	p := parser{Decoder: json.NewDecoder(bytes.NewReader(data))}
	p.UseNumber()
	tree, err := p.value(0)
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if _, err := p.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the JSON at byte %d", p.InputOffset())
	}
	return tree, nil
}

// loneSurrogate finds the first escape of a UTF-16 surrogate that is not one of a pair, or gives -1. Decoders differ in what
// they make of it (RFC 8259, section 8.2). A backslash outside of a string is refused elsewhere.
func loneSurrogate(data []byte) int {
	for at := 0; at < len(data); {
		switch unit := escaped(data[at:]); {
		case unit >= 0xd800 && unit < 0xdc00:
			if low := escaped(data[at+6:]); low < 0xdc00 || low >= 0xe000 {
				return at
			}
			at += 12
		case unit >= 0xdc00 && unit < 0xe000:
			return at
		case data[at] == '\\':
			at += 2
		default:
			at++
		}
	}
	return -1
}

// escaped gives the UTF-16 code unit of the \uXXXX that the text begins with, or 0.
func escaped(text []byte) uint64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}

// A parser counts the values that it reads.
type parser struct {
	*json.Decoder
	values int
}

func (p *parser) value(depth int) (any, error) {
	token, err := p.Token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxValues {
		return nil, fmt.Errorf("the JSON has more than %d values", maxValues)
	}
	open, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("the JSON is nested more than %d deep", maxDepth)
	}
	object, array := map[string]any{}, []any{}
	for p.More() {
		if open == '[' {
			value, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
			continue
		}
		key, err := p.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("a key at byte %d is not a string", p.InputOffset())
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the key %.64q is given twice", name)
		}
		if object[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	if _, err := p.Token(); err != nil { // the closing delimiter
		return nil, err
	}
	if open == '[' {
		return array, nil
	}
	return object, nil
}

// compare names the first difference between the tree that was given and the one that was understood.
func compare(path string, given, meant any) error {
	at := path
	if at == "" {
		at = "the document"
	}
	switch given := given.(type) {
	case nil:
		return fmt.Errorf("%.200s is null", at)
	case map[string]any:
		meant, ok := meant.(map[string]any)
		if !ok {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(given)) {
			if _, ok := meant[key]; !ok {
				return fmt.Errorf("%.200s has the unknown field %.64q", at, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(meant)) {
			if _, ok := given[key]; !ok {
				return fmt.Errorf("%.200s lacks the field %q", at, key)
			}
			if err := compare(path+"."+key, given[key], meant[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		meant, ok := meant.([]any)
		if !ok || len(given) != len(meant) {
			break
		}
		for i := range given {
			if err := compare(fmt.Sprintf("%s[%d]", path, i), given[i], meant[i]); err != nil {
				return err
			}
		}
		return nil
	default:
		if given == meant {
			return nil
		}
	}
	return fmt.Errorf("%.200s is not written in its usual form", at)
}
