package excc14n

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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

// Parse reads a document and gives its document element.
func Parse(data []byte) (*Node, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading XML: %d bytes, at most %d are accepted", len(data), MaxSize)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("reading XML: it is not UTF-8")
	}
	if at := indexNotChar(data); at >= 0 {
		return nil, fmt.Errorf("reading XML: illegal character at byte %d", at)
	}
	document := strings.TrimPrefix(string(data), "\uFEFF") // byte order mark
	document = document[len(declaration.FindString(document)):]

	p := parser{scanner: scanner{rest: document}}
	for p.rest != "" {
		before := p.rest
		if err := p.next(); err != nil {
			line := 1 + strings.Count(document[:len(document)-len(before)], "\n")
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

// indexNotChar gives the first byte of a character that a document cannot have, and -1 where there is none.
func indexNotChar(data []byte) int {
	for i, c := range data {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xef && bytes.HasPrefix(data[i+1:], []byte{0xbf, 0xbe}) ||
			c == 0xef && bytes.HasPrefix(data[i+1:], []byte{0xbf, 0xbf}) { // U+FFFE and U+FFFF
			return i
		}
	}
	return -1
}

type parser struct {
	scanner
	root  *Node
	open  []*element // the elements that have begun and not ended, outermost first
	nodes int
}

type element struct {
	node       *Node
	namespaces map[string]string // declared here: prefix to namespace name
	text       []string          // read since the last tag
}

// next reads the next tag, text, comment or CDATA section.
func (p *parser) next() error {
	switch {
	case p.rest[0] != '<':
		return p.text()
	case p.skip("<!--"):
		return p.comment()
	case strings.HasPrefix(p.rest, "<![CDATA["):
		return p.cdata()
	case strings.HasPrefix(p.rest, "<!"):
		return fmt.Errorf("%.64q is not accepted: the document may have no document type", p.rest)
	case strings.HasPrefix(p.rest, "<?"):
		return fmt.Errorf("the processing instruction or declaration %.64q is not accepted", p.rest)
	case strings.HasPrefix(p.rest, "</"):
		name, err := p.endTag()
		if err != nil {
			return err
		}
		return p.end(name)
	}
	t, err := p.startTag()
	if err != nil {
		return err
	}
	if err := p.start(t); err != nil {
		return err
	}
	if t.empty {
		return p.end(t.name)
	}
	return nil
}

func (p *parser) text() error {
	raw := p.rest
	if end := strings.IndexByte(raw, '<'); end >= 0 {
		raw = raw[:end]
	}
	p.rest = p.rest[len(raw):]
	if len(p.open) == 0 {
		if strings.Trim(raw, whiteSpace) != "" {
			return fmt.Errorf("%.64q stands outside of the document element", raw)
		}
		return nil
	}
	if strings.Contains(raw, "]]>") {
		return errors.New("text has an unescaped ]]>")
	}
	text, err := unescape(lineEnds(raw))
	if err != nil {
		return err
	}
	p.add(text)
	return nil
}

func (p *parser) comment() error {
	_, after, found := strings.Cut(p.rest, "--")
	if !found || !strings.HasPrefix(after, ">") {
		return errors.New("comments end with -->, and have no -- before")
	}
	p.rest = after[1:]
	return nil
}

func (p *parser) cdata() error {
	if len(p.open) == 0 {
		return fmt.Errorf("%.64q stands outside of the document element", p.rest)
	}
	text, after, found := strings.Cut(p.rest[len("<![CDATA["):], "]]>")
	if !found {
		return errors.New("a CDATA section does not end")
	}
	p.rest = after
	p.add(lineEnds(text))
	return nil
}

// add adds text to the innermost element.
func (p *parser) add(text string) {
	if text != "" {
		top := p.open[len(p.open)-1]
		top.text = append(top.text, text)
	}
}

func (p *parser) start(tag tag) error {
	if p.root != nil && len(p.open) == 0 {
		return fmt.Errorf("a second document element, %.64q", tag.name.local)
	}
	if len(p.open) == MaxDepth {
		return fmt.Errorf("elements are nested more than %d deep", MaxDepth)
	}
	if p.nodes += 1 + len(tag.attrs); p.nodes > MaxNodes {
		return fmt.Errorf("more than %d elements and attributes", MaxNodes)
	}
	e := &element{node: &Node{Prefix: tag.name.prefix, Local: tag.name.local}}
	if len(p.open) == 0 {
		p.root = e.node
	} else {
		parent := p.open[len(p.open)-1]
		parent.flush()
		parent.node.Children = append(parent.node.Children, e.node)
	}
	p.open = append(p.open, e)

	for _, a := range tag.attrs {
		var err error
		switch {
		case a.name.prefix == "xmlns":
			err = e.declare(a.name.local, a.value)
		case a.name.isDefault():
			err = e.declare("", a.value)
		}
		if err != nil {
			return err
		}
	}
	return p.resolve(e.node, tag.attrs)
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
	if !isURI(space) && (prefix != "" || space != "") {
		return fmt.Errorf("the namespace name %.64q is not an absolute URI, or has %% or &", space)
	}
	if e.namespaces == nil {
		e.namespaces = map[string]string{}
	}
	e.namespaces[prefix] = space
	return nil
}

// resolve finds the namespaces of the element, which is the innermost one, and of its attributes.
func (p *parser) resolve(n *Node, attrs []attribute) (err error) {
	if n.Space, err = p.namespace(n.Prefix); err != nil {
		return err
	}
	for _, a := range attrs {
		if a.name.prefix == "xmlns" || a.name.isDefault() {
			continue
		}
		attr := Attr{Prefix: a.name.prefix, Local: a.name.local, Value: a.value}
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

func (p *parser) end(ended name) error {
	if len(p.open) == 0 {
		return fmt.Errorf("the end of %.64q, which did not begin", ended.local)
	}
	e := p.open[len(p.open)-1]
	n := e.node
	if n.Prefix != ended.prefix || n.Local != ended.local {
		return fmt.Errorf("the element %.64q is ended as %.64q", qualified(n.Prefix, n.Local), qualified(ended.prefix, ended.local))
	}
	e.flush()
	var texts []string
	for _, child := range n.Children {
		if child.Local == "" {
			texts = append(texts, child.Text)
		}
	}
	n.Text = strings.Join(texts, "")
	p.open = p.open[:len(p.open)-1]
	return nil
}

// flush makes a piece of text out of what was read since the last tag.
func (e *element) flush() {
	if len(e.text) > 0 {
		e.node.Children = append(e.node.Children, &Node{Text: strings.Join(e.text, "")})
		e.text = nil
	}
}
