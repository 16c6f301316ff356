package excc14n

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// TextAlone gives the text of n, which must have neither attributes nor elements.
func (n *Node) TextAlone() (string, error) {
	if len(n.Attrs) > 0 || len(n.Elements()) > 0 {
		return "", fmt.Errorf("%s has attributes or elements, and must be text alone", n.Local)
	}
	return n.Text, nil
}

// Base64 reads a text of the type xs:base64Binary, of at least one byte. It may be broken into lines.
func Base64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text) // as it is nearly always written
	if err != nil {
		data, err = base64.StdEncoding.Strict().DecodeString(withoutSpace.Replace(text))
	}
	if err != nil || len(data) == 0 {
		return nil, errors.New("it is empty, or not base64")
	}
	return data, nil
}

var withoutSpace = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "")
