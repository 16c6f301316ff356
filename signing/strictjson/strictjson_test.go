package strictjson_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing/strictjson"
)

type document struct {
	Name string    `json:"name"`
	Size uint64    `json:"size"`
	Data []byte    `json:"data"`
	At   time.Time `json:"at"`
	List []item    `json:"list"`
	Note string    `json:"note,omitempty"`
}

type item struct {
	ID int `json:"id"`
}

const good = `{"name": "a", "size": 18446744073709551615, "data": "AAEC", "at": "2026-11-22T10:00:00Z", "list": [{"id": 1}]}`

func TestUnmarshal(t *testing.T) {
	for _, text := range []string{
		good,
		`{"list":[{"id":1}],"at":"2026-11-22T10:00:00Z","data":"AAEC","size":18446744073709551615,"name":"a"}`,
		strings.Replace(good, `"a"`, `"\u0061"`, 1),
		good + "\n",
	} {
		var d document
		require.NoError(t, strictjson.Unmarshal([]byte(text), &d), text)
		require.Equal(t, document{
			Name: "a", Size: 1<<64 - 1, Data: []byte{0, 1, 2},
			At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), List: []item{{ID: 1}},
		}, d)
	}
	var d document
	require.NoError(t, strictjson.Unmarshal([]byte(good[:len(good)-1]+`,"note":"n"}`), &d))
	require.Equal(t, "n", d.Note)
}

func TestUnmarshalRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, say string }{
		"nothing":            {"", "unexpected EOF"},
		"null":               {"null", "is null"},
		"array":              {"[]", "cannot unmarshal"},
		"cut":                {good[:40], "unexpected EOF"},
		"trailing data":      {good + "{}", "follows"},
		"trailing garbage":   {good + "x", "follows"},
		"unknown":            {strings.Replace(good, `"name"`, `"x": 1, "name"`, 1), `the document has the unknown field "x"`},
		"unknown below":      {strings.Replace(good, `{"id": 1}`, `{"id": 1, "x": 2}`, 1), `.list[0] has the unknown field "x"`},
		"missing":            {strings.Replace(good, `"name": "a",`, ``, 1), `lacks the field "name"`},
		"twice":              {strings.Replace(good, `"name"`, `"name": "b", "name"`, 1), `"name" is given twice`},
		"twice, escaped":     {strings.Replace(good, `"name"`, `"n\u0061me": "b", "name"`, 1), `"name" is given twice`},
		"another case":       {strings.Replace(good, `"name"`, `"Name"`, 1), `unknown field "Name"`},
		"null for a string":  {strings.Replace(good, `"a"`, `null`, 1), ".name is null"},
		"null for an array":  {strings.Replace(good, `[{"id": 1}]`, `null`, 1), ".list is null"},
		"negative zero":      {strings.Replace(good, `1}`, `-0}`, 1), ".list[0].id"},
		"fraction":           {strings.Replace(good, `1}`, `1.0}`, 1), "cannot unmarshal"},
		"too large":          {strings.Replace(good, `615,`, `616,`, 1), "cannot unmarshal"},
		"base64, no padding": {strings.Replace(good, `AAEC`, `AAE`, 1), "base64"},
		"base64, dirty tail": {strings.Replace(good, `AAEC`, `AAF=`, 1), ".data"},
		"base64, line break": {strings.Replace(good, `AAEC`, `AA\nEC`, 1), ".data"},
		"base64, URL":        {strings.Replace(good, `AAEC`, `A-EC`, 1), "base64"},
		"time, another zone": {strings.Replace(good, `00Z`, `00+00:00`, 1), ".at"},
		"empty optional":     {good[:len(good)-1] + `,"note":""}`, `unknown field "note"`},
		"lone high":          {strings.Replace(good, `"a"`, `"\ud800"`, 1), "escape at byte 10 is half of a surrogate pair"},
		"lone low":           {strings.Replace(good, `"a"`, `"\udc00"`, 1), "half of a surrogate pair"},
		"low before high":    {strings.Replace(good, `"a"`, `"\udc00\uD800"`, 1), "half of a surrogate pair"},
		"high twice":         {strings.Replace(good, `"a"`, `"\ud800\ud800\udc00"`, 1), "half of a surrogate pair"},
		"high, then text":    {strings.Replace(good, `"a"`, `"\uDBFFdc00"`, 1), "half of a surrogate pair"},
		"lone, in a key":     {strings.Replace(good, `"name"`, `"name\ud800"`, 1), "half of a surrogate pair"},
		"ends in a pair":     {`"\ud800\`, "half of a surrogate pair"},
		"many values":        {`{"list": [` + strings.Repeat(`{},`, 300_000) + `{}]}`, "more than 8192 values"},
		"many values, deep":  {strings.Repeat(`{"list":[`, 10) + strings.Repeat(`[],`, 10_000), "more than 8192 values"},
		"not UTF-8":          {strings.Replace(good, `"a"`, "\"\xff\"", 1), "UTF-8"},
		"deep":               {strings.Repeat("[", 1<<16), "nested"},
		"byte-order mark":    {"\ufeff" + good, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			var d document
			require.ErrorContains(t, strictjson.Unmarshal([]byte(c.text), &d), c.say)
		})
	}
}

// TestUnmarshalBoundsMemory reads 1 MiB of the values that take the most memory for their length.
func TestUnmarshalBoundsMemory(t *testing.T) {
	data := []byte(`{"list":[` + strings.Repeat(`{},`, (1<<20-12)/3) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var d document
	require.Error(t, strictjson.Unmarshal(data, &d))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"name":"\ud800"}`))
	f.Add([]byte(`[[[]]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d document
		if strictjson.Unmarshal(data, &d) != nil {
			return
		}
		text, err := json.Marshal(d)
		require.NoError(t, err)
		var again document
		require.NoError(t, strictjson.Unmarshal(text, &again))
		require.Equal(t, d, again)
	})
}
