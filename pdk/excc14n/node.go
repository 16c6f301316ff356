// Package excc14n reads small XML documents strictly and writes their elements as exclusive canonical XML without comments
// (http://www.w3.org/2001/10/xml-exc-c14n#, no InclusiveNamespaces), the form that XML signatures are computed over.
//
// A reader of signed XML must see what was signed and what every other reader sees. So the package reads less than XML:
// no document type, no processing instruction but the XML declaration, no entity but the five of XML itself, ASCII names
// and no raw line break or tab in an attribute (a reader may turn it into a space, and RawToken of encoding/xml does not).
// Comments are dropped, CDATA is text, and the text around a comment is one piece.
//
// It never fetches anything, never validates against a schema and never decides which elements may stand where.
package excc14n

import "slices"

// Node is an element, or a piece of text within one.
type Node struct {
	Space  string // namespace name, "" for none
	Prefix string // as written, "" for none
	Local  string // "" in a piece of text
	Attrs  []Attr // in the order of canonical XML, without namespace declarations

	// Children are the elements and the pieces of text within this element, in order. No two pieces of text are neighbours.
	Children []*Node

	// Text is this piece of text; of an element, all text directly within it.
	Text string
}

// Attr is an attribute.
type Attr struct {
	Space, Prefix, Local string // Space and Prefix are "" for an attribute without a prefix
	Value                string
}

// Is says whether n is the element of that name.
func (n *Node) Is(space, local string) bool {
	return n.Local != "" && n.Space == space && n.Local == local
}

// Elements gives the elements directly within n, in order.
func (n *Node) Elements() []*Node {
	var elements []*Node
	for _, child := range n.Children {
		if child.Local != "" {
			elements = append(elements, child)
		}
	}
	return elements
}

// Child gives the one element of that name directly within n; nil when there is none, and also when there are several.
func (n *Node) Child(space, local string) *Node {
	var found *Node
	for _, child := range n.Children {
		if !child.Is(space, local) {
			continue
		}
		if found != nil {
			return nil
		}
		found = child
	}
	return found
}

// Attr gives the value of the attribute of that name in no namespace, and whether there is one.
func (n *Node) Attr(local string) (string, bool) {
	for _, a := range n.Attrs {
		if a.Space == "" && a.Local == local {
			return a.Value, true
		}
	}
	return "", false
}

// Without gives n without that child, as the enveloped-signature transform does (XML Signature section 6.6.4). The rest is
// shared with n.
func (n *Node) Without(child *Node) *Node {
	rest := *n
	rest.Children = slices.DeleteFunc(slices.Clone(n.Children), func(c *Node) bool { return c == child })
	return &rest
}
