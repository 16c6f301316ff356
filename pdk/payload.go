package pdk

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/pdk/filename"
)

// A File is one of the files that are put into the virtual machine.
type File struct {
	Name    string `json:"name"` // without a folder
	Content []byte `json:"content"`
}

// A Payload is the secrets of shielding data. Clear it when it has served.
type Payload struct {
	AnswerFile *File  `json:"answerFile"` // nil for an existing virtual machine
	Files      []File `json:"files"`      // none for an existing virtual machine
}

// Clear overwrites all contents.
func (p *Payload) Clear() {
	for _, f := range p.all() {
		clear(f.Content)
	}
}

// Size is that of all contents together, in bytes.
func (p *Payload) Size() (size int) {
	for _, f := range p.all() {
		size += len(f.Content)
	}
	return size
}

func (p *Payload) all() []File {
	if p.AnswerFile == nil {
		return p.Files
	}
	return append([]File{*p.AnswerFile}, p.Files...)
}

// Check holds the files against the rules of their names and sizes. Its errors are ErrPDK.
func (p *Payload) Check() error {
	if len(p.Files) > MaxNumber {
		return fmt.Errorf("%w: %d files, at most %d are allowed", ErrPDK, len(p.Files), MaxNumber)
	}
	if size := p.Size(); size > MaxFiles {
		return fmt.Errorf("%w: the answer file and the files have %d bytes together, at most %d are allowed", ErrPDK, size, MaxFiles)
	}
	all := p.all()
	for i, f := range all {
		if err := checkFileName(f.Name); err != nil {
			return fmt.Errorf("%w: the file name %.64q %w", ErrPDK, f.Name, err)
		}
		for _, other := range all[:i] {
			if strings.EqualFold(f.Name, other.Name) {
				return fmt.Errorf("%w: two files have the name %q, whatever the case", ErrPDK, f.Name)
			}
		}
	}
	return nil
}

// checkFor checks the payload also against what the kind demands.
func (p *Payload) checkFor(kind Kind) error {
	switch {
	case kind == ExistingVM && (p.AnswerFile != nil || len(p.Files) > 0):
		return fmt.Errorf("%w: for a virtual machine that exists there is no answer file, and there are no files", ErrPDK)
	case kind == Template && p.AnswerFile == nil:
		return fmt.Errorf("%w: there is no answer file", ErrPDK)
	}
	return p.Check()
}

// checkFileName accepts what Windows and Linux take for the name of a file. Windows would drop a dot or space at the end, and
// write to a device what has its name.
func checkFileName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > MaxFileName:
		return fmt.Errorf("has %d bytes, at most %d are allowed", len(name), MaxFileName)
	case !utf8.ValidString(name):
		return errors.New("is not UTF-8")
	case strings.ContainsAny(name, filename.Forbidden):
		return errors.New("holds one of " + filename.Forbidden + ", which file names cannot have everywhere")
	case filename.IsDevice(name):
		return errors.New("is that of a device on Windows")
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return errors.New("holds a character that is not printable")
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return errors.New("ends with a dot or a space")
	}
	return nil
}

// maxPlain bounds the JSON of a payload, in bytes: MaxFiles in base64, and names with their frames.
const maxPlain = 768 << 10

// encode writes a payload that was checked as JSON, whose only copy the caller clears. It does without encoding/json, which
// would keep its buffer.
func (p *Payload) encode() []byte {
	size := len(`{"answerFile":,"files":[]}`)
	for _, f := range p.all() {
		size += len(`{"name":"","content":""},`) + len(f.Name) + base64.StdEncoding.EncodedLen(len(f.Content))
	}
	out := append(make([]byte, 0, size), '{')
	if p.AnswerFile != nil {
		out = append(p.AnswerFile.encode(append(out, `"answerFile":`...)), ',')
	}
	out = append(out, `"files":[`...)
	for i, f := range p.Files {
		if i > 0 {
			out = append(out, ',')
		}
		out = f.encode(out)
	}
	return append(out, "]}"...)
}

// encode appends the file. In a name that was checked, nothing needs an escape.
func (f *File) encode(out []byte) []byte {
	out = append(out, `{"name":"`+f.Name+`","content":"`...)
	return append(base64.StdEncoding.AppendEncode(out, f.Content), `"}`...)
}

var errPayload = fmt.Errorf("%w: the secrets are not written in the one form that they have", ErrPDK)

// decodePayload reads what encode writes. White space may stand between tokens, and nothing else may differ. Of the contents it
// leaves no copy but the one that it returns: encoding/json decodes base64 right into its place.
func decodePayload(plain []byte) (*Payload, error) {
	var p Payload
	if err := json.Unmarshal(plain, &p); err != nil {
		p.Clear()
		return nil, errPayload
	}
	if err := p.Check(); err != nil {
		p.Clear()
		return nil, err
	}
	var compact bytes.Buffer
	compact.Grow(len(plain))
	err := json.Compact(&compact, plain)
	again := p.encode()
	same := err == nil && bytes.Equal(compact.Bytes(), again)
	clear(again)
	clear(compact.Bytes())
	if !same {
		p.Clear()
		return nil, errPayload
	}
	return &p, nil
}
