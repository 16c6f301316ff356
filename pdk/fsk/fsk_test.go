package fsk_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/fsk"
)

const good = `{"format": "scutum-fsk-1", "values": {"@ComputerName@": "VM01", "@IP4Addr-1@": "192.0.2.10/24", "@Site@": "Köln <3>"}}`

func TestParse(t *testing.T) {
	values, err := fsk.Parse([]byte(good))
	require.NoError(t, err)
	require.Equal(t, fsk.Values{"@ComputerName@": "VM01", "@IP4Addr-1@": "192.0.2.10/24", "@Site@": "Köln <3>"}, values)

	for key, want := range map[string]string{"@ComputerName@": "VM01", "@computerNAME@": "VM01", "@IP4addr-1@": "192.0.2.10/24"} {
		value, ok := values.Get(key)
		require.True(t, ok, key)
		require.Equal(t, want, value)
	}
	_, ok := values.Get("@Other@")
	require.False(t, ok)

	empty, err := fsk.Parse([]byte(`{"format":"scutum-fsk-1","values":{}}`))
	require.NoError(t, err)
	require.Empty(t, empty)
}

func TestParseRefuses(t *testing.T) {
	change := func(from, to string) string {
		require.Contains(t, good, from)
		return strings.Replace(good, from, to, 1)
	}
	var many []string
	for i := range fsk.MaxValues + 1 {
		many = append(many, fmt.Sprintf(`"@K%d@":"v"`, i))
	}
	for name, c := range map[string]struct{ text, say string }{
		"nothing":          {"", "EOF"},
		"too large":        {good + strings.Repeat(" ", fsk.MaxSize), "at most 262144"},
		"another format":   {change("scutum-fsk-1", "scutum-fsk-2"), `format "scutum-fsk-2"`},
		"unknown field":    {change(`"values"`, `"more": 1, "values"`), "more"},
		"no values":        {`{"format": "scutum-fsk-1"}`, "values"},
		"null values":      {`{"format": "scutum-fsk-1", "values": null}`, "null"},
		"a number":         {change(`"VM01"`, `1`), "number"},
		"twice":            {change(`"@Site@"`, `"@ComputerName@"`), "twice"},
		"twice by case":    {change(`"@Site@"`, `"@computername@"`), "same key"},
		"too many":         {`{"format":"scutum-fsk-1","values":{` + strings.Join(many, ",") + `}}`, "at most 256"},
		"key without @":    {change("@Site@", "Site"), "not a key"},
		"key of nothing":   {change("@Site@", "@@"), "not a key"},
		"key with a digit": {change("@Site@", "@1Site@"), "not a key"},
		"key with a space": {change("@Site@", "@My Site@"), "not a key"},
		"key, end of line": {change("@Site@", `@Site@\n`), "not a key"},
		"key too long":     {change("@Site@", "@"+strings.Repeat("k", fsk.MaxKey-1)+"@"), "not a key"},
		"value too long":   {change("VM01", strings.Repeat("v", fsk.MaxValue+1)), "at most 4096"},
		"empty value":      {change("VM01", ""), "@ComputerName@: it is blank"},
		"blank value":      {change("VM01", "  "), "blank"},
		"line break":       {change("VM01", `a\nb`), "U+000A"},
		"tab":              {change("VM01", `a\tb`), "U+0009"},
		"NUL":              {change("VM01", `a\u0000`), "U+0000"},
		"next line":        {change("VM01", `a\u0085b`), "U+0085"},
		"line separator":   {change("VM01", `a\u2028b`), "U+2028"},
		"right to left":    {change("VM01", `a\u202eb`), "U+202E"},
		"byte-order mark":  {change("VM01", `\ufeffa`), "U+FEFF"},
		"noncharacter":     {change("VM01", `a\uffff`), "U+FFFF"},
		"private use":      {change("VM01", `a\ue000`), "U+E000"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fsk.Parse([]byte(c.text))
			require.ErrorIs(t, err, fsk.ErrFSK)
			require.ErrorContains(t, err, c.say)
		})
	}
}

func TestEncode(t *testing.T) {
	values := fsk.Values{"@B@": `a "quoted" \ <value> & more`, "@A@": "ü"}
	data, err := values.Encode()
	require.NoError(t, err)
	again, err := fsk.Parse(data)
	require.NoError(t, err)
	require.Equal(t, values, again)

	data, err = fsk.Values(nil).Encode()
	require.NoError(t, err)
	again, err = fsk.Parse(data)
	require.NoError(t, err)
	require.Empty(t, again)

	_, err = fsk.Values{"A": "b"}.Encode()
	require.ErrorIs(t, err, fsk.ErrFSK)
	_, err = fsk.Values{"@A@": "\xff"}.Encode()
	require.ErrorContains(t, err, "UTF-8")
	large := fsk.Values{}
	for i := range fsk.MaxValues {
		large[fmt.Sprintf("@K%d@", i)] = strings.Repeat("v", fsk.MaxValue)
	}
	_, err = large.Encode()
	require.ErrorContains(t, err, "at most 262144")
}

func TestKnown(t *testing.T) {
	for _, key := range []string{
		"@ComputerName@", "@TimeZone@", "@ProductKey@", "@IP4Addr-1@", "@IP6Addr-12@", "@MACAddr-1@", "@MacAddr-1@",
		"@Prefix-1-1@", "@NextHop-2-1@", "@DnsAddr-1-2@", "@DNSAddr-1-1@",
	} {
		require.True(t, fsk.Known(key), key)
		require.NoError(t, fsk.CheckKey(key), key)
	}
	for _, key := range []string{"@Site@", "@IP4Addr@", "@IP4Addr-0@", "@IP4Addr-1-1@", "@NextHop-1@", "ComputerName", "@ComputerName@@"} {
		require.False(t, fsk.Known(key), key)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"format":"scutum-fsk-1","values":{"@a@":"x","@A@":"y"}}`))
	f.Add([]byte(`{"format":"scutum-fsk-1","values":{"@a@":"\ud800"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := fsk.Parse(data)
		if err != nil {
			require.ErrorIs(t, err, fsk.ErrFSK)
			return
		}
		text, err := values.Encode()
		require.NoError(t, err)
		again, err := fsk.Parse(text)
		require.NoError(t, err)
		require.True(t, maps.Equal(values, again))
	})
}
