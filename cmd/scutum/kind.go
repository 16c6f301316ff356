package main

import (
	"bytes"
	"fmt"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// understood gives the error of a call that parses data the name of their file.
// When they are of another kind that is known, it says of which.
func understood[T any](value T, err error) func(path string, data []byte) (T, error) {
	return func(path string, data []byte) (T, error) {
		if err != nil {
			err = fmt.Errorf("%s: %w%s", path, err, knownKind(data))
		}
		return value, err
	}
}

// knownKind says of which of the kinds of files that the program reads data are.
// It is empty of others.
func knownKind(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("vhdxfile")): // MS-VHDX section 2.2.1
		return "; it is a VHDX file"
	case signing.IsPEM(data):
		return "; it is a PEM file"
	case bytes.HasPrefix(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("<")):
		return "; it is an XML file"
	}
	if _, err := signing.Parse(data); err == nil {
		return "; it is the catalog of a template"
	}
	if _, err := pdk.Parse(data); err == nil {
		return "; it is a shielding data file"
	}
	if _, err := keyprotector.Parse(data); err == nil {
		return "; it is a key protector"
	}
	return ""
}
