package hgsa

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

const (
	maxDepth  = 8
	maxValues = 256
)

// An object is a JSON object with its properties by name. Its values are object, []any, string, json.Number, bool or nil.
type object map[string]any

// parse reads a message: one object, no property twice, "__type" before all others, and nothing after it.
func parse(data []byte) (object, error) {
	if len(data) > MaxMessage {
		return nil, invalid("it has more than %d bytes", MaxMessage)
	}
	if !utf8.Valid(data) {
		return nil, invalid("it is not UTF-8")
	}
	p := parser{Decoder: json.NewDecoder(bytes.NewReader(data))}
	p.UseNumber()
	v, err := p.value(0)
	if err != nil {
		if !errors.Is(err, ErrMessage) {
			err = invalid("it is not JSON: %w", err)
		}
		return nil, err
	}
	if _, err := p.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("something follows at byte %d", p.InputOffset())
	}
	o, ok := v.(object)
	if !ok {
		return nil, invalid("it is not an object")
	}
	return o, nil
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
		return nil, invalid("it has more than %d values", maxValues)
	}
	open, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == maxDepth {
		return nil, invalid("it is nested more than %d deep", maxDepth)
	}
	var v any
	if open == '[' {
		v, err = p.array(depth)
	} else {
		v, err = p.object(depth)
	}
	if err != nil {
		return nil, err
	}
	_, err = p.Token() // the closing delimiter
	return v, err
}

func (p *parser) array(depth int) ([]any, error) {
	list := []any{}
	for p.More() {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (p *parser) object(depth int) (object, error) {
	o := object{}
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, invalid("a property at byte %d has no name", p.InputOffset())
		}
		if _, twice := o[key]; twice {
			return nil, invalid("the property %.64q is given twice", key)
		}
		if key == "__type" && len(o) > 0 {
			return nil, invalid("__type is not the first property")
		}
		if o[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// The methods below give a property in its type; one that is missing or of another type is an error.

func (o object) text(key string) (string, error) {
	s, ok := o[key].(string)
	if !ok {
		return "", invalid("%s is missing or not a string", key)
	}
	return s, nil
}

func (o object) boolean(key string) (bool, error) {
	b, ok := o[key].(bool)
	if !ok {
		return false, invalid("%s is missing or not true or false", key)
	}
	return b, nil
}

func (o object) bytes(key string) ([]byte, error) {
	s, err := o.text(key)
	if err != nil {
		return nil, err
	}
	b, err := decodeBase64(s)
	if err != nil {
		return nil, invalid("%s is not base64: %w", key, err)
	}
	return b, nil
}

func (o object) number(key string) (uint32, error) { return number(key, o[key]) }

func number(key string, v any) (uint32, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, invalid("%s is missing or not a number", key)
	}
	u, err := strconv.ParseUint(n.String(), 10, 32)
	if err != nil {
		return 0, invalid("%s is not a number of 32 bits: %w", key, err)
	}
	return uint32(u), nil
}

func (o object) list(key string) ([]any, error) {
	list, ok := o[key].([]any)
	if !ok || len(list) > maxItems {
		return nil, invalid("%s is missing, or not an array of at most %d entries", key, maxItems)
	}
	return list, nil
}

// only fails when the object has other properties than these.
func (o object) only(keys ...string) error {
	known := 0
	for _, key := range keys {
		if _, ok := o[key]; ok {
			known++
		}
	}
	if known != len(o) {
		return invalid("an object has other properties than %q", keys)
	}
	return nil
}
