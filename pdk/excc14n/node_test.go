package excc14n_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

func TestNode(t *testing.T) {
	root, err := excc14n.Parse([]byte("\uFEFF<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n" +
		`<r xmlns="urn:1" xmlns:p="urn:2" b="2" a="1" p:c="3">x<!-- -->y<e>1</e>z<![CDATA[&]]><p:e/><f/><f/></r>`))
	require.NoError(t, err)
	require.True(t, root.Is("urn:1", "r"))
	require.False(t, root.Is("", "r"))
	require.Equal(t, "xyz&", root.Text)
	require.Equal(t, []excc14n.Attr{{Local: "a", Value: "1"}, {Local: "b", Value: "2"}, {Space: "urn:2", Prefix: "p", Local: "c", Value: "3"}}, root.Attrs)

	require.Len(t, root.Children, 6)
	require.Equal(t, &excc14n.Node{Text: "xy"}, root.Children[0])
	require.False(t, root.Children[0].Is("", ""), "text is no element")
	require.Len(t, root.Elements(), 4)
	require.Equal(t, "1", root.Child("urn:1", "e").Text)
	require.Equal(t, "p", root.Child("urn:2", "e").Prefix)
	require.Nil(t, root.Child("urn:1", "f"), "there are two")
	require.Nil(t, root.Child("urn:1", "g"))

	value, ok := root.Attr("a")
	require.True(t, ok)
	require.Equal(t, "1", value)
	_, ok = root.Attr("c")
	require.False(t, ok, "it is in a namespace")
}

func TestWithout(t *testing.T) {
	root, err := excc14n.Parse([]byte("<r>\n<a/>\n<s/>\n<b/></r>"))
	require.NoError(t, err)
	rest := root.Without(root.Child("", "s"))
	require.Equal(t, "<r>\n<a></a>\n\n<b></b></r>", string(excc14n.Canonicalize(rest)))
	require.Equal(t, "<r>\n<a></a>\n<s></s>\n<b></b></r>", string(excc14n.Canonicalize(root)))
}
