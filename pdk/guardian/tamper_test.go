package guardian_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/excc14n"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

const (
	dsig      = "http://www.w3.org/2000/09/xmldsig#"
	exclusive = `Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`
	enveloped = `<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`
)

// covered is what of a document its signature is over.
func covered(t testing.TB, doc []byte) string {
	t.Helper()
	root, err := excc14n.Parse(doc)
	require.NoError(t, err)
	return string(excc14n.Canonicalize(root.Without(root.Child(dsig, "Signature"))))
}

// resigned changes contoso's metadata, and has xmlsec1 sign it with contoso's key: only what ParseMetadata demands beyond a
// good signature can be against it.
func resigned(t *testing.T, change func(doc string) string) []byte {
	t.Helper()
	o, dir := contoso(t), t.TempDir()
	doc := string(metadata(t, o))
	edited := change(doc)
	require.NotEqual(t, doc, edited, "the change changed nothing")

	for _, value := range []string{"DigestValue", "SignatureValue"} { // of the signature, the last ones
		found := regexp.MustCompile(`(?s)<`+value+`>.*?</`+value+`>`).FindAllStringIndex(edited, -1)
		last := found[len(found)-1]
		edited = edited[:last[0]] + "<" + value + "/>" + edited[last[1]:]
	}
	template := put(t, dir, "template.xml", []byte(edited))
	put(t, dir, "key.pem", keyPEM(t, o.SigningKey))
	put(t, dir, "signing.pem", certPEM(o.Signing))
	id := []string{"--id-attr:ID", "http://schemas.microsoft.com/kps/2014/07:Metadata"}
	tool(t, dir, "xmlsec1", append([]string{"--sign", "--privkey-pem", "key.pem", "--output", "signed.xml"}, append(id, template)...)...)
	tool(t, dir, "xmlsec1", append([]string{"--verify", "--pubkey-cert-pem", "signing.pem"}, append(id, "signed.xml")...)...)
	signed, err := os.ReadFile(filepath.Join(dir, "signed.xml"))
	require.NoError(t, err)
	return signed
}

func replace(old, by string) func(string) string {
	return func(doc string) string { return strings.Replace(doc, old, by, 1) }
}

// last is replace in the XML signature, which comes last.
func last(old, by string) func(string) string {
	return func(doc string) string {
		i := strings.LastIndex(doc, old)
		if i < 0 {
			return doc
		}
		return doc[:i] + by + doc[i+len(old):]
	}
}

// cut takes away what the expression finds first.
func cut(expression string) func(string) string {
	return func(doc string) string {
		if at := regexp.MustCompile(`(?s)` + expression).FindStringIndex(doc); at != nil {
			return doc[:at[0]] + doc[at[1]:]
		}
		return doc
	}
}

func TestMetadataByOthers(t *testing.T) {
	afterSignature := func(xml string) func(string) string { return last("</Signature>", "</Signature>"+xml) }
	for name, change := range map[string]func(string) string{
		"one line": func(doc string) string { return strings.ReplaceAll(doc, "\n", "") },
		"carriage returns in base64": func(doc string) string {
			return regexp.MustCompile(`\n( +[A-Za-z0-9+/=]{76})`).ReplaceAllString(doc, "&#13;\n$1")
		},
		"no ID":             replace(` ID="_0123456789abcdef"`, ""),
		"another ID":        replace("_0123456789abcdef", "metadata-1"),
		"reference by ID":   replace(`URI=""`, `URI="#_0123456789abcdef"`),
		"no KeyInfo":        cut(`<KeyInfo>.*</KeyInfo>`),
		"empty Parameters":  replace("<SignatureValue>", "<Parameters/><SignatureValue>"),
		"no other ones":     replace("</GuardianInformation>", "<OtherSigningCertificates/></GuardianInformation>"),
		"a comment":         replace("<Version>", "<!-- comment --><Version>"),
		"prefixes":          func(doc string) string { return prefixed(doc) },
		"schema location":   replace("<Metadata", `<Metadata xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"`),
		"unused namespaces": replace("<Metadata", `<Metadata xmlns:xsd="http://www.w3.org/2001/XMLSchema"`),
		"an extension":      afterSignature(`<x:a xmlns:x="urn:x" b="c">text<x:d/><e xmlns=""/></x:a>`),
		"two extensions":    afterSignature(`<a xmlns="urn:x"/><b xmlns="urn:y"/>`),
	} {
		t.Run(name, func(t *testing.T) {
			g, err := guardian.ParseMetadata(resigned(t, change))
			require.NoError(t, err)
			require.True(t, g.Signing.Equal(contoso(t).Signing))
			require.True(t, g.Encryption.Equal(contoso(t).Encryption))
		})
	}
}

