package pdk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPayloadCheck(t *testing.T) {
	files := func(names ...string) (p Payload) {
		for _, name := range names {
			p.Files = append(p.Files, File{name, nil})
		}
		return p
	}
	numbered := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprint(i))
		}
		return names
	}
	sized := func(answer int, others ...int) Payload {
		p := Payload{AnswerFile: &File{"answer", make([]byte, answer)}}
		for i, n := range others {
			p.Files = append(p.Files, File{fmt.Sprint(i), make([]byte, n)})
		}
		return p
	}
	for name, c := range map[string]struct {
		payload Payload
		say     string // empty: it is good
	}{
		"none":                  {Payload{}, ""},
		"names":                 {files("a", "ä b.c", ".hidden", "...x", "-x", "com10", "nullify", "日本　語"), ""},
		"longest name":          {files(strings.Repeat("x", MaxFileName)), ""},
		"too long a name":       {files(strings.Repeat("x", MaxFileName+1)), "has 256 bytes"},
		"no name":               {files(""), "is empty"},
		"slash":                 {files("a/b"), "cannot have everywhere"},
		"backslash":             {files(`a\b`), "cannot have everywhere"},
		"drive or stream":       {files("a:b"), "cannot have everywhere"},
		"quotation mark":        {files(`a"b`), "cannot have everywhere"},
		"wildcard":              {files("a*"), "cannot have everywhere"},
		"device":                {files("nul"), "is that of a device"},
		"device, extended":      {files("COM1.txt"), "is that of a device"},
		"this folder":           {files("."), "ends with a dot"},
		"the folder above":      {files(".."), "ends with a dot"},
		"a dot that is lost":    {files("a."), "ends with a dot"},
		"a space that is lost":  {files("a "), "ends with a dot or a space"},
		"line feed":             {files("a\nb"), "not printable"},
		"NUL":                   {files("a\x00"), "not printable"},
		"direction of writing":  {files("a\u202eb"), "not printable"},
		"line separator":        {files("a\u2028b"), "not printable"},
		"not UTF-8":             {files("a\xff"), "not UTF-8"},
		"the same":              {files("a", "b", "a"), `two files have the name "a"`},
		"the same but for case": {files("ä.TXT", "Ä.txt"), `two files have the name "Ä.txt"`},
		"a Kelvin for a K":      {files("k", "\u212a"), "two files have the name"},
		"that of the answer file": {
			Payload{AnswerFile: &File{"unattend.xml", nil}, Files: []File{{"Unattend.XML", nil}}}, `two files have the name "Unattend.XML"`,
		},
		"bad name of the answer file": {Payload{AnswerFile: &File{"a/b", nil}}, "cannot have everywhere"},
		"most files":                  {files(numbered(MaxNumber)...), ""},
		"too many files":              {files(numbered(MaxNumber + 1)...), "257 files, at most 256"},
		"largest answer file":         {sized(MaxFiles), ""},
		"too large an answer file":    {sized(MaxFiles + 1), "393217 bytes together, at most 393216"},
		"largest together":            {sized(100, MaxFiles-150, 50), ""},
		"too large together":          {sized(100, MaxFiles-150, 51), "393217 bytes together"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.payload.Check()
			if c.say == "" {
				require.NoError(t, err)
				plain := c.payload.encode()
				require.LessOrEqual(t, len(plain), maxPlain)
				back, err := decodePayload(plain)
				require.NoError(t, err)
				requirePayload(t, c.payload, *back)
				return
			}
			require.ErrorIs(t, err, ErrPDK)
			require.ErrorContains(t, err, c.say)
		})
	}
}

// The largest payload that there can be fits into a file.
func TestLargest(t *testing.T) {
	o := options(t)
	o.Payload = Payload{AnswerFile: &File{strings.Repeat("x", MaxFileName), make([]byte, MaxFiles-MaxNumber)}}
	for i := range MaxNumber {
		o.Payload.Files = append(o.Payload.Files, File{strings.Repeat("x", MaxFileName-3) + fmt.Sprintf("%03d", i), []byte{1}})
	}
	q := o.Volumes[0]
	o.Volumes = nil
	for range MaxVolumes {
		o.Volumes = append(o.Volumes, q)
	}
	_, d := newFile(t, o, fabric(t))
	requireOpens(t, d, o.Payload, owner(t), fabric(t))
	require.LessOrEqual(t, len(o.Payload.encode()), maxPlain)

	o.Volumes = append(o.Volumes, q)
	_, err := New(owner(t), nil, o)
	require.ErrorIs(t, err, ErrPDK)
	require.ErrorContains(t, err, "65 qualifiers, at most 64")
}

func TestDecodePayload(t *testing.T) {
	const good = `{"answerFile":{"name":"a","content":"AQI="},"files":[{"name":"b","content":""},{"name":"c","content":"AA=="}]}`
	for name, c := range map[string]struct {
		from, to string
		ok       bool
	}{
		"good":                  {"", "", true},
		"white space":           {":", " :\n\t", true},
		"unknown field":         {`"files"`, `"more":1,"files"`, false},
		"unknown field of file": {`"name":"b"`, `"name":"b","mode":1`, false},
		"field in capitals":     {`"files"`, `"Files"`, false},
		"twice":                 {`"files"`, `"files":[],"files"`, false},
		"another order":         {`"name":"b","content":""`, `"content":"","name":"b"`, false},
		"no files":              {`,"files":[{"name":"b","content":""},{"name":"c","content":"AA=="}]`, ``, false},
		"files are null":        {`[{"name":"b","content":""},{"name":"c","content":"AA=="}]`, `null`, false},
		"files are no list":     {`[{"name":"b","content":""},{"name":"c","content":"AA=="}]`, `{}`, false},
		"answer file is null":   {`{"name":"a","content":"AQI="}`, `null`, false},
		"answer file is a list": {`{"name":"a","content":"AQI="}`, `[]`, false},
		"no name":               {`"name":"b",`, ``, false},
		"no content":            {`,"content":""`, ``, false},
		"name is a number":      {`"b"`, `1`, false},
		"base64 in another way": {`AQI=`, `AQJ=`, false},
		"base64 without end":    {`AQI=`, `AQI`, false},
		"base64 with a break":   {`AQI=`, `AQ\nI=`, false},
		"base64 for addresses":  {`AQI=`, `_-I=`, false},
		"escapes":               {`"b"`, `"\u0062"`, false},
		"bad name":              {`"b"`, `"b/c"`, false},
		"same name":             {`"b"`, `"A"`, false},
		"something after it":    {`]}`, `]}{}`, false},
		"cut":                   {`]}`, `]`, false},
		"not UTF-8":             {`"b"`, "\"b\xff\"", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, c.from)
			p, err := decodePayload([]byte(strings.Replace(good, c.from, c.to, 1)))
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, good, string(p.encode()))
				return
			}
			require.ErrorIs(t, err, ErrPDK)
			require.Nil(t, p)
		})
	}
	for _, text := range []string{"", "null", "[]", "{}", "1", `""`, strings.Repeat("[", maxPlain)} {
		_, err := decodePayload([]byte(text))
		require.ErrorIs(t, err, ErrPDK)
	}
}

func TestClear(t *testing.T) {
	p := options(t).Payload
	p.Clear()
	require.Equal(t, make([]byte, len(p.AnswerFile.Content)), p.AnswerFile.Content)
	require.Equal(t, make([]byte, 4), p.Files[0].Content)
}
