package answerfile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/fsk"
)

// nasty has a bit of every syntax.
const nasty = `a <b a='"'> & &lt; ]]> --> 'q' "d" \ \n ${x} $(x) %x% ;x | #c: - {[@ComputerName@]}, ü ✓`

var values = fsk.Values{
	"@ComputerName@": "VM01", "@IP4Addr-1@": "192.0.2.10/24", "@IP6Addr-1@": "2001:db8::10/64", "@TimeZone@": "W. Europe Standard Time",
	"@MACAddr-1@": "00-15-5D-01-02-03", "@Nasty@": nasty, "@Dash@": "-rf", "@Yes@": "yes", "@Number@": "0x1F", "@Spaced@": "a b",
}

// check substitutes in each of the cases and wants what they say.
func check(t *testing.T, cases map[string]struct{ in, want string }) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, _, err := answerfile.Substitute([]byte(c.in), values)
			require.NoError(t, err)
			require.Equal(t, c.want, string(out))
		})
	}
}

// refuse substitutes in each of the cases and wants an error that says so.
func refuse(t *testing.T, cases map[string]struct{ in, say string }) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := answerfile.Substitute([]byte(c.in), values)
			require.ErrorContains(t, err, c.say)
		})
	}
}

const nastyXML = `a &lt;b a=&#39;&quot;&#39;&gt; &amp; &amp;lt; ]]&gt; --&gt; &#39;q&#39; &quot;d&quot; \ \n ${x} $(x) %x% ;x | #c: - {[@ComputerName@]}, ü ✓`

func TestSubstituteXML(t *testing.T) {
	check(t, map[string]struct{ in, want string }{
		"text":             {`<a>@ComputerName@</a>`, `<a>VM01</a>`},
		"any case":         {`<a>@COMPUTERname@</a>`, `<a>VM01</a>`},
		"text with spaces": {"<a>\n  @TimeZone@\n</a>", "<a>\n  W. Europe Standard Time\n</a>"},
		"part of a text":   {`<a>x-@ComputerName@.example &amp; more</a>`, `<a>x-VM01.example &amp; more</a>`},
		"several":          {`<a>@ComputerName@@ComputerName@ @IP4Addr-1@</a>`, `<a>VM01VM01 192.0.2.10/24</a>`},
		"attribute":        {`<a b="@TimeZone@" c='@ComputerName@' d="x@ComputerName@"/>`, `<a b="W. Europe Standard Time" c='VM01' d="xVM01"/>`},
		"escaped text":     {`<a>@Nasty@</a>`, `<a>` + nastyXML + `</a>`},
		"escaped, quotes":  {`<a b="@Nasty@" c='@Nasty@'/>`, `<a b="` + nastyXML + `" c='` + nastyXML + `'/>`},
		"CDATA":            {`<a><![CDATA[<x>@ComputerName@]]></a>`, `<a><![CDATA[<x>VM01]]></a>`},
		"comment":          {`<!-- @Other@ --><a><!-- @ComputerName@ @Values@ --></a><!--@TimeZone@-->`, `<!-- @Other@ --><a><!-- @ComputerName@ @Values@ --></a><!--@TimeZone@-->`},
		"declaration":      {"\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<a>@ComputerName@</a>\r\n", "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<a>VM01</a>\r\n"},
		"mail addresses":   {`<a b="bob@example.com">bob@example.com, eve@example.com @ @@ @FirewallAPI.dll,-28752</a>`, `<a b="bob@example.com">bob@example.com, eve@example.com @ @@ @FirewallAPI.dll,-28752</a>`},
		"shared sign":      {`<a>bob@example@ComputerName@</a>`, `<a>bob@exampleVM01</a>`},
		"shared, first":    {`<a>@ComputerName@Spaced@</a>`, `<a>VM01Spaced@</a>`},
		"reference":        {`<a>p&#64;ComputerName&#64;</a>`, `<a>p&#64;ComputerName&#64;</a>`},
		"unknown":          {`<a>@Unknown@ @ComputerName@</a>`, `<a>@Unknown@ VM01</a>`},
	})
	refuse(t, map[string]struct{ in, say string }{
		"two words in a text":      {"<a>\n<b>cmd /c @Spaced@</b></a>", `line 2: the value "a b" of @Spaced@ stands within a longer text`},
		"syntax in a text":         {`<a>cmd /c @Nasty@</a>`, "of @Nasty@"},
		"option in a text":         {`<a>rm @Dash@</a>`, `"-rf" of @Dash@`},
		"in an attribute":          {`<a b="x @Spaced@"/>`, "of @Spaced@"},
		"beside an element":        {`<a>cmd <b/>@Spaced@</a>`, "of @Spaced@"},
		"beside a comment":         {`<a>cmd <!-- -->@Spaced@</a>`, "of @Spaced@"},
		"beside CDATA":             {`<a><![CDATA[cmd]]>@Spaced@</a>`, "of @Spaced@"},
		"all of CDATA":             {`<a><![CDATA[@Nasty@]]></a>`, "of @Nasty@"},
		"two substitution strings": {`<a>@ComputerName@@Spaced@</a>`, "of @Spaced@"},
		"document type":            {`<!DOCTYPE a [<!ENTITY x "y">]><a>@ComputerName@</a>`, "document type"},
		"not closed":               {`<a>@ComputerName@`, "XML"},
		"two document elements":    {`<a>@ComputerName@</a><b/>`, "second document element"},
		"UTF-16":                   {"\xff\xfe<\x00a\x00/\x00>\x00", "save it as UTF-8"},
		"not UTF-8":                {"<a>\xff</a>", "not UTF-8"},
		"too large":                {"<a>" + strings.Repeat("x", answerfile.MaxSize) + "</a>", "at most 393216"},
		"growing too large":        {"<a>" + strings.Repeat("<b>@Nasty@</b>", 4000) + "</a>", "at most"},
	})
}

