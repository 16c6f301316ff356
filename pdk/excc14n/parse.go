package excc14n

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a document. They also bound what Canonicalize writes: an element there declares the namespaces that it uses,
// each at most as long as MaxNamespace.
const (
	MaxSize      = 1 << 20 // bytes
	MaxDepth     = 32      // elements within each other, the document element included
	MaxNodes     = 10_000  // elements, attributes and namespace declarations
	MaxNamespace = 256     // bytes of a namespace name
)

const xmlNamespace = "http://www.w3.org/XML/1998/namespace" // always bound to the prefix xml, and to no other

// The forms that tags may have. encoding/xml reads more: other letters, names with several colons, attributes without
// white space between them.
const (
	ncName = `[A-Za-z_][A-Za-z0-9._-]*`
	name   = `(?:` + ncName + `:)?` + ncName
	space  = `[ \t\r\n]`
	value  = `(?:"[^"<\t\r\n]*"|'[^'<\t\r\n]*')`
)

var (
	declaration = regexp.MustCompile(`^<\?xml` + space + `+version=(?:"1\.0"|'1\.0')(?:` + space + `+encoding=(?:"(?i:utf-8)"|'(?i:utf-8)'))?(?:` +
		space + `+standalone=(?:"(?:yes|no)"|'(?:yes|no)'))?` + space + `*\?>`)
	startTag  = regexp.MustCompile(`^<` + name + `(?:` + space + `+` + name + space + `*=` + space + `*` + value + `)*` + space + `*/?>$`)
	endTag    = regexp.MustCompile(`^</` + name + space + `*>$`)
	uri       = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?@!$()*+,;=-]+(?:#[A-Za-z0-9._~:/?@!$()*+,;=-]*)?$`)
	blank     = regexp.MustCompile(`^` + space + `*$`)
	reference = regexp.MustCompile(`&#(?:x([0-9A-Fa-f]+)|([0-9]+));`)
)

// Parse reads a document and gives its document element.
func Parse(data []byte) (*Node, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading XML: %d bytes, at most %d are accepted", len(data), MaxSize)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("reading XML: it is not UTF-8")
	}
	if at := bytes.IndexFunc(data, notChar); at >= 0 { // encoding/xml lets them pass in comments
		return nil, fmt.Errorf("reading XML: illegal character at byte %d", at)
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // byte order mark
	data = data[len(declaration.Find(data)):]

	p := parser{tokens: xml.NewDecoder(bytes.NewReader(data))}
	for {
		start := p.tokens.InputOffset()
		token, err := p.tokens.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = p.token(token, data[start:p.tokens.InputOffset()])
		}
		if err != nil {
			line, _ := p.tokens.InputPos()
			return nil, fmt.Errorf("reading XML, line %d: %w", line, err)
		}
	}
	if p.root == nil || len(p.open) > 0 {
		return nil, errors.New("reading XML: it ends before its document element does")
	}
	return p.root, nil
}

// notChar says whether a document cannot have this character (XML 1.0 section 2.2).
func notChar(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff'
}

type parser struct {
	tokens *xml.Decoder
	root   *Node
	open   []*element // the elements that have begun and not ended, outermost first
	nodes  int
}

type element struct {
	node       *Node
	namespaces map[string]string // declared here: prefix to namespace name
	text       []byte            // read since the last tag
}

func (p *parser) token(token xml.Token, raw []byte) error {
	switch token := token.(type) {
	case xml.StartElement:
		if !startTag.Match(raw) {
			return fmt.Errorf("the tag %.64q is not plain: ASCII names, values in quotes without line breaks and tabs, white space between attributes", raw)
		}
		if err := checkReferences(raw); err != nil {
			return err
		}
		return p.start(token)
	case xml.EndElement:
		if len(raw) > 0 && !endTag.Match(raw) { // there is nothing to see of the end of <a/>
			return fmt.Errorf("the tag %.64q is not plain", raw)
		}
		return p.end(token)
	case xml.CharData:
		if !bytes.HasPrefix(raw, []byte("<![CDATA[")) {
			if err := checkReferences(raw); err != nil {
				return err
			}
		}
		if len(p.open) > 0 {
			top := p.open[len(p.open)-1]
			top.text = append(top.text, token...)
		} else if !blank.Match(raw) {
			return fmt.Errorf("%.64q stands outside of the document element", raw)
		}
		return nil
	case xml.Comment:
		return nil
	case xml.ProcInst:
		return fmt.Errorf("the processing instruction or declaration %.64q is not accepted", raw)
	default:
		return fmt.Errorf("%.64q is not accepted: the document may have no document type", raw)
	}
}

// checkReferences refuses references to surrogates, in which encoding/xml sees U+FFFD.
func checkReferences(raw []byte) error {
	for _, match := range reference.FindAllSubmatch(raw, -1) {
		digits, base := match[1], 16
		if digits == nil {
			digits, base = match[2], 10
		}
		if r, err := strconv.ParseInt(string(digits), base, 32); err != nil || !utf8.ValidRune(rune(r)) {
			return fmt.Errorf("%.64q is no character", match[0])
		}
	}
	return nil
}

