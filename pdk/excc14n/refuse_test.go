package excc14n_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

var refused = []struct{ name, document, says string }{
	{"nothing", "", "ends before"},
	{"only a declaration", `<?xml version="1.0"?>`, "ends before"},
	{"no end", "<a>", "ends before"},
	{"an end too many", "<a/></a>", "did not begin"},
	{"another end", "<a></b>", "ended as"},
	{"an end under another prefix", `<p:a xmlns:p="urn:1" xmlns:q="urn:1"></q:a>`, "ended as"},
	{"two document elements", "<a/><b/>", "second document element"},
	{"text before", "x<a/>", "outside"},
	{"text after", "<a/>x", "outside"},
	{"a reference after", "<a/>&#32;", "outside"},
	{"CDATA after", "<a/><![CDATA[ ]]>", "outside"},

	{"document type", "<!DOCTYPE a><a/>", "document type"},
	{"entity declaration", `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, "document type"},
	{"external entity", `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>`, "document type"},
	{"declared element type", "<a><!ELEMENT a ANY></a>", "document type"},
	{"unknown entity", "<a>&nbsp;</a>", "invalid character entity"},
	{"unknown entity in an attribute", `<a b="&e;"/>`, "invalid character entity"},
	{"bare ampersand", "<a>a & b</a>", "invalid character entity"},
	{"reference to NUL", "<a>&#0;</a>", "illegal character"},
	{"reference to a control character", "<a>&#8;</a>", "illegal character"},
	{"reference to a surrogate", "<a>&#xD800;</a>", "no character"},
	{"decimal reference to a surrogate", "<a>&#0057343;</a>", "no character"},
	{"reference to a surrogate in an attribute", `<a b="&#xdfff;"/>`, "no character"},
	{"reference to a noncharacter", "<a>&#xFFFE;</a>", "illegal character"},
	{"reference beyond Unicode", "<a>&#x110000;</a>", "invalid character entity"},
	{"reference that overflows", "<a>&#x10000000000000041;</a>", "invalid character entity"},
	{"reference with a capital X", "<a>&#X41;</a>", "invalid character entity"},

	{"processing instruction before", `<?go on?><a/>`, "processing instruction"},
	{"processing instruction within", `<a><?xml-stylesheet href="a"?></a>`, "processing instruction"},
	{"processing instruction after", `<a/><?go?>`, "processing instruction"},
	{"declaration after white space", ` <?xml version="1.0"?><a/>`, "declaration"},
	{"declaration twice", `<?xml version="1.0"?><?xml version="1.0"?><a/>`, "declaration"},
	{"declaration in mixed quotes", `<?xml version="1.0'?><a/>`, "declaration"},
	{"encoding in mixed quotes", `<?xml version="1.0" encoding='utf-8"?><a/>`, "declaration"},
	{"version 1.1", `<?xml version="1.1"?><a/>`, "version"},
	{"another encoding", `<?xml version="1.0" encoding="UTF-16"?><a/>`, "encoding"},
	{"UTF-7", `<?xml version="1.0" encoding="UTF-7"?><a/>`, "encoding"},

	{"not UTF-8", "<a>\xff</a>", "not UTF-8"},
	{"overlong UTF-8", "<a>\xc0\xaf</a>", "not UTF-8"},
	{"a surrogate in UTF-8", "<a>\xed\xa0\x80</a>", "not UTF-8"},
	{"UTF-16", "\xff\xfe<\x00a\x00/\x00>\x00", "not UTF-8"},
	{"NUL", "<a>\x00</a>", "illegal character"},
	{"control character", "<a>\x1b</a>", "illegal character"},
	{"noncharacter", "<a>\ufffe</a>", "illegal character"},
	{"control character in a comment", "<a><!-- \x01 --></a>", "illegal character"},
	{"noncharacter in a comment", "<a><!-- \uffff --></a>", "illegal character"},
	{"end of CDATA in text", "<a>]]></a>", "unescaped ]]>"},
	{"hyphens in a comment", "<a><!-- -- --></a>", "comments"},

	{"attribute twice", `<a b="1" b="2"/>`, "twice"},
	{"attribute twice by namespace", `<a xmlns:p="urn:1" xmlns:q="urn:1" p:b="1" q:b="2"/>`, "twice"},
	{"raw line feed in an attribute", "<a b=\"1\n2\"/>", "not plain"},
	{"raw carriage return in an attribute", "<a b=\"1\r2\"/>", "not plain"},
	{"raw tab in an attribute", "<a b='1\t2'/>", "not plain"},
	{"raw line feed in a namespace name", "<a xmlns='urn:1\n'/>", "not plain"},
	{"attribute without quotes", "<a b=1/>", "not plain"},
	{"attribute without a value", "<a b/>", "not plain"},
	{"no white space between attributes", `<a b="1"c="2"/>`, "not plain"},
	{"< in an attribute", `<a b="<"/>`, "not plain"},
	{"name with letters beyond ASCII", "<é/>", "not plain"},
	{"attribute name with letters beyond ASCII", "<a é='1'/>", "not plain"},
	{"name with two colons", `<p:a:b xmlns:p="urn:1"/>`, ""},
	{"name that begins with a colon", "<:a/>", "not plain"},
	{"name that ends with a colon", "<a:/>", "not plain"},
	{"local name that begins with a digit", `<p:1 xmlns:p="urn:1"/>`, "not plain"},

	{"prefix not declared", "<p:a/>", "not declared"},
	{"prefix of an attribute not declared", "<a p:b='1'/>", "not declared"},
	{"prefix declared in a sibling", `<a><b xmlns:p="urn:1"/><p:c/></a>`, "not declared"},
	{"prefix declared within", `<p:a><b xmlns:p="urn:1"/></p:a>`, "not declared"},
	{"prefix undone", `<a xmlns:p="urn:1"><b xmlns:p=""/></a>`, "not an absolute URI"},
	{"prefix declared twice", `<a xmlns:p="urn:1" xmlns:p="urn:2"/>`, "declared twice"},
	{"default namespace declared twice", `<a xmlns="urn:1" xmlns="urn:1"/>`, "declared twice"},
	{"relative namespace name", `<a xmlns="b"/>`, "not an absolute URI"},
	{"namespace name with an ampersand", `<a xmlns="urn:a&amp;b"/>`, "not an absolute URI"},
	{"namespace name with a quote", `<a xmlns="urn:a&quot;b"/>`, "not an absolute URI"},
	{"namespace name with a space", `<a xmlns="urn:1 "/>`, "not an absolute URI"},
	{"long namespace name", `<a xmlns="urn:` + strings.Repeat("1", 253) + `"/>`, "257 bytes"},
	{"the prefix xml declared", `<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`, "reserved"},
	{"the prefix xml declared as another", `<a xmlns:xml="urn:1"/>`, "reserved"},
	{"another prefix declared as xml", `<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>`, "reserved"},
	{"the prefix xmlns declared", `<a xmlns:xmlns="urn:1"/>`, "reserved"},
	{"the namespace of declarations declared", `<a xmlns="http://www.w3.org/2000/xmlns/"/>`, "reserved"},
	{"the prefix xmlns used", `<xmlns:a/>`, "not declared"},

	{"too deep", strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33), "deep"},
	{"too many elements", "<a>" + strings.Repeat("<b/>", 10_000) + "</a>", "more than 10000"},
	{"too many attributes", "<a" + manyAttributes(10_000) + "/>", "more than 10000"},
	{"too long", "<a>" + strings.Repeat(" ", 1<<20) + "</a>", "1048583 bytes"},
}