const nastyDouble = `a <b a='\"'> & &lt; ]]> --> 'q' \"d\" \\ \\n ${x} $(x) %x% ;x | #c: - {[@ComputerName@]}, ü ✓`

func TestSubstituteYAML(t *testing.T) {
	check(t, map[string]struct{ in, want string }{
		"double-quoted":       {`a: "@ComputerName@"`, `a: "VM01"`},
		"single-quoted":       {`a: '@ComputerName@'`, `a: 'VM01'`},
		"plain":               {"a: @ComputerName@ # of @ComputerName@\nb: c", "a: \"VM01\" # of @ComputerName@\nb: c"},
		"plain, part":         {`a: vm-@ComputerName@.example`, `a: "vm-VM01.example"`},
		"plain, with quotes":  {`a: x "y" \ @ComputerName@`, `a: "x \"y\" \\ VM01"`},
		"plain in a list":     {"a:\n  - @IP4Addr-1@\n  - [@IP6Addr-1@, @ComputerName@]", "a:\n  - \"192.0.2.10/24\"\n  - [\"2001:db8::10/64\", \"VM01\"]"},
		"plain, a key":        {`{@ComputerName@: 1}`, `{"VM01": 1}`},
		"plain, not a bool":   {`a: @Yes@`, `a: "yes"`},
		"plain, not a number": {`a: @Number@`, `a: "0x1F"`},
		"the same, twice":     {"a: @ComputerName@\nb: @ComputerName@", "a: \"VM01\"\nb: \"VM01\""},
		"tag and anchor":      {"a: !!str &x @ComputerName@\nb: *x", "a: !!str &x \"VM01\"\nb: *x"},
		"escaped, double":     {`a: "@Nasty@"`, `a: "` + nastyDouble + `"`},
		"escaped, single":     {`a: '@Nasty@'`, `a: '` + strings.ReplaceAll(nasty, "'", "''") + `'`},
		"escaped, plain":      {`a: @Nasty@`, `a: "` + nastyDouble + `"`},
		"part of a quoted":    {`a: "\techo '@ComputerName@' \"@IP4Addr-1@\""`, `a: "\techo 'VM01' \"192.0.2.10/24\""`},
		"literal":             {"a: |\n  x @ComputerName@\n\n  y @ComputerName@ z\n# @TimeZone@\nb: c", "a: |\n  x VM01\n\n  y VM01 z\n# @TimeZone@\nb: c"},
		"folded":              {"a: >-\n  @ComputerName@\n  is it\n", "a: >-\n  VM01\n  is it\n"},
		"quoted, long":        {"a: \"x\n  y @ComputerName@\n  z\"", "a: \"x\n  y VM01\n  z\""},
		"CRLF":                {"#cloud-config\r\na: @ComputerName@\r\nb: |\r\n  @ComputerName@\r\n", "#cloud-config\r\na: \"VM01\"\r\nb: |\r\n  VM01\r\n"},
		"byte-order mark":     {"\ufeffa: @ComputerName@", "\ufeffa: \"VM01\""},
		"wide characters":     {"ü: {✓: @ComputerName@, é: @IP4Addr-1@}", "ü: {✓: \"VM01\", é: \"192.0.2.10/24\"}"},
		"mail addresses":      {"a: bob@example.com\nb: [bob@example.com, eve@example.com]", "a: bob@example.com\nb: [bob@example.com, eve@example.com]"},
		"escape":              {`a: "p\x40ComputerName\x40"`, `a: "p\x40ComputerName\x40"`},
		"unknown":             {"a: x @Unknown@\nb: @Unknown@", "a: x @Unknown@\nb: \"@Unknown@\""},
		"comments alone":      {"#cloud-config\n# @ComputerName@\n", "#cloud-config\n# @ComputerName@\n"},
		"nothing":             {"", ""},
	})
	refuse(t, map[string]struct{ in, say string }{
		"two words in a text":  {"runcmd:\n- \"rm -r /srv/@Spaced@\"", `line 2: the value "a b" of @Spaced@`},
		"syntax in a text":     {`a: "x @Nasty@"`, "of @Nasty@"},
		"two words in a block": {"a: |\n  @Spaced@\n", `line 2: the value "a b" of @Spaced@`},
		"option in a text":     {`a: rm @Dash@`, `"-rf" of @Dash@`},
		"plain, two lines":     {"a: x\n  y @ComputerName@", "line 1: @ComputerName@ cannot safely be given a value"},
		"comment in a block":   {"a: | # @ComputerName@\n  x @ComputerName@", "@ComputerName@ cannot safely be given a value"},
		"two documents":        {"a: @ComputerName@\n---\nb: c", "more than one document"},
		"not YAML":             {"a: [@ComputerName@", "yaml: line 1"},
		"two byte-order marks": {"\ufeff\ufeff@Nasty@", "byte order mark"},
		"byte-order mark":      {"a: b\n\ufeff@Nasty@: c", "byte order mark"},
		"private use":          {"a: \ue000", "U+E000"},
		"an include":           {"#include\nhttps://example.com/", `begins with "#include"`},
		"a template":           {"## template: jinja\n#cloud-config\na: @ComputerName@", "neither"},
		"MIME":                 {"Content-Type: multipart/mixed\n", "neither"},
		"growing too large":    {strings.Repeat("- @Nasty@\n", 10000), "at most"},
	})
}

