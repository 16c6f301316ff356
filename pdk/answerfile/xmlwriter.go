package answerfile

import "strings"

// A node is an element to be written: with a text or with children.
type node struct {
	name, attrs string // attrs as they stand in the tag
	text        string // escaped
	children    []node
}

func tree(name string, children ...node) node { return node{name: name, children: children} }

func withAttrs(name, attrs string, children ...node) node {
	return node{name: name, attrs: attrs, children: children}
}

// field is an element with a text that may hold substitution strings.
func field(name, text string) node { return node{name: name, text: textEscaper.Replace(text)} }

var textEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// leaf is an element with a text in which nothing is a substitution string, such as a password that looks like one.
func leaf(name, text string) node {
	n := field(name, text)
	if open(text) {
		n.text = strings.ReplaceAll(n.text, "@", "&#64;")
	}
	return n
}

// added is the node as an item of a list.
func (n node) added() node {
	n.attrs = `wcm:action="add"`
	return n
}

// key is the node as an item of a list with keys.
func (n node) key(key string) node {
	n.attrs = `wcm:action="add" wcm:keyValue="` + key + `"`
	return n
}

// document writes a document, two spaces a level.
func document(name, attrs string, children ...node) []byte {
	var out strings.Builder
	out.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n")
	withAttrs(name, attrs, children...).write(&out, "")
	return []byte(out.String())
}

func (n node) write(out *strings.Builder, indent string) {
	out.WriteString(indent + "<" + n.name)
	if n.attrs != "" {
		out.WriteString(" " + n.attrs)
	}
	out.WriteString(">")
	if len(n.children) > 0 {
		out.WriteString("\n")
		for _, child := range n.children {
			child.write(out, indent+"  ")
		}
		out.WriteString(indent)
	}
	out.WriteString(n.text + "</" + n.name + ">\n")
}
