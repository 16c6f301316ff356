package excc14n_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// document makes random documents that use everything that canonicalization is about: prefixes declared again and again,
// default namespaces and their undoing, attributes with and without prefixes and in the xml namespace, characters that need
// escaping, references, CDATA, comments, white space and line ends.
type document struct {
	*rand.Rand
	strings.Builder
	elements int  // left to write
	withIDs  bool // every element gets an xml:id
	ids      int  // given so far
}

var (
	prefixes   = []string{"", "", "a", "b", "c", "ds", "x-y", "_z"}
	namespaces = []string{"urn:1", "urn:2", "urn:3", "http://example.com/a?b=c;d#e", "http://www.w3.org/2000/09/xmldsig#"}
	locals     = []string{"a", "b", "Wrapping", "Id", "A-1", "_x.y"}
	textParts  = []string{
		"text", "é€😀", " ", "\n", "\r\n", "\r", "\t", "&amp;", "&lt;", "&gt;", ">", "&quot;", "&apos;", "'", `"`, "&#13;", "&#xD;",
		"&#x9;", "&#10;", "&#xe9;", "&#128512;", "]]&gt;", "<![CDATA[]]>", "<![CDATA[<a>&amp; ]] \r\n]]>", "<!-- <b/> & -->", "&#xFFFD;",
	}
	valueParts = []string{"value", "é€😀", " ", "&#9;", "&#xA;", "&#13;", "&amp;", "&lt;", "&gt;", ">", "&quot;", "&apos;", "&#x20;"}
	gaps       = []string{" ", "  ", "\n", "\t", "\r\n "}
)

func (d *document) pick(from []string) string { return from[d.IntN(len(from))] }

func (d *document) some(from []string, most int) string {
	var s strings.Builder
	for range d.IntN(most + 1) {
		s.WriteString(d.pick(from))
	}
	return s.String()
}

func (d *document) element(scope map[string]string, depth int) {
	d.elements--
	inner := map[string]string{}
	for prefix, space := range scope {
		inner[prefix] = space
	}
	var attrs []string
	declared := map[string]bool{}
	declare := func(prefix string) {
		if declared[prefix] {
			return
		}
		declared[prefix] = true
		name, space := "xmlns:"+prefix, d.pick(namespaces)
		if prefix == "" {
			name = "xmlns"
			if d.IntN(3) == 0 {
				space = ""
			}
		}
		inner[prefix] = space
		attrs = append(attrs, d.attr(name, space))
	}
	for range d.IntN(3) {
		declare(d.pick(prefixes))
	}
	prefix := d.pick(prefixes)
	if _, ok := inner[prefix]; !ok && prefix != "" {
		declare(prefix)
	}
	given := map[string]bool{}
	for range d.IntN(4) {
		p, local := d.pick(prefixes), d.pick(locals)
		if _, ok := inner[p]; !ok && p != "" {
			declare(p)
		}
		space := "-"
		if p != "" {
			space = inner[p]
		}
		if key := space + " " + local; !given[key] {
			given[key] = true
			attrs = append(attrs, d.attr(joined(p, local), d.some(valueParts, 4)))
		}
	}
	if d.IntN(8) == 0 {
		attrs = append(attrs, d.attr("xml:space", "preserve"))
	}
	if d.withIDs {
		attrs = append(attrs, d.attr("xml:id", fmt.Sprintf("id%d", d.ids)))
		d.ids++
	}
	d.Shuffle(len(attrs), func(i, j int) { attrs[i], attrs[j] = attrs[j], attrs[i] })

	name := joined(prefix, d.pick(locals))
	d.WriteString("<" + name + strings.Join(attrs, ""))
	if d.IntN(3) == 0 {
		d.WriteString(d.pick(gaps))
	}
	if d.IntN(6) == 0 {
		d.WriteString("/>")
		return
	}
	d.WriteString(">" + d.some(textParts, 3))
	for depth < 12 && d.elements > 0 && d.IntN(4) != 0 {
		d.element(inner, depth+1)
		d.WriteString(d.some(textParts, 3))
	}
	d.WriteString("</" + name)
	if d.IntN(6) == 0 {
		d.WriteString(d.pick(gaps))
	}
	d.WriteString(">")
}

func (d *document) attr(name, value string) string {
	quote, equals := `"`, "="
	if d.IntN(2) == 0 {
		quote = "'"
	}
	if d.IntN(8) == 0 {
		equals = " = "
	}
	return d.pick(gaps) + name + equals + quote + value + quote
}

func joined(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}

// randomDocument has up to the given number of elements.
func randomDocument(r *rand.Rand, elements int) string {
	d := &document{Rand: r, elements: elements}
	if d.IntN(2) == 0 {
		d.WriteString(d.pick([]string{`<?xml version="1.0"?>`, "<?xml version='1.0' encoding='utf-8' ?>\n", `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`}))
		d.WriteString(d.some([]string{"\n", " ", "<!-- before -->"}, 3))
	}
	d.element(map[string]string{"": ""}, 1)
	d.WriteString(d.some([]string{"\r\n", " ", "<!-- after -->"}, 3))
	return d.String()
}

// randomElement is a document without anything around its element, whose elements have the xml:id "id0", "id1" and so on.
func randomElement(r *rand.Rand, elements int) (xml string, ids int) {
	d := &document{Rand: r, elements: elements, withIDs: true}
	d.element(map[string]string{"": ""}, 1)
	return d.String(), d.ids
}
