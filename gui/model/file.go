package model

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
)

// A Kind is what a file is, found by what is in it and never by its name.
type Kind string

// The kinds of files that the desktop tells apart.
const (
	Unknown      Kind = ""
	VHDX         Kind = "vhdx"
	Catalog      Kind = "vsc"
	Shielding    Kind = "pdk"
	Protector    Kind = "kp"
	Guardian     Kind = "guardian"
	Values       Kind = "fsk"
	RecoveryKey  Kind = "ebek"
	KeyFile      Kind = "pfx"
	Certificates Kind = "certificate"
	AnswerFile   Kind = "answerfile"
)

// A File is a file and what it is.
type File struct {
	Path string
	Kind Kind
}

// head is how many bytes of a file are looked at to tell its kind.
const head = 64 << 10

// Recognize says what the file at path is.
func Recognize(path string) (File, error) {
	if err := CheckOpen(path); err != nil {
		return File{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	begin, err := io.ReadAll(io.LimitReader(f, head))
	if err != nil {
		return File{}, err
	}
	return File{path, kindOf(begin)}, nil
}

func kindOf(data []byte) Kind {
	has := func(s string) bool { return bytes.Contains(data, []byte(s)) }
	switch {
	case bytes.HasPrefix(data, []byte("vhdxfile")): // MS-VHDX section 2.2.1
		return VHDX
	case isProtector(data):
		return Protector
	case bytes.HasPrefix(data, []byte{0x30}): // a DER sequence
		switch {
		case has(`"scutum-vsc-1"`):
			return Catalog
		case has(`"scutum-pdk-1"`):
			return Shielding
		case isPFX(data):
			return KeyFile
		}
		return Certificates
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		switch format(text) {
		case "scutum-fsk-1":
			return Values
		case "scutum-ebek-1":
			return RecoveryKey
		}
	case bytes.HasPrefix(text, []byte("#cloud-config")):
		return AnswerFile
	case bytes.HasPrefix(text, []byte("<")):
		switch {
		case has("urn:schemas-microsoft-com:unattend"):
			return AnswerFile
		case has("GuardianInformation"):
			return Guardian
		}
	default:
		if block, _ := pem.Decode(data); block != nil {
			return Certificates
		}
	}
	return Unknown
}

// format reads the member "format" of a JSON object of which data may be only
// the beginning.
func format(data []byte) string {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return ""
		}
		if key == "format" {
			var s string
			_ = json.Unmarshal(value, &s)
			return s
		}
	}
	return ""
}

// isProtector looks for the frame of a key protector: the length of all,
// counting itself, then XML.
func isProtector(data []byte) bool {
	return len(data) > 5 && data[0] == 0 && data[4] == '<' && bytes.Contains(data, []byte("Protector"))
}

// isPFX looks for the version 3 with which a PFX begins (RFC 7292 section 4).
func isPFX(data []byte) bool {
	body := 2
	if len(data) > 1 && data[1] >= 0x80 {
		body += int(data[1] & 0x7f)
	}
	return len(data) >= body+3 && bytes.Equal(data[body:body+3], []byte{2, 1, 3})
}

// ReadFile reads a file of at most max bytes.
func ReadFile(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > max:
		return nil, fmt.Errorf("read %s: the file is longer than %d bytes", path, max)
	}
	return data, nil
}

// ReadCatalog reads the signed catalog of a .vsc file, or of the disk that
// carries one.
func ReadCatalog(path string) (*signing.Signed, error) {
	file, err := Recognize(path)
	if err != nil {
		return nil, err
	}
	if file.Kind == VHDX {
		d, err := vhdx.OpenAlone(path)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		signed, err := signing.Embedded(d)
		if errors.Is(err, signing.ErrNotSigned) {
			return nil, problem("The disk is not signed. Choose a signed disk, or a .vsc file.")
		}
		return signed, err
	}
	der, err := ReadFile(path, signing.MaxSize)
	if err != nil {
		return nil, err
	}
	return signing.Parse(der)
}

// OpenStore opens the folder of guardians; an empty dir is the usual one.
func OpenStore(dir string) (*guardian.Store, error) {
	if dir == "" {
		var err error
		if dir, err = guardian.DefaultDir(); err != nil {
			return nil, err
		}
	}
	return guardian.OpenStore(dir)
}