// prefixed writes all names of the metadata with a prefix, but not those of the XML signature.
func prefixed(doc string) string {
	at := strings.Index(doc, "<Signature xmlns")
	name := regexp.MustCompile(`(</?)([A-Z])`)
	head := strings.Replace(name.ReplaceAllString(doc[:at], "${1}k:$2"), "xmlns=", "xmlns:k=", 1)
	return head + strings.Replace(doc[at:], "</Metadata>", "</k:Metadata>", 1)
}

func part(doc, element string) string {
	return regexp.MustCompile(`(?s)<` + element + `[ >].*?</` + element + `>`).FindString(doc)
}

// swap exchanges what two elements hold.
func swap(a, b string) func(string) string {
	return func(doc string) string {
		x, y := part(doc, a), part(doc, b)
		inA, inB := strings.ReplaceAll(y, b, a), strings.ReplaceAll(x, a, b)
		return strings.NewReplacer(x, inA, y, inB).Replace(doc)
	}
}

func twice(element string) func(string) string {
	return func(doc string) string {
		e := part(doc, element)
		return strings.Replace(doc, e, e+e, 1)
	}
}

// inner is what stands in an element, without its tags.
func inner(doc, element string) string {
	e := part(doc, element)
	return e[strings.Index(e, ">")+1 : strings.LastIndex(e, "<")]
}

// Each document has a signature by contoso that xmlsec1 verifies, but of another form.
func TestOtherFormsOfSignatureAreRefused(t *testing.T) {
	const (
		sha256   = "http://www.w3.org/2001/04/xmlenc#sha256"
		xpath    = `<Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><XPath>not(ancestor-or-self::*[local-name()="Signature"])</XPath></Transform>`
		prefixes = `<InclusiveNamespaces xmlns="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="a"/>`
	)
	foreign := inner(string(metadata(t, imported(t, "other", signing.P256))), "X509Certificate")
	for name, c := range map[string]struct {
		change func(string) string
		err    string
	}{
		"digest by SHA-1":          {replace(sha256, dsig+"sha1"), "DigestMethod names"},
		"digest by SHA-512":        {replace(sha256, "http://www.w3.org/2001/04/xmlenc#sha512"), "DigestMethod names"},
		"signature with SHA-1":     {last(guardian.RSASHA256, dsig+"rsa-sha1"), "the signature algorithm is"},
		"signature with SHA-512":   {last(guardian.RSASHA256, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"), "the signature algorithm is"},
		"inclusive":                {replace(exclusive, `Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"`), "CanonicalizationMethod names"},
		"with comments":            {replace(exclusive, `Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments"`), "CanonicalizationMethod names"},
		"with prefixes":            {replace(exclusive+"/>", exclusive+">"+prefixes+"</CanonicalizationMethod>"), "CanonicalizationMethod has the element"},
		"transform, inclusive":     {last(exclusive, `Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"`), "Transform names"},
		"transform, with comments": {last(exclusive, `Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments"`), "Transform names"},
		"transform, with prefixes": {last(exclusive+"/>", exclusive+">"+prefixes+"</Transform>"), "Transform has the element"},
		"one transform":            {last("<Transform "+exclusive+"/>", ""), "Transforms has no Transform"},
		"three transforms":         {replace(enveloped, enveloped+enveloped), "Transforms has the element"},
		"XPath transform":          {replace(enveloped, xpath), "Transform has the element"},
		"reference by XPointer":    {replace(`URI=""`, `URI="#xpointer(/)"`), "the reference is to"},
		"reference with a type":    {replace(`URI=""`, `URI="" Type="urn:x"`), "Reference has the attribute"},
		"two references":           {twice("Reference"), "SignedInfo has the element"},
		"SignedInfo with an Id":    {last("<SignedInfo>", `<SignedInfo Id="a">`), "SignedInfo has the attribute"},
		"Signature with an Id":     {last("<Signature ", `<Signature Id="a" `), "Signature has the attribute"},
		"Signature with an Object": {last("</KeyInfo>", "</KeyInfo><Object/>"), `Signature has the element "Object"`},
		"KeyInfo with a name":      {last("<KeyInfo>", "<KeyInfo><KeyName>a</KeyName>"), "KeyInfo has no X509Data"},
		"KeyInfo with two":         {last("</X509Certificate>", "</X509Certificate><X509Certificate>"+foreign+"</X509Certificate>"), "X509Data has the element"},
		"KeyInfo with a foreign one": {func(doc string) string {
			return strings.Replace(doc, part(doc, "X509Certificate"), "<X509Certificate>"+foreign+"</X509Certificate>", 1)
		}, "KeyInfo has another certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := guardian.ParseMetadata(resigned(t, c.change))
			require.ErrorContains(t, err, c.err)
		})
	}
}

// xmlsec1 finds no such element, or none at all.
func TestReferencesElsewhereAreRefused(t *testing.T) {
	doc := string(metadata(t, contoso(t)))
	withoutID := regexp.MustCompile(` ID="[^"]*"`).ReplaceAllString(doc, "")
	for name, c := range map[string]struct{ doc, uri string }{
		"another ID": {doc, "#other"}, "an empty ID": {doc, "#"}, "no ID": {withoutID, "#"}, "a file": {doc, "file:///etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := guardian.ParseMetadata([]byte(strings.Replace(c.doc, `URI=""`, `URI="`+c.uri+`"`, 1)))
			require.ErrorContains(t, err, "the reference is to")
		})
	}
}

