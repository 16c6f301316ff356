package excc14n

import (
	"bytes"
	"slices"
	"strings"
)

// In canonical XML these characters are written as references, in text and in attributes (Canonical XML 1.0 section 2.3).
var (
	escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	escapeAttr = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

// Canonicalize writes the element n, as it stands in its document, as exclusive canonical XML. Namespaces are taken from
// the names in n and below it, wherever in the document they were declared.
func Canonicalize(n *Node) []byte {
	w := writer{rendered: map[string]string{}}
	w.out.Grow(size(n))
	w.element(n)
	return w.out.Bytes()
}

// size is about that of an element in canonical form.
func size(n *Node) int {
	const tags = 64
	total := tags
	for _, child := range n.Children {
		if child.Local == "" {
			total += len(child.Text)
		} else {
			total += size(child)
		}
	}
	return total
}

type writer struct {
	out      bytes.Buffer
	rendered map[string]string // prefix to namespace, as declared in the output at this place
}

func (w *writer) element(n *Node) {
	name := qualified(n.Prefix, n.Local)
	w.out.WriteByte('<')
	w.out.WriteString(name)
	used := w.namespaces(n)
	for _, a := range n.Attrs {
		w.attr(qualified(a.Prefix, a.Local), a.Value)
	}
	w.out.WriteByte('>')
	for _, child := range n.Children {
		if child.Local == "" {
			_, _ = escapeText.WriteString(&w.out, child.Text) // a buffer takes everything
		} else {
			w.element(child)
		}
	}
	w.out.WriteString("</")
	w.out.WriteString(name)
	w.out.WriteByte('>')
	for _, outer := range used {
		w.rendered[outer.prefix] = outer.space
	}
}

type binding struct{ prefix, space string }

// namespaces declares the namespaces that n's own name and the names of its attributes use, where the output has not
// declared them already (Exclusive XML Canonicalization section 3). It gives the bindings that hold outside of n.
func (w *writer) namespaces(n *Node) (outer []binding) {
	used := []binding{{n.Prefix, n.Space}}
	for _, a := range n.Attrs {
		if a.Prefix != "" { // the default namespace is not for attributes
			used = append(used, binding{a.Prefix, a.Space})
		}
	}
	slices.SortFunc(used, func(a, b binding) int { return strings.Compare(a.prefix, b.prefix) })
	for _, u := range used {
		if u.prefix == "xml" || w.rendered[u.prefix] == u.space {
			continue
		}
		outer = append(outer, binding{u.prefix, w.rendered[u.prefix]})
		w.rendered[u.prefix] = u.space
		name := "xmlns"
		if u.prefix != "" {
			name = "xmlns:" + u.prefix
		}
		w.attr(name, u.space)
	}
	return outer
}

func (w *writer) attr(name, value string) {
	w.out.WriteByte(' ')
	w.out.WriteString(name)
	w.out.WriteString(`="`)
	_, _ = escapeAttr.WriteString(&w.out, value)
	w.out.WriteByte('"')
}

func qualified(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}
