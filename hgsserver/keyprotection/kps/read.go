package kps

import (
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

const whiteSpace = " \t\r\n"

// parse gives the elements of a document: the document element has that name and no attributes, and its elements these names
// in this order, and nothing besides.
func parse(data []byte, space, name string, names ...string) ([]*excc14n.Node, error) {
	root, err := excc14n.Parse(data)
	if err != nil {
		return nil, invalid("%w", err)
	}
	if !root.Is(space, name) {
		return nil, invalid("the document is %.64q of the namespace %.64q, not %s of %q", root.Local, root.Space, name, space)
	}
	if len(root.Attrs) > 0 {
		return nil, invalid("%s has the attribute %.64q", name, root.Attrs[0].Local)
	}
	return sequence(root, names...)
}

// sequence gives the elements within n, which must have these names in this order, and no text between them but white space.
func sequence(n *excc14n.Node, names ...string) ([]*excc14n.Node, error) {
	elements := n.Elements()
	if strings.Trim(n.Text, whiteSpace) != "" {
		return nil, invalid("%s has text between its elements", n.Local)
	}
	if len(elements) != len(names) {
		return nil, invalid("%s has %d elements, not %d", n.Local, len(elements), len(names))
	}
	for i, name := range names {
		if !elements[i].Is(n.Space, name) {
			return nil, invalid("%s has the element %.64q where %s belongs", n.Local, elements[i].Local, name)
		}
	}
	return elements, nil
}

// readText gives the text of n, which must have nothing else.
func readText(n *excc14n.Node) (string, error) {
	text, err := n.TextAlone()
	if err != nil {
		return "", invalid("%w", err)
	}
	return text, nil
}

// readBytes reads base64 of at least one byte.
func readBytes(n *excc14n.Node) ([]byte, error) {
	text, err := readText(n)
	if err != nil {
		return nil, err
	}
	data, err := excc14n.Base64(text)
	if err != nil {
		return nil, invalid("%s: %w", n.Local, err)
	}
	return data, nil
}
