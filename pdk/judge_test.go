package pdk

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// openssl and Python's cryptography go from a file to its secrets by hand, with nothing but formats.md and a guardian's key.
func TestByHand(t *testing.T) {
	data, d := newFile(t, options(t), fabric(t), branch(t))
	byHand(t, data, d, options(t).Payload, owner(t), fabric(t), branch(t))

	policy := EncryptionSupported
	data, err := d.Edit(owner(t), Change{Policy: &policy, Revoke: revoke(fabric(t)), Grant: publics(t, mallory(t))})
	require.NoError(t, err)
	byHand(t, data, parse(t, data), options(t).Payload, owner(t), branch(t), mallory(t))

	data, d = newFile(t, Options{Kind: ExistingVM, Policy: Shielded}, fabric(t))
	byHand(t, data, d, Payload{}, owner(t), fabric(t))
}

func byHand(t *testing.T, data []byte, d *ShieldingData, want Payload, people ...*guardian.Owner) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "t.pdk", data)
	writeFile(t, dir, "owner.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: owner(t).Signing.Raw}))
	text := tool(t, dir, "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "t.pdk", "-CAfile", "owner.pem", "-purpose", "any")
	var c struct {
		Format, ID, Kind, Policy string
		KeyProtector             []byte
		Volumes                  []struct {
			Name, Version, Rule string
			Signer, Digest      []byte
		}
		Payload struct {
			Algorithm         string
			Nonce, Ciphertext []byte
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	require.Equal(t, "scutum-pdk-1", c.Format)
	require.Equal(t, d.ID.String(), c.ID)
	require.Equal(t, string(d.Kind), c.Kind)
	require.Equal(t, string(d.Policy), c.Policy)
	require.Equal(t, "A256GCM", c.Payload.Algorithm)
	require.Len(t, c.Volumes, len(d.Volumes))
	for i, q := range d.Volumes {
		require.Equal(t, []string{q.Name, q.Version.String(), string(q.Rule)}, []string{c.Volumes[i].Name, c.Volumes[i].Version, c.Volumes[i].Rule})
		require.Equal(t, q.Signer.Raw, c.Volumes[i].Signer)
		require.Equal(t, q.Digest, c.Volumes[i].Digest)
	}

	writeFile(t, dir, "content.json", []byte(text))
	require.Equal(t, len(c.KeyProtector), int(binary.BigEndian.Uint32(c.KeyProtector)))
	wrapped := regexp.MustCompile(`(?s)<(?:\w+:)?Parameters>.*?<(?:\w+:)?CipherValue[^>]*>([^<]+)<`).FindAllSubmatch(c.KeyProtector[4:], -1)
	require.Len(t, wrapped, len(people))
	for i, o := range people {
		cipher, err := base64.StdEncoding.DecodeString(string(wrapped[i][1]))
		require.NoError(t, err)
		writeFile(t, dir, "wrapped", cipher)
		der, err := x509.MarshalPKCS8PrivateKey(o.EncryptionKey.(*rsa.PrivateKey))
		require.NoError(t, err)
		writeFile(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		unwrapped := tool(t, dir, "openssl", "pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "wrapped",
			"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256")
		ours, err := d.KeyProtector.Unwrap(decrypterOf(t, o))
		require.NoError(t, err)
		require.Equal(t, string(ours[:]), unwrapped[len(unwrapped)-32:])
		writeFile(t, dir, "transport", []byte(unwrapped[len(unwrapped)-32:]))

		var p struct {
			AnswerFile *struct {
				Name    string
				Content []byte
			}
			Files []File
		}
		require.NoError(t, json.Unmarshal([]byte(tool(t, dir, "python3", "-c", decrypt)), &p))
		got := Payload{Files: p.Files}
		if p.AnswerFile != nil {
			got.AnswerFile = &File{p.AnswerFile.Name, p.AnswerFile.Content}
		}
		requirePayload(t, want, got)
	}
}

const decrypt = `
import base64, json, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
content = json.load(open("content.json"))
key = HKDF(SHA256(), 32, None, b"scutum pdk payload").derive(open("transport", "rb").read())
nonce, ciphertext = (base64.b64decode(content["payload"][name], validate=True) for name in ("nonce", "ciphertext"))
sys.stdout.buffer.write(AESGCM(key).decrypt(nonce, ciphertext, content["id"].encode()))
`

// tool runs a program in dir, requires that it succeeds, and gives its standard output.
func tool(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	command := exec.Command(name, args...)
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	require.NoError(t, command.Run(), "%s %q: %s", name, args, &stderr)
	return stdout.String()
}

func writeFile(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
}
