package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// tenants own the virtual machines.
const tenants = 10

// A fabric is a service with hosts and virtual machines.
type fabric struct {
	hosts    []*host   // that start
	machines []machine // one for each place of a host, of all tenants in turn
}

// A host has a key of its own for everything.
type host struct {
	name        string
	identity    *rsa.PrivateKey
	attestation []byte // its request
	certificate []byte // its health certificate, once it has attested
}

type machine struct {
	protector []byte
	key       keyprotector.TransportKey
}

// newFabric makes the state of a service in the folder hgs of dir, and all keys, which takes some seconds.
func newFabric(ctx context.Context, dir string, p plan) (*fabric, error) {
	service, err := guardian.NewOwner("hgs.example.com", 2048, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "hgs")
	err = hgsserver.Init(path, hgsserver.Settings{Name: "hgs.example.com", Mode: hgsserver.ModeHostKey},
		&signing.Identity{Certificate: service.Signing, Key: service.SigningKey}, &signing.Identity{Certificate: service.Encryption, Key: service.EncryptionKey}, passphrase)
	if err != nil {
		return nil, err
	}
	f := &fabric{}
	if err := f.makeHosts(ctx, filepath.Join(path, hgsserver.StateFile), p); err != nil {
		return nil, err
	}
	document, err := service.Metadata()
	if err != nil {
		return nil, err
	}
	grantee, err := guardian.ParseMetadata(document)
	if err != nil {
		return nil, err
	}
	f.machines = make([]machine, tenants*p.machines)
	return f, parallel(ctx, tenants, func(tenant int) error {
		owner, err := guardian.NewOwner(fmt.Sprintf("tenant %d", tenant), 2048, 24*time.Hour)
		if err != nil {
			return err
		}
		for i := range p.machines {
			protector, key, err := keyprotector.New(owner, []*guardian.Guardian{grantee})
			if err != nil {
				return err
			}
			f.machines[tenant*p.machines+i] = machine{protector.Bytes(), key}
		}
		return nil
	})
}

// makeHosts makes the hosts and registers them and others, in one transaction of the store.
func (f *fabric) makeHosts(ctx context.Context, state string, p plan) error {
	identities, err := newIdentities(ctx, p.hosts)
	if err != nil {
		return err
	}
	st, err := store.Open(state, passphrase)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Update(func(tx *store.Tx) error {
		for i := range p.registered {
			name := fmt.Sprintf("host%05d", i)
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return err
			}
			public, err := x509.MarshalPKIXPublicKey(key.Public())
			if err != nil {
				return err
			}
			registered, err := attestation.NewHostKey(name, public)
			if err != nil {
				return err
			}
			value, err := json.Marshal(registered)
			if err != nil {
				return err
			}
			if err := tx.Put(store.HostKeys, name, value); err != nil {
				return err
			}
			if i < p.hosts {
				h := &host{name: name, identity: identities[i]}
				if h.attestation, err = attestationRequest(key, public, h.identity); err != nil {
					return err
				}
				f.hosts = append(f.hosts, h)
			}
		}
		return nil
	})
}

func attestationRequest(key *ecdsa.PrivateKey, public []byte, identity *rsa.PrivateKey) ([]byte, error) {
	identityKey, err := x509.MarshalPKIXPublicKey(identity.Public())
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(&hgsa.EndorsementKey{Key: identityKey})
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(public)
	h.Write(content)
	signature, err := key.Sign(rand.Reader, h.Sum(nil), crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return json.Marshal(&hgsa.AttestationRequest{SessionID: uuid.New(), Requested: []hgsa.ResultType{hgsa.EncryptionKeyCertificate},
		Provided: []hgsa.Provided{{Type: hgsa.VSMIdentityKey, Content: content}, {Type: hgsa.HostKeyPublicKey, Content: public},
			{Type: hgsa.HostKeySignature, Content: signature}}})
}

// newIdentities makes different RSA keys of 2048 bits out of all pairs of some primes: good enough for hosts that do not exist,
// and many times as fast.
func newIdentities(ctx context.Context, n int) ([]*rsa.PrivateKey, error) {
	count := 2
	for count*(count-1)/2 < n {
		count += 2
	}
	primes := make([]*big.Int, count)
	err := parallel(ctx, count/2, func(i int) error {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err == nil {
			copy(primes[2*i:], key.Primes)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	keys := make([]*rsa.PrivateKey, 0, n)
	for i, p := range primes {
		for _, q := range primes[:i] {
			if len(keys) < n {
				keys = append(keys, identityOf(p, q))
			}
		}
	}
	return keys, parallel(ctx, n, func(i int) error {
		keys[i].Precompute()
		return keys[i].Validate()
	})
}

func identityOf(p, q *big.Int) *rsa.PrivateKey {
	one := big.NewInt(1)
	order := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, Primes: []*big.Int{p, q}}
	key.D = new(big.Int).ModInverse(big.NewInt(int64(key.E)), order)
	return key
}

// parallel calls a function with all numbers below n, on all cores, until it fails or ctx ends.
func parallel(ctx context.Context, n int, do func(int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range numbers {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
	return context.Cause(ctx)
}
