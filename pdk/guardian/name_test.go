package guardian_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

func TestNames(t *testing.T) {
	store := newStore(t)
	doc := metadata(t, contoso(t))
	for name, wrong := range map[string]string{
		"Contoso":                   "",
		"contoso.com, Abteilung #1": "",
		"Größe 世界":                  "",
		"a":                         "",
		"a.xml":                     "",
		"x.signing":                 "",
		"CONTOSO":                   "", // is Contoso
		"Console":                   "",
		"com10":                     "",
		strings.Repeat("世", 64):     "",
		"":                          "empty",
		strings.Repeat("a", 65):     "more than 64 characters",
		strings.Repeat("𝄞", 49):     "192 bytes",
		"a/b":                       "file names",
		`a\b`:                       "file names",
		"a:b":                       "file names",
		"a*":                        "file names",
		`"a"`:                       "file names",
		"<a>":                       "file names",
		"..":                        "a dot",
		".":                         "a dot",
		".a":                        "a dot",
		"a.":                        "a dot",
		"a ":                        "a space",
		" a":                        "a space",
		"-a":                        "a dash",
		"a\x00":                     "cannot be printed",
		"a\nb":                      "cannot be printed",
		"a\u202eb":                  "cannot be printed",
		"a\u00a0b":                  "cannot be printed",
		"a\xff":                     "cannot be printed",
		"NUL":                       "a device on Windows",
		"con":                       "a device on Windows",
		"Aux.old":                   "a device on Windows",
		"com1":                      "a device on Windows",
		"LPT9.x":                    "a device on Windows",
		"COM²":                      "a device on Windows",
		"prn .a":                    "a device on Windows",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Add(name, doc, true)
			if wrong == "" {
				require.NoError(t, err)
				g, err := store.Get(name)
				require.NoError(t, err)
				require.True(t, strings.EqualFold(name, g.Name))
				return
			}
			require.ErrorContains(t, err, wrong)
			_, err = guardian.NewOwner(name, 2048, time.Hour)
			require.ErrorContains(t, err, wrong)
			require.Error(t, store.AddOwner(&guardian.Owner{Guardian: guardian.Guardian{Name: name, Signing: contoso(t).Signing,
				Encryption: contoso(t).Encryption}, SigningKey: contoso(t).SigningKey}, passphrase, true))
		})
	}
}
