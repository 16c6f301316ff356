package answerfile

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// xml fills the texts and attributes of an XML document.
func (f *filler) xml(text string) (string, error) {
	// This decides what is well-formed; below, the document is only taken apart.
	if _, err := excc14n.Parse([]byte(text)); err != nil {
		return "", err
	}
	tokens, err := xmlTokens(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	line := 1
	for i, t := range tokens {
		switch t.kind {
		case xmlText:
			alone := i > 0 && tokens[i-1].kind == xmlStart && i+1 < len(tokens) && tokens[i+1].kind == xmlEnd
			cdata := strings.HasPrefix(t.raw, "<![CDATA[")
			p := place{line: line, whole: alone && !cdata && isOne(strings.TrimSpace(t.raw)), word: harmlessOnWindows, escape: xmlEscaper.Replace}
			if cdata {
				p.escape = verbatim // and harmless, so that it cannot end the section
			}
			out.WriteString(f.fill(t.raw, p))
		case xmlStart:
			out.WriteString(f.attributes(t.raw, line))
		default:
			out.WriteString(t.raw)
		}
		line += strings.Count(t.raw, "\n")
		if f.err != nil || out.Len() > MaxSize {
			break
		}
	}
	return out.String(), nil
}

// attributes fills the attributes of a tag, the only part of it in which an @ can stand.
func (f *filler) attributes(tag string, line int) string {
	var out strings.Builder
	for tag != "" {
		// Up to the value, and the value: what is in the next pair of quotes.
		open := strings.IndexAny(tag, `"'`)
		if open < 0 {
			break
		}
		end := open + 1 + strings.IndexByte(tag[open+1:], tag[open])
		if end <= open {
			break
		}
		value := tag[open+1 : end]
		line += strings.Count(tag[:open], "\n")
		out.WriteString(tag[:open+1])
		out.WriteString(f.fill(value, place{line: line, whole: isOne(value), word: harmlessOnWindows, escape: xmlEscaper.Replace}))
		tag = tag[end:]
		out.WriteString(tag[:1])
		tag = tag[1:]
	}
	out.WriteString(tag)
	return out.String()
}

// isOne reports whether text is one substitution string and nothing else.
func isOne(text string) bool {
	start, end, ok := next(text, 0)
	return ok && start == 0 && end == len(text)
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

type xmlKind int

const (
	xmlOther xmlKind = iota // comments, declarations
	xmlStart
	xmlEnd
	xmlText
)

type xmlToken struct {
	kind xmlKind
	raw  string // as in the document
}

// xmlTokens cuts a document into its tokens, which put together again are the document.
func xmlTokens(text string) ([]xmlToken, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	var tokens []xmlToken
	pos := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && pos == len(text) {
			return tokens, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading XML: %w", err)
		}
		t := xmlToken{raw: text[pos:d.InputOffset()]}
		switch token.(type) {
		case xml.StartElement:
			t.kind = xmlStart
		case xml.EndElement:
			t.kind = xmlEnd
		case xml.CharData:
			t.kind = xmlText
		}
		tokens = append(tokens, t)
		pos += len(t.raw)
	}
}