func (p *parser) start(tag xml.StartElement) error {
	if p.root != nil && len(p.open) == 0 {
		return fmt.Errorf("a second document element, %.64q", tag.Name.Local)
	}
	if len(p.open) == MaxDepth {
		return fmt.Errorf("elements are nested more than %d deep", MaxDepth)
	}
	if p.nodes += 1 + len(tag.Attr); p.nodes > MaxNodes {
		return fmt.Errorf("more than %d elements and attributes", MaxNodes)
	}
	e := &element{node: &Node{Prefix: tag.Name.Space, Local: tag.Name.Local}}
	if len(p.open) == 0 {
		p.root = e.node
	} else {
		parent := p.open[len(p.open)-1]
		parent.flush()
		parent.node.Children = append(parent.node.Children, e.node)
	}
	p.open = append(p.open, e)

	for _, a := range tag.Attr {
		var err error
		switch {
		case a.Name.Space == "xmlns":
			err = e.declare(a.Name.Local, a.Value)
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			err = e.declare("", a.Value)
		}
		if err != nil {
			return err
		}
	}
	return p.resolve(e.node, tag.Attr)
}

// declare takes a namespace declaration (Namespaces in XML 1.0 sections 2 and 3).
func (e *element) declare(prefix, space string) error {
	if _, twice := e.namespaces[prefix]; twice {
		return fmt.Errorf("the prefix %.64q is declared twice in one tag", prefix)
	}
	if prefix == "xml" || prefix == "xmlns" || space == xmlNamespace || space == "http://www.w3.org/2000/xmlns/" {
		return fmt.Errorf("the declaration of %.64q as %.64q is reserved", prefix, space)
	}
	if len(space) > MaxNamespace {
		return fmt.Errorf("a namespace name of %d bytes, at most %d are accepted", len(space), MaxNamespace)
	}
	// xmlns="" undoes the default namespace; other prefixes cannot be undone. Canonical XML has no relative names, and
	// libxml2 writes an & in one without escaping it.
	if !uri.MatchString(space) && (prefix != "" || space != "") {
		return fmt.Errorf("the namespace name %.64q is not an absolute URI, or has %% or &", space)
	}
	if e.namespaces == nil {
		e.namespaces = map[string]string{}
	}
	e.namespaces[prefix] = space
	return nil
}

// resolve finds the namespaces of the element, which is the innermost one, and of its attributes.
func (p *parser) resolve(n *Node, attrs []xml.Attr) (err error) {
	if n.Space, err = p.namespace(n.Prefix); err != nil {
		return err
	}
	for _, a := range attrs {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		attr := Attr{Prefix: a.Name.Space, Local: a.Name.Local, Value: a.Value}
		if attr.Prefix != "" { // the default namespace is not for attributes
			if attr.Space, err = p.namespace(attr.Prefix); err != nil {
				return err
			}
		}
		n.Attrs = append(n.Attrs, attr)
	}
	slices.SortFunc(n.Attrs, compareAttrs)
	for i := 1; i < len(n.Attrs); i++ {
		if compareAttrs(n.Attrs[i-1], n.Attrs[i]) == 0 {
			return fmt.Errorf("the attribute %.64q is given twice", n.Attrs[i].Local)
		}
	}
	return nil
}

// compareAttrs orders by namespace, then by name (Canonical XML 1.0 section 2.2).
func compareAttrs(a, b Attr) int {
	if c := strings.Compare(a.Space, b.Space); c != 0 {
		return c
	}
	return strings.Compare(a.Local, b.Local)
}

func (p *parser) namespace(prefix string) (string, error) {
	if prefix == "xml" {
		return xmlNamespace, nil
	}
	for _, e := range slices.Backward(p.open) {
		if space, ok := e.namespaces[prefix]; ok {
			return space, nil
		}
	}
	if prefix != "" {
		return "", fmt.Errorf("the prefix %.64q is not declared", prefix)
	}
	return "", nil
}

func (p *parser) end(tag xml.EndElement) error {
	if len(p.open) == 0 {
		return fmt.Errorf("the end of %.64q, which did not begin", tag.Name.Local)
	}
	e := p.open[len(p.open)-1]
	n := e.node
	if n.Prefix != tag.Name.Space || n.Local != tag.Name.Local {
		return fmt.Errorf("the element %.64q is ended as %.64q", qualified(n.Prefix, n.Local), qualified(tag.Name.Space, tag.Name.Local))
	}
	e.flush()
	var text strings.Builder
	for _, child := range n.Children {
		if child.Local == "" {
			text.WriteString(child.Text)
		}
	}
	n.Text = text.String()
	p.open = p.open[:len(p.open)-1]
	return nil
}

// flush makes a piece of text out of what was read since the last tag.
func (e *element) flush() {
	if len(e.text) > 0 {
		e.node.Children = append(e.node.Children, &Node{Text: string(e.text)})
		e.text = nil
	}
}
