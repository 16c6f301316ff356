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

func TestValuesOfKnownKeys(t *testing.T) {
	for key, values := range map[string]struct{ right, wrong []string }{
		"@ComputerName@": {[]string{"VM01", "vm-01.example.com", "v", "a_b"}, []string{"$(id)", "a b", "-h", "a-", "../x", "a;b", "ü", strings.Repeat("x", 254)}},
		"@TimeZone@": {[]string{"W. Europe Standard Time", "Pacific Standard Time (Mexico)", "UTC+12", "UTC-02", "Europe/Berlin", "Etc/GMT+1",
			"America/Argentina/Buenos_Aires"}, []string{"../../etc/shadow", "/etc/shadow", "Europe/../x", "-h", "a$b", `a"b`}},
		"@ProductKey@":  {[]string{"AAAAA-bbbbb-12345-DDDDD-EEEEE"}, []string{"AAAAA", "AAAAA-BBBBB-12345-DDDDD-EEEE$"}},
		"@MACAddr-1@":   {[]string{"00-15-5D-01-02-03", "00:15:5d:01:02:03"}, []string{`x", PROGRAM="/bin/x`, "00-15-5D-01-02-03-04-05"}},
		"@ip4addr-1@":   {[]string{"192.0.2.10", "192.0.2.10/24"}, []string{"2001:db8::1", "192.0.2.10/33", "$(id)/24", "192.0.2.010"}},
		"@IP6Addr-1@":   {[]string{"2001:db8::10", "2001:db8::10/64"}, []string{"192.0.2.10", "fe80::1%$(id)", "fe80::1%$(id)/64"}},
		"@Prefix-1-1@":  {[]string{"0.0.0.0/0", "::/0", "24", "128", "192.0.2.0"}, []string{"129", "+24", "$(id)"}},
		"@NextHop-1-1@": {[]string{"192.0.2.1", "fe80::1"}, []string{"192.0.2.1/24", "fe80::1%eth0", "$(id)"}},
		"@DnsAddr-1-1@": {[]string{"192.0.2.53", "2001:db8::53"}, []string{"$(touch${IFS}/x)", "192.0.2.53 search example.com", "localhost"}},
		"@Other@":       {[]string{"$(id)"}, nil},
	} {
		for _, value := range values.right {
			require.NoError(t, fsk.Values{key: value}.Check(), "%s %s", key, value)
		}
		for _, value := range values.wrong {
			err := fsk.Values{key: value}.Check()
			require.ErrorIs(t, err, fsk.ErrFSK, "%s %s", key, value)
			require.ErrorContains(t, err, "the value of "+key+": it is not ", value)
		}
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