// A file may be one line, with very many substitution strings.
func TestSubstituteLongLine(t *testing.T) {
	const count = 60_000
	out, _, err := answerfile.Substitute([]byte("["+strings.Repeat("@Yes@,", count)+"]"), values)
	require.NoError(t, err)
	require.Equal(t, count, strings.Count(string(out), `"yes",`))
}

func TestSubstituteScript(t *testing.T) {
	check(t, map[string]struct{ in, want string }{
		"script": {"#!/bin/sh\nhostnamectl set-hostname '@ComputerName@' # @IP4Addr-1@\n", "#!/bin/sh\nhostnamectl set-hostname 'VM01' # 192.0.2.10/24\n"},
		"boot":   {"#cloud-boothook\n#!/bin/sh\necho @ComputerName@", "#cloud-boothook\n#!/bin/sh\necho VM01"},
	})
	refuse(t, map[string]struct{ in, say string }{
		"two words":   {"#!/bin/sh\necho '@Spaced@'", `line 2: the value "a b" of @Spaced@`},
		"after space": {"\n#!/bin/sh\necho: @Spaced@", `line 3: the value "a b" of @Spaced@`},
		"wide space":  {"\u3000\u0085\n#!/bin/sh\necho: @Spaced@", `the value "a b" of @Spaced@`},
		"other case":  {"#Cloud-BootHook\necho: @Spaced@", `line 2: the value "a b" of @Spaced@`},
		"syntax":      {"#!/bin/sh\necho @Nasty@", "of @Nasty@"},
	})
}

