package keyprotector

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// reader takes elements apart and keeps the first fault that it finds. What its methods give after a fault is empty.
type reader struct {
	err   error
	cache *Cache
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// element gives the elements within n, which must be those of the names, in that order, and the value of the one attribute
// that n may have. Between elements there may be white space.
func (r *reader) element(n *excc14n.Node, attr string, names ...string) (value string, parts []*excc14n.Node) {
	value = r.attr(n, attr)
	parts = make([]*excc14n.Node, len(names))
	for i := range parts {
		parts[i] = &excc14n.Node{}
	}
	elements := n.Elements()
	if strings.Trim(n.Text, " \t\r\n") != "" {
		r.fail("%s has text between its elements", n.Local)
	}
	if len(elements) != len(names) {
		r.fail("%s has %d elements, not %d", n.Local, len(elements), len(names))
		return value, parts
	}
	for i, name := range names {
		if !elements[i].Is(namespace, name) {
			r.fail("%s has the element %.64q where %s belongs", n.Local, elements[i].Local, name)
			continue
		}
		parts[i] = elements[i]
	}
	return value, parts
}

// attr gives the value of the one attribute that n may have, "" when it is missing.
func (r *reader) attr(n *excc14n.Node, name string) (value string) {
	for _, a := range n.Attrs {
		if a.Space != "" || a.Local != name {
			r.fail("%s has the unknown attribute %.64q", n.Local, a.Local)
		}
		value = a.Value
	}
	return value
}

// text gives the text of n, which must have nothing else.
func (r *reader) text(n *excc14n.Node) string {
	r.attr(n, "")
	if len(n.Elements()) > 0 {
		r.fail("%s has elements", n.Local)
	}
	return n.Text
}

// number reads an unsignedInt without leading zeros and white space.
func (r *reader) number(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != s {
		r.fail("%.32q is not an unsigned 32-bit number", s)
		return 0
	}
	return uint32(n)
}

// bytes reads base64, with padding and without white space, of at least one byte.
func (r *reader) bytes(n *excc14n.Node) []byte {
	data := r.base64(r.text(n))
	if len(data) == 0 {
		r.fail("%s is empty or not base64 in its usual form", n.Local)
	}
	return data
}

// base64 gives nil for a text that its bytes would not be written as.
func (r *reader) base64(s string) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // the decoder skips line breaks
		return nil
	}
	return data
}

// certificate gives nil after a fault.
func (r *reader) certificate(n *excc14n.Node) *x509.Certificate {
	certificate, err := r.cache.certificate(r.bytes(n))
	if err != nil {
		r.fail("%s: %w", n.Local, err)
	}
	return certificate
}

func (r *reader) signature(n *excc14n.Node) signature {
	algorithm, parts := r.element(n, "Algorithm", "SignatureValue")
	return signature{algorithm, r.bytes(parts[0])}
}

// parameters gives what stands in Parameters, in canonical form.
func (r *reader) parameters(n *excc14n.Node) string {
	s, opened := strings.CutPrefix(string(excc14n.Canonicalize(n)), openParameters)
	s, closed := strings.CutSuffix(s, closeParameters)
	if !opened || !closed {
		r.fail("Parameters is not written as %s...%s", openParameters, closeParameters)
	}
	return s
}
