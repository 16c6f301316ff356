package gui

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/translation"
)

// TestTranslations holds the languages together: every text of the code stands
// in every language, with the same placeholders, and nothing else does.
func TestTranslations(t *testing.T) {
	texts := textsOfCode(t)
	reserved := []string{"id", "description", "hash", "leftdelim", "rightdelim", "zero", "one", "two", "few", "many", "other", "translation"}
	for _, text := range texts {
		require.NotContains(t, reserved, strings.ToLower(text), "Fyne reserves this word: use another text")
	}
	for _, l := range translation.Languages {
		t.Run(l.Code, func(t *testing.T) {
			var file map[string]string
			require.NoError(t, json.Unmarshal(translation.Text(l.Code), &file))
			var missing []string
			for _, text := range texts {
				switch translated := file[text]; {
				case translated == "":
					missing = append(missing, text)
				case l.Code == "en":
					require.Equal(t, text, translated)
				default:
					require.Equal(t, placeholders(text), placeholders(translated), translated)
				}
				delete(file, text)
			}
			require.Empty(t, missing, "texts without a translation")
			require.Empty(t, slices.Sorted(maps.Keys(file)), "texts that nothing uses")
		})
	}
}

func placeholders(text string) []string {
	found := regexp.MustCompile(`{{\.\w+}}`).FindAllString(text, -1)
	slices.Sort(found)
	return found
}

// textsOfCode collects the first arguments of lang.L, and of problem in package
// model.
func textsOfCode(t *testing.T) []string {
	t.Helper()
	texts := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !translates(call.Fun, filepath.Dir(path)) {
				return true
			}
			if selector, ok := call.Args[0].(*ast.SelectorExpr); ok && selector.Sel.Name == "Text" && path == "page.go" {
				return true // textOf, of a problem
			}
			literal, ok := call.Args[0].(*ast.BasicLit)
			require.True(t, ok, "%s: the text is not a literal", fset.Position(call.Pos()))
			text, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			texts[text] = true
			return true
		})
		return nil
	}))
	return slices.Sorted(maps.Keys(texts))
}

func translates(fun ast.Expr, folder string) bool {
	switch f := fun.(type) {
	case *ast.SelectorExpr:
		x, ok := f.X.(*ast.Ident)
		return ok && x.Name == "lang" && f.Sel.Name == "L"
	case *ast.Ident:
		return folder == "model" && f.Name == "problem"
	}
	return false
}
