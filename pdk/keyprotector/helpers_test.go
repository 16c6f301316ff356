package keyprotector

import (
	"crypto/rsa"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

// person gives a guardian with its keys, the same one for a name and kind of signing key. Its encryption key is RSA.
func person(t testing.TB, name string, kind signing.KeyKind) *guardian.Owner {
	t.Helper()
	peopleLock.Lock()
	defer peopleLock.Unlock()
	if people[name+string(kind)] == nil {
		signer, err := signing.NewLabIdentity(name+" signing", kind, time.Hour)
		require.NoError(t, err)
		encryption, err := signing.NewLabIdentity(name+" encryption", signing.RSA2048, time.Hour)
		require.NoError(t, err)
		people[name+string(kind)], err = guardian.ImportOwner(name, signer, encryption)
		require.NoError(t, err)
	}
	return people[name+string(kind)]
}

var (
	people     = map[string]*guardian.Owner{}
	peopleLock sync.Mutex
)

// The people of the tests. Mallory was granted nothing, but where a test says so.
func owner(t testing.TB) *guardian.Owner   { return person(t, "owner", signing.RSA2048) }
func fabric(t testing.TB) *guardian.Owner  { return person(t, "fabric", signing.RSA3072) }
func branch(t testing.TB) *guardian.Owner  { return person(t, "branch", signing.P256) }
func mallory(t testing.TB) *guardian.Owner { return person(t, "mallory", signing.P384) }

// public is what others know of a guardian: its metadata.
func public(t testing.TB, o *guardian.Owner) *guardian.Guardian {
	t.Helper()
	metadata, err := o.Metadata()
	require.NoError(t, err)
	g, err := guardian.ParseMetadata(metadata)
	require.NoError(t, err)
	g.Name = o.Name
	return g
}

func publics(t testing.TB, people ...*guardian.Owner) (guardians []*guardian.Guardian) {
	t.Helper()
	for _, o := range people {
		guardians = append(guardians, public(t, o))
	}
	return guardians
}

func newProtector(t testing.TB, guardians ...*guardian.Owner) (*Protector, TransportKey) {
	t.Helper()
	p, key, err := New(owner(t), publics(t, guardians...))
	require.NoError(t, err)
	return p, key
}

func decrypter(o *guardian.Owner) *rsa.PrivateKey { return o.EncryptionKey.(*rsa.PrivateKey) }

// requireOpens requires that each of them, and none of the others, gets that transport key.
func requireOpens(t testing.TB, p *Protector, key TransportKey, who ...*guardian.Owner) {
	t.Helper()
	require.Len(t, p.Wrappings(), len(who))
	for _, o := range who {
		got, err := p.Unwrap(decrypter(o))
		require.NoError(t, err, o.Name)
		require.True(t, got == key, o.Name)
	}
}

func requireNotGranted(t testing.TB, p *Protector, who ...*guardian.Owner) {
	t.Helper()
	for _, o := range who {
		got, err := p.Unwrap(decrypter(o))
		require.ErrorIs(t, err, ErrNotGranted, o.Name)
		require.True(t, got == TransportKey{})
	}
}

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