// Each document has a signature of the right form by contoso, but does not say what it must.
func TestSignedNonsenseIsRefused(t *testing.T) {
	other := string(metadata(t, imported(t, "other", signing.P256)))
	ofOther := func(element string) func(string) string {
		return func(doc string) string { return strings.Replace(doc, part(doc, element), part(other, element), 1) }
	}
	certificate := "<Certificate>" + inner(other, "SigningCertificate") + "</Certificate>"
	otherSigning := func(xml string) func(string) string {
		return replace("</GuardianInformation>", "<OtherSigningCertificates>"+xml+"</OtherSigningCertificates></GuardianInformation>")
	}
	atEnd := func(xml string) func(string) string { return last("</Metadata>", xml+"</Metadata>") }
	const kps = "http://schemas.microsoft.com/kps/2014/07"

	for name, c := range map[string]struct {
		change func(string) string
		err    string
	}{
		"version":                   {replace(`Version="1"`, `Version="2"`), "version of Metadata"},
		"no version":                {replace(` Version="1"`, ""), "version of Metadata"},
		"inner version":             {replace("<Version>1<", "<Version>2<"), "version of GuardianInformation"},
		"an element in the version": {replace("<Version>1", "<Version>1<a/>"), "version of GuardianInformation"},
		"no inner version":          {replace("<Version>1</Version>", ""), "has no Version"},
		"ID":                        {replace("_0123456789abcdef", "1a"), "not of the form of an ID"},
		"unknown attribute":         {replace("<Metadata", `<Metadata Name="a"`), "unknown attribute"},
		"attribute of ours":         {replace("<Metadata", `<Metadata xmlns:k="`+kps+`" k:a="b"`), "unknown attribute"},
		"attribute below":           {replace("<GuardianInformation", `<GuardianInformation a="b"`), "GuardianInformation has the attribute"},
		"foreign attribute below":   {replace("<GuardianInformation", `<GuardianInformation x:a="b" xmlns:x="urn:x"`), "GuardianInformation has the attribute"},
		"text":                      {replace("<GuardianInformation>", "text<GuardianInformation>"), "text between"},
		"text below":                {replace("<Version>", "text<Version>"), "text between"},
		"unknown element":           {replace("<Version>", "<Name/><Version>"), "has no Version"},
		"other namespace":           {replace("<Version>", `<Version xmlns="urn:x">`), "has no Version"},
		"other root":                {func(doc string) string { return strings.ReplaceAll(doc, "Metadata", "Metabata") }, "is this guardian metadata?"},
		"other namespace of all":    {replace(kps, kps+"/service"), "is this guardian metadata?"},
		"two GuardianInformation":   {twice("GuardianInformation"), "does not begin with"},
		"an extension first":        {last("<Signature ", `<a xmlns="urn:x"/><Signature `), "does not begin with"},
		"two SigningCertificate":    {twice("SigningCertificate"), "has no EncryptionCertificateSignature"},
		"two signatures of one":     {twice("EncryptionCertificateSignature"), "has no SigningCertificateSelfSignature"},
		"no self-signature":         {cut(`<SigningCertificateSelfSignature.*?</SigningCertificateSelfSignature>`), "has no SigningCertificateSelfSignature"},
		"certificates swapped":      {swap("EncryptionCertificate", "SigningCertificate"), "EncryptionCertificateSignature: the signature is wrong"},
		"signatures swapped":        {swap("EncryptionCertificateSignature", "SigningCertificateSelfSignature"), "EncryptionCertificateSignature: the signature is wrong"},
		"one signature for both": {func(doc string) string {
			return strings.Replace(doc, inner(doc, "SigningCertificateSelfSignature"), inner(doc, "EncryptionCertificateSignature"), 1)
		}, "SigningCertificateSelfSignature: the signature is wrong"},
		"foreign signing certificate": {ofOther("SigningCertificate"), "EncryptionCertificateSignature: the signature algorithm is"},
		"foreign signature":           {ofOther("SigningCertificateSelfSignature"), "SigningCertificateSelfSignature: the signature algorithm is"},
		"encryption by ECDSA key": {func(doc string) string {
			return strings.Replace(doc, inner(doc, "EncryptionCertificate"), inner(other, "SigningCertificate"), 1)
		}, "not RSA"},
		"parameters":             {replace("<SignatureValue>", `<Parameters><a xmlns="urn:x"/></Parameters><SignatureValue>`), "Parameters has the element"},
		"certificate by SHA-1":   {replace(guardian.RSASHA256, dsig+"rsa-sha1"), "EncryptionCertificateSignature: the signature algorithm is"},
		"certificate by ECDSA":   {replace(guardian.RSASHA256, guardian.ECDSASHA256), "EncryptionCertificateSignature: the signature algorithm is"},
		"no algorithm":           {cut(` Algorithm="[^"]*"`), "has no attribute Algorithm"},
		"other: no certificate":  {otherSigning("<Certificate>AAAA</Certificate>"), "Certificate: x509"},
		"other: something else":  {otherSigning("<a/>"), "has no Certificate"},
		"other: too many":        {otherSigning(strings.Repeat(certificate, 65)), "at most 64"},
		"empty value":            {replace("<SignatureValue>", "<SignatureValue/><SignatureValue>"), "EncryptionCertificateSignature has the element"},
		"other: an empty one":    {otherSigning("<Certificate> </Certificate>"), "Certificate: it is empty"},
		"other: not base64":      {otherSigning("<Certificate>A*==</Certificate>"), "Certificate: it is empty, or not base64"},
		"unqualified extension":  {atEnd(`<a xmlns=""/>`), "must not stand after"},
		"extension of ours":      {atEnd(`<Name>a</Name>`), "must not stand after"},
		"ours in an extension":   {atEnd(`<a xmlns="urn:x"><b xmlns=""><GuardianInformation xmlns="` + kps + `"/></b></a>`), "must not stand after"},
		"a second signature":     {atEnd(`<Signature xmlns="` + dsig + `"/>`), "must not stand after"},
		"signature in extension": {atEnd(`<a xmlns="urn:x"><Signature xmlns="` + dsig + `"/></a>`), "must not stand after"},
		"document type":          {replace("<Metadata", "<!DOCTYPE Metadata><Metadata"), "document type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := guardian.ParseMetadata(resigned(t, c.change))
			require.ErrorContains(t, err, c.err)
		})
	}
}