func manyAttributes(count int) string {
	var s strings.Builder
	for i := range count {
		fmt.Fprintf(&s, ` a%d=""`, i)
	}
	return s.String()
}

func TestRefused(t *testing.T) {
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			n, err := excc14n.Parse([]byte(test.document))
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, "reading XML")
			require.Less(t, len(err.Error()), 400, "an error quotes too much of its input")
			require.Nil(t, n)
		})
	}
}

func TestLimitsAreIncluded(t *testing.T) {
	for name, document := range map[string]string{
		"depth":          strings.Repeat("<a>", 32) + strings.Repeat("</a>", 32),
		"elements":       "<a>" + strings.Repeat("<b/>", 9_999) + "</a>",
		"attributes":     "<a" + manyAttributes(9_999) + "/>",
		"bytes":          "<a>" + strings.Repeat(" ", 1<<20-7) + "</a>",
		"namespace name": `<a xmlns="urn:` + strings.Repeat("1", 252) + `"/>`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := excc14n.Parse([]byte(document))
			require.NoError(t, err)
		})
	}
}

// An element that is declared once and used often is written with its declaration each time.
func TestCanonicalFormIsBounded(t *testing.T) {
	document := `<a xmlns:p="urn:` + strings.Repeat("1", 250) + `">` + strings.Repeat("<p:b/>", 9_998) + "</a>"
	n, err := excc14n.Parse([]byte(document))
	require.NoError(t, err)
	require.Less(t, len(excc14n.Canonicalize(n)), 4<<20)
}
