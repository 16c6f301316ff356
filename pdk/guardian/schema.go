package guardian

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// attributes are the elements that have an attribute, and which: always that one alone, in no namespace. Metadata itself,
// which has more, is not among them.
var attributes = map[string]string{
	"EncryptionCertificateSignature":  "Algorithm",
	"SigningCertificateSelfSignature": "Algorithm",
	"CanonicalizationMethod":          "Algorithm",
	"SignatureMethod":                 "Algorithm",
	"Transform":                       "Algorithm",
	"DigestMethod":                    "Algorithm",
	"Reference":                       "URI",
}

// xmlID is the form of an xs:ID.
var xmlID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]*$`)

// sequence gives the elements within n, which must have these names in this order, n's namespace, and no text between them.
// One whose name ends in a question mark may be missing, and is then nil. The attributes of n are checked, too.
func sequence(n *excc14n.Node, names ...string) ([]*excc14n.Node, error) {
	if err := checkAttributes(n); err != nil {
		return nil, err
	}
	if strings.Trim(n.Text, whiteSpace) != "" {
		return nil, fmt.Errorf("%s has text between its elements", n.Local)
	}
	found := make([]*excc14n.Node, len(names))
	elements := n.Elements()
	for i, name := range names {
		name, optional := strings.CutSuffix(name, "?")
		switch {
		case len(elements) > 0 && elements[0].Is(n.Space, name):
			found[i], elements = elements[0], elements[1:]
		case !optional:
			return nil, fmt.Errorf("%s has no %s where it belongs", n.Local, name)
		}
	}
	if len(elements) > 0 {
		return nil, fmt.Errorf("%s has the element %.64q, which does not belong there", n.Local, elements[0].Local)
	}
	return found, nil
}

// text gives the text of n, which must have no elements. The attributes of n are checked, too.
func text(n *excc14n.Node) (string, error) {
	if err := checkAttributes(n); err != nil {
		return "", err
	}
	if len(n.Elements()) > 0 {
		return "", fmt.Errorf("%s has the element %.64q, but must be text", n.Local, n.Elements()[0].Local)
	}
	return n.Text, nil
}

// binary gives the bytes that stand in n as base64, at least one.
func binary(n *excc14n.Node) ([]byte, error) {
	s, err := text(n)
	if err != nil {
		return nil, err
	}
	data, err := excc14n.Base64(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Local, err)
	}
	return data, nil
}

// fixed demands that n names this algorithm, without parameters.
func fixed(n *excc14n.Node, want string) error {
	if _, err := sequence(n); err != nil {
		return err
	}
	if algorithm, _ := n.Attr("Algorithm"); algorithm != want {
		return fmt.Errorf("%s names the algorithm %.80q, not %q", n.Local, algorithm, want)
	}
	return nil
}

func checkAttributes(n *excc14n.Node) error {
	want := attributes[n.Local]
	for _, a := range n.Attrs {
		if a.Space != "" || a.Local != want {
			return fmt.Errorf("%s has the attribute %.64q, which does not belong there", n.Local, a.Local)
		}
	}
	if want != "" && len(n.Attrs) == 0 {
		return fmt.Errorf("%s has no attribute %s", n.Local, want)
	}
	return nil
}

const whiteSpace = " \t\r\n"