// Documents that were put together of two good ones, so that a careless reader finds a good signature and reads another
// guardian.
func TestWrappedSignaturesAreRefused(t *testing.T) {
	good, evil := string(metadata(t, contoso(t))), string(metadata(t, imported(t, "evil", signing.P256)))
	element := func(doc string) string { return part(doc, "Metadata") }
	signature, evilInfo := part(good, "Signature"), part(evil, "GuardianInformation")
	const head = `<Metadata xmlns="http://schemas.microsoft.com/kps/2014/07" ID="_0123456789abcdef" Version="1">`
	for name, doc := range map[string]string{
		"the information replaced":             head + evilInfo + signature + "</Metadata>",
		"the information before":               head + evilInfo + part(good, "GuardianInformation") + signature + "</Metadata>",
		"the information after":                head + part(good, "GuardianInformation") + evilInfo + signature + "</Metadata>",
		"the signature replaced":               strings.Replace(good, signature, part(evil, "Signature"), 1),
		"the good document in an extension":    head + evilInfo + signature + `<x xmlns="urn:x">` + element(good) + "</x></Metadata>",
		"the good document after":              head + evilInfo + signature + element(good) + "</Metadata>",
		"the good document in an Object":       head + evilInfo + strings.Replace(signature, "</Signature>", "<Object>"+element(good)+"</Object></Signature>", 1) + "</Metadata>",
		"the good document in the KeyInfo":     head + evilInfo + strings.Replace(signature, "<KeyInfo>", "<KeyInfo>"+element(good), 1) + "</Metadata>",
		"the good document in the signed info": head + evilInfo + strings.Replace(signature, "<SignedInfo>", "<SignedInfo>"+element(good), 1) + "</Metadata>",
		"the good document around":             strings.Replace(good, "<GuardianInformation>", element(evil)+"<GuardianInformation>", 1),
		"the good document in the information": head + strings.Replace(evilInfo, "</GuardianInformation>", element(good)+"</GuardianInformation>", 1) + signature + "</Metadata>",
		"both signatures":                      strings.Replace(evil, part(evil, "Signature"), part(evil, "Signature")+signature, 1),
		"both signatures, the other way":       strings.Replace(evil, part(evil, "Signature"), signature+part(evil, "Signature"), 1),
		"two signed infos":                     strings.Replace(good, "<SignedInfo>", part(evil, "SignedInfo")+"<SignedInfo>", 1),
		"transforms the other way":             strings.Replace(strings.Replace(good, enveloped, "", 1), "</Transforms>", enveloped+"</Transforms>", 1),
		"two document elements":                element(evil) + element(good),
		"an entity":                            strings.Replace(`<!DOCTYPE a [<!ENTITY e "1">]>`+element(good), "<Version>1", "<Version>&e;", 1),
		"an entity that is not declared":       strings.Replace(element(good), "<Version>1", "<Version>&e;", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := guardian.ParseMetadata([]byte(doc))
			require.Error(t, err)
		})
	}
}

// What stands in the XML signature's values is bound to one spelling.
func TestValuesHaveOneSpelling(t *testing.T) {
	doc := string(metadata(t, contoso(t)))
	value := strings.TrimSpace(inner(part(doc, "Signature"), "SignatureValue"))
	end := len(value) - len("A==")
	next := string(value[end]+1) + "==" // the same bytes for a careless decoder: the last four bits count for nothing
	for name, other := range map[string]string{
		"spare bits":   value[:end] + next,
		"padding left": strings.TrimRight(value, "="),
		"more padding": value + "=",
		"two values":   value + "AAAA",
		"a zero ahead": "AA" + value,
		"empty":        "",
		"URL alphabet": strings.NewReplacer("+", "-", "/", "_").Replace(value),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, value, other)
			_, err := guardian.ParseMetadata([]byte(strings.Replace(doc, value, other, 1)))
			require.Error(t, err)
		})
	}
}
