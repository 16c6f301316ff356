package excc14n_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// withoutComments takes the comments of a random document away, which xmllint would keep. What stands at both sides of one
// stays apart, as a carriage return and a line feed must.
var withoutComments = strings.NewReplacer("<!-- before -->", "", "<!-- after -->", "", "<!-- <b/> & -->", "<![CDATA[]]>")

// xmllint canonicalizes the documents, one after the other without anything between them.
func xmllint(t *testing.T, documents ...string) string {
	t.Helper()
	folder, args := t.TempDir(), []string{"--nonet", "--exc-c14n"}
	for i, d := range documents {
		path := filepath.Join(folder, fmt.Sprintf("%d.xml", i))
		require.NoError(t, os.WriteFile(path, []byte(withoutComments.Replace(d)), 0o600))
		args = append(args, path)
	}
	var stdout, stderr bytes.Buffer
	command := exec.Command("xmllint", args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	require.NoError(t, command.Run(), "%s", &stderr)
	return stdout.String()
}

func canonical(t *testing.T, document string) string {
	t.Helper()
	n, err := excc14n.Parse([]byte(document))
	require.NoError(t, err, "%q", document)
	return string(excc14n.Canonicalize(n))
}

func TestRandomDocumentsAgainstXmllint(t *testing.T) {
	const batches, batch = 40, 100
	r := rand.New(rand.NewPCG(2014, 7))
	for range batches {
		var documents []string
		var ours strings.Builder
		for range batch {
			d := randomDocument(r, 1+r.IntN(30))
			documents = append(documents, d)
			ours.WriteString(canonical(t, d))
		}
		if xmllint(t, documents...) == ours.String() {
			continue
		}
		for _, d := range documents { // which one was it?
			require.Equal(t, xmllint(t, d), canonical(t, d), "%s", d)
		}
	}
}

// xmllint can only canonicalize whole documents. Of parts of them xmlsec1 computes digests: it is given a signature
// with a reference to every element of the document.
func TestRandomElementsAgainstXmlsec(t *testing.T) {
	r := rand.New(rand.NewPCG(2001, 10))
	for total := 0; total < 2000; {
		document, ids := randomElement(r, 400)
		total += ids
		digests := xmlsecDigests(t, document, ids)
		n, err := excc14n.Parse([]byte(document))
		require.NoError(t, err)
		walk(n, func(n *excc14n.Node) {
			id := slices.IndexFunc(n.Attrs, func(a excc14n.Attr) bool { return a.Prefix == "xml" && a.Local == "id" })
			c := excc14n.Canonicalize(n)
			ours := sha256.Sum256(c)
			require.Equal(t, digests[n.Attrs[id].Value], base64.StdEncoding.EncodeToString(ours[:]), "%s in %s", c, document)
		})
	}
}

func walk(n *excc14n.Node, visit func(*excc14n.Node)) {
	visit(n)
	for _, child := range n.Elements() {
		walk(child, visit)
	}
}

// xmlsecDigests gives the SHA-256, in base64, of the canonical form of each element, by its xml:id.
func xmlsecDigests(t *testing.T, document string, ids int) map[string]string {
	t.Helper()
	var references strings.Builder
	for id := range ids {
		fmt.Fprintf(&references, `<Reference URI="#id%d"><Transforms><Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`+
			`</Transforms><DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference>`, id)
	}
	folder := t.TempDir()
	key, template := filepath.Join(folder, "key"), filepath.Join(folder, "template.xml")
	require.NoError(t, os.WriteFile(key, []byte("key"), 0o600))
	require.NoError(t, os.WriteFile(template, []byte(`<all>`+document+`<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>`+
		`<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`+
		`<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>`+references.String()+
		`</SignedInfo><SignatureValue/></Signature></all>`), 0o600))
	var stdout, stderr bytes.Buffer
	command := exec.Command("xmlsec1", "--sign", "--hmackey", key, template)
	command.Stdout, command.Stderr = &stdout, &stderr
	require.NoError(t, command.Run(), "%s", &stderr)

	found := regexp.MustCompile(`<Reference URI="#(id[0-9]+)">.*?<DigestValue>([^<]+)</DigestValue>`).FindAllStringSubmatch(stdout.String(), -1)
	require.Len(t, found, ids)
	digests := map[string]string{}
	for _, match := range found {
		digests[match[1]] = match[2]
	}
	return digests
}