// A word that is part of a command stays one word of it and adds nothing: no argument, no option, no folder above.
func TestSubstituteWords(t *testing.T) {
	in := map[string]string{
		"Windows": "<a>cmd.exe /c del /q C:\\x\\@K@.txt</a>",
		"YAML":    "runcmd:\n- \"rm -r /srv/@K@\"",
		"script":  "#!/bin/sh\nrm -r /srv/@K@",
	}
	for _, value := range []string{"VM01", "vm-01.example.com", "a_b", "192.0.2.10/24", "2001:db8::10/64", "00:15:5d:01:02:03", "UTC+12"} {
		for kind, file := range in {
			out, _, err := answerfile.Substitute([]byte(file), fsk.Values{"@K@": value})
			require.NoError(t, err, kind)
			require.Equal(t, strings.Replace(file, "@K@", value, 1), string(out))
		}
	}
	for _, value := range []string{"a,C:", "a=C:", "a;b", "x/../../etc", "a..", "a./b", "a//b", "a/", "a.", "-a", "/a", "+a", "a\u02bab", "ü", "a\\b"} {
		for kind, file := range in {
			_, _, err := answerfile.Substitute([]byte(file), fsk.Values{"@K@": value})
			require.ErrorContains(t, err, "stands within a longer text", "%s %s", kind, value)
		}
	}
	for _, value := range []string{"x/s/q", "a/b", "Europe/Berlin", "10/24/s", "a/1000"} {
		_, _, err := answerfile.Substitute([]byte(in["Windows"]), fsk.Values{"@K@": value})
		require.ErrorContains(t, err, "stands within a longer text", value)
		_, _, err = answerfile.Substitute([]byte(in["YAML"]), fsk.Values{"@K@": value})
		require.NoError(t, err, value)
	}
}

