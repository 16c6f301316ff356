package answerfile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/excc14n"
	"github.com/scutum-project/scutum/pdk/fsk"
)

// substitute puts a value into a file and gives the result, or false when the file or the value is none.
func substitute(t *testing.T, file, value string) (string, bool) {
	t.Helper()
	given := fsk.Values{"@K@": value, "@Plain@": "x"}
	if given.Check() != nil {
		return "", false
	}
	out, _, err := answerfile.Substitute([]byte(file), given)
	if err != nil {
		require.Nil(t, out)
		return "", false
	}
	return string(out), true
}

// sameElements wants two elements to be the same but for their texts and the values of their attributes.
func sameElements(t *testing.T, a, b *excc14n.Node) {
	t.Helper()
	require.Equal(t, []string{a.Space, a.Prefix, a.Local}, []string{b.Space, b.Prefix, b.Local})
	require.Len(t, b.Attrs, len(a.Attrs))
	for i := range a.Attrs {
		require.Equal(t, a.Attrs[i].Local, b.Attrs[i].Local)
	}
	require.Len(t, b.Children, len(a.Children))
	for i := range a.Children {
		sameElements(t, a.Children[i], b.Children[i])
	}
}

func FuzzSubstitute(f *testing.F) {
	f.Add(`<a b="@K@">@K@<c d='x @K@ y'/><!-- @K@ --><![CDATA[ @K@ ]]></a>`, `</a><x y="z">&amp;'`)
	f.Add("<?xml version='1.0'?>\n<a xmlns='urn:a' xmlns:b='urn:b'><b:c b:d=\"@K@\"> @K@ </b:c>@Plain@</a>", "v")
	f.Add("#!/bin/sh\necho @K@ @Plain@", "a;b")
	f.Fuzz(func(t *testing.T, file, value string) {
		out, ok := substitute(t, file, value)
		if !ok || !strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(file, "\ufeff"), " \t\r\n"), "<") {
			return
		}
		before, err := excc14n.Parse([]byte(strings.TrimPrefix(file, "\ufeff")))
		require.NoError(t, err)
		after, err := excc14n.Parse([]byte(strings.TrimPrefix(out, "\ufeff")))
		require.NoError(t, err, out)
		sameElements(t, before, after)
	})
}

// sameNodes wants two nodes of YAML to be the same but for the values of scalars, which remain texts.
func sameNodes(t *testing.T, a, b *yaml.Node) {
	t.Helper()
	require.Equal(t, a.Kind, b.Kind)
	require.Equal(t, a.Tag, b.Tag)
	require.Len(t, b.Content, len(a.Content))
	for i := range a.Content {
		sameNodes(t, a.Content[i], b.Content[i])
	}
}

func FuzzSubstituteYAML(f *testing.F) {
	f.Add("#cloud-config\na: \"@K@\"\nb: '@K@'\nc: |\n  x @K@\nd: [@K@, {x@K@: @K@}] # @K@\n", `"', b: [c] # d`)
	f.Add("a: !!str &x @K@\nb: *x\nc: >-\n\n   @Plain@\n  \n  y\n", "v")
	f.Add("- \"a\\\n  @K@ \\u0040\"\n- 'x\n\n  y @K@'\n- ? @K@\n  : - @Plain@\n", "a b")
	f.Fuzz(func(t *testing.T, file, value string) {
		begin := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(file, "\ufeff")))
		if strings.HasPrefix(begin, "<") || strings.HasPrefix(begin, "#!") || strings.HasPrefix(begin, "#cloud-boothook") {
			return
		}
		out, ok := substitute(t, file, value)
		if !ok {
			return
		}
		// With letters in place of the substitution strings it is the same tree.
		var before, after yaml.Node
		letters := strings.NewReplacer("@K@", "_K_", "@k@", "_k_", "@Plain@", "_P_").Replace(file)
		if err := yaml.Unmarshal([]byte(letters), &before); err != nil {
			return // a file with other substitution strings at the beginning of a plain text
		}
		require.NoError(t, yaml.Unmarshal([]byte(out), &after), out)
		if strings.Count(letters, "@") == 0 {
			sameNodes(t, &before, &after)
		}
	})
}

func FuzzSubstitutions(f *testing.F) {
	f.Add([]byte("<a b='@ComputerName@'>@x@</a>"))
	f.Add([]byte("a: @ComputerName@\nb: |\n  @x@y@\n"))
	f.Add([]byte("#!/bin/sh\n@a@ComputerName@b@"))
	f.Add([]byte("#!/bin/sh\n@a@bin\n@a@ComputerName@b@"))
	f.Fuzz(func(t *testing.T, file []byte) {
		all, err := answerfile.Substitutions(file)
		if err != nil {
			return
		}
		given := fsk.Values{}
		for _, p := range all {
			require.NoError(t, fsk.CheckKey(p.Key))
			require.LessOrEqual(t, p.Line, strings.Count(string(file), "\n")+1)
			if _, ok := given.Get(p.Key); !ok && len(given) < fsk.MaxValues {
				given[p.Key] = "v"
			}
		}
		_, left, err := answerfile.Substitute(file, given)
		var unresolved *answerfile.UnresolvedError
		if len(given) < fsk.MaxValues && errors.As(err, &unresolved) || err == nil && len(given) < fsk.MaxValues && len(left) > 0 {
			t.Fatalf("substitution strings that were not named before: %v %v", err, left)
		}
	})
}