func TestUnresolved(t *testing.T) {
	for name, text := range map[string]string{
		"XML":    "<!-- @ComputerName@ -->\n<a b='@IP4Addr-2@'>\n<c>@Other@</c><d>@ProductKey@\n@IP4Addr-2@</d><e>@ip4addr-2@ @ComputerName@</e></a>",
		"YAML":   "# @ComputerName@\na: @IP4Addr-2@\nb: [@Other@, @ProductKey@]\nc: |4\n    @IP4Addr-2@ @ip4addr-2@ @ComputerName@",
		"script": "#!/bin/sh\n@IP4Addr-2@\n@Other@ @ProductKey@\n\n@IP4Addr-2@ @ip4addr-2@ @ComputerName@",
	} {
		t.Run(name, func(t *testing.T) {
			out, left, err := answerfile.Substitute([]byte(text), values)
			var unresolved *answerfile.UnresolvedError
			require.ErrorAs(t, err, &unresolved)
			require.Nil(t, out)
			require.Nil(t, left)
			line := map[string]int{"XML": 4, "YAML": 5, "script": 5}[name]
			want := []answerfile.Substitution{{"@IP4Addr-2@", 2}, {"@Other@", 3}, {"@ProductKey@", 3}, {"@IP4Addr-2@", line}, {"@ip4addr-2@", line}}
			require.Equal(t, want, unresolved.Substitutions)

			all, err := answerfile.Substitutions([]byte(text))
			require.NoError(t, err)
			require.Equal(t, append(want, answerfile.Substitution{Key: "@ComputerName@", Line: line}), all)
		})
	}
	require.EqualError(t, &answerfile.UnresolvedError{Substitutions: []answerfile.Substitution{{"@A@", 2}, {"@B@", 3}, {"@A@", 3}, {"@A@", 3}}},
		"the answer file asks for values that are not given: @A@ on line 2, 3; @B@ on line 3")

	out, left, err := answerfile.Substitute([]byte("a: @Other@\nb: x@y@z"), nil)
	require.NoError(t, err)
	require.Equal(t, "a: \"@Other@\"\nb: x@y@z", string(out))
	require.Equal(t, []answerfile.Substitution{{"@Other@", 1}, {"@y@", 2}}, left)

	_, _, err = answerfile.Substitute([]byte("a: b"), fsk.Values{"@A@": "a\nb"})
	require.ErrorIs(t, err, fsk.ErrFSK)
}

// pythonYAML has PyYAML, which cloud-init reads with, print a document as JSON.
func pythonYAML(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.buffer), ensure_ascii=False, sort_keys=True))")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("python3 (package python3-yaml): %s", failed.Stderr)
	}
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// PyYAML and xmllint read what the package writes as it is meant.
func TestSubstituteJudged(t *testing.T) {
	out, _, err := answerfile.Substitute([]byte(`#cloud-config
double: "@Nasty@"
single: '@Nasty@'
plain: @Nasty@
flow: [@Nasty@, {@Nasty@: @Yes@}, @Number@]
block: |
  @ComputerName@: @ComputerName@
`), values)
	require.NoError(t, err)
	text := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(nasty)
	require.Equal(t, `{"block": "VM01: VM01\n", "double": "`+text+`", "flow": ["`+text+`", {"`+text+`": "yes"}, "0x1F"], "plain": "`+text+
		`", "single": "`+text+`"}`, pythonYAML(t, string(out)))

	out, _, err = answerfile.Substitute([]byte(`<a b="@Nasty@"><c>@Nasty@</c></a>`), values)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "a.xml")
	require.NoError(t, os.WriteFile(file, out, 0o600))
	for _, path := range []string{"string(/a/@b)", "string(/a/c)"} {
		got, err := exec.Command("xmllint", "--xpath", path, file).Output()
		require.NoError(t, err, "package libxml2-utils")
		require.Equal(t, nasty, strings.TrimSuffix(string(got), "\n"))
	}
}

// PyYAML reads random values as they were, whatever quotes they stand in.
func TestSubstituteRandomValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const syntax = "\"'\\:#{}[],&*!|>%@`-?=<~ \u00e9\u2713\U0001f512aZ09.x"
	given, want := fsk.Values{}, [][]string{}
	var file strings.Builder
	for i := range fsk.MaxValues {
		var value strings.Builder
		for range 1 + random.IntN(12) {
			runes := []rune(syntax)
			value.WriteRune(runes[random.IntN(len(runes))])
		}
		if strings.TrimSpace(value.String()) == "" {
			value.WriteString("x")
		}
		key := fmt.Sprintf("@V%d@", i)
		given[key] = value.String()
		want = append(want, []string{value.String(), value.String(), value.String()})
		fmt.Fprintf(&file, "- [\"%s\", '%s', %s]\n", key, key, key)
	}
	out, left, err := answerfile.Substitute([]byte(file.String()), given)
	require.NoError(t, err)
	require.Empty(t, left)
	var got [][]string
	require.NoError(t, json.Unmarshal([]byte(pythonYAML(t, string(out))), &got))
	require.Equal(t, want, got)
}
