// Package rtpm is the service's side of the remote-TPM exchange (MS-HGSA sections 2.2.2.25 to 2.2.2.27): it speaks to the TPM
// of a host through the host, which it does not trust, and comes to know what PCRs the TPM with a known endorsement key has now.
//
// The service encrypts a salt to the endorsement key and starts a session with it, so that nobody but the TPM with that key can
// compute the session's HMACs; in that session the TPM reads its PCRs. Three commands, each in a request of its own:
//
//	CreatePrimary      makes the endorsement key usable; gives its handle
//	StartAuthSession   salted with that key; gives the TPM's nonce
//	PCR_Read           with an HMAC by either side; gives the PCRs, and ends the session
//
// A service keeps nothing between two requests: its state travels with the host, encrypted. Only that a state was used
// already is remembered, as far as memory goes; nothing that is proved depends on it. The package never decides who may attest.
package rtpm

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Lifetime is how long an attestation may take. Some TPMs need half a minute to make an endorsement key.
const Lifetime = 5 * time.Minute

// Errors of an exchange. Besides, there are hgsa.ErrMessage, where a context does not have the form of one, and *ResponseError.
var (
	ErrContext = errors.New("the context is not one that continues this attestation") // another attempt from the start may do better
	ErrProof   = errors.New("the TPM did not prove that it has the endorsement key")
)

// A Server speaks to the TPMs of hosts. Its methods may be called at the same time.
type Server struct {
	aead cipher.AEAD
	used *memory
	now  func() time.Time
}

// NewServer makes a server. All servers that share the key continue each other's attestations.
func NewServer(key [32]byte) *Server {
	return &Server{aead: newAEAD(key), used: newMemory(maxUsed), now: time.Now}
}

// A Proof is what a finished exchange gives. The TPM with the endorsement key had these PCRs, of bank SHA-256, after Begin was
// called. Device and Log are the host's claims.
type Proof struct {
	PCRs   tcglog.PCRs
	Device hgsa.DeviceInfo
	Log    []byte
}

// Boot reads the log and gives what the PCRs prove of it. It fails as tcglog.Parse and tcglog.Log.Prove do.
func (p *Proof) Boot() (*tcglog.Boot, error) {
	l, err := tcglog.Parse(p.Log)
	if err != nil {
		return nil, err
	}
	return l.Prove(tcglog.SHA256, p.PCRs)
}

// Begin starts an attestation of the host with an endorsement key, and gives the context to be sent.
func (s *Server) Begin(session uuid.UUID, ek *EndorsementKey) []byte {
	return s.challenge(session, ek, &state{step: stepCreatePrimary, expires: s.now().Add(Lifetime)}, createPrimary())
}

// Continue takes the context that a host sent for a session and an endorsement key, which are to be those of Begin. It gives
// the next context to be sent, or in the end the proof.
func (s *Server) Continue(session uuid.UUID, ek *EndorsementKey, context []byte) (next []byte, proof *Proof, err error) {
	answer, err := hgsa.ParseAnswer(context)
	if err != nil {
		return nil, nil, err
	}
	st, err := s.open(session, ek, &answer.State)
	if err != nil {
		return nil, nil, err
	}
	defer st.clear()
	if len(answer.Responses) != 1 || (answer.Device != nil) != (st.step == stepReadPCRs) {
		return nil, nil, fmt.Errorf("%w: one response is needed, and device and log when the PCRs were read", hgsa.ErrMessage)
	}
	response := answer.Responses[0]
	switch st.step {
	case stepCreatePrimary:
		next, err = s.startSession(session, ek, st, response)
	case stepStartSession:
		next, err = s.readPCRs(session, ek, st, response)
	case stepReadPCRs:
		proof, err = finish(st, response, answer)
	}
	return next, proof, err
}

// startSession takes the response to CreatePrimary. Nothing proves it: it gives the handle, and tells a host early that its TPM
// has another endorsement key.
func (s *Server) startSession(session uuid.UUID, ek *EndorsementKey, st *state, response []byte) ([]byte, error) {
	handle, public, err := parseCreatePrimary(response)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(public, ek.Bytes()) {
		return nil, fmt.Errorf("%w: the host's TPM has another one", ErrProof)
	}
	next := &state{step: stepStartSession, expires: st.expires}
	defer next.clear()
	_, _ = rand.Read(next.secret[:]) // crypto/rand never fails
	_, _ = rand.Read(next.nonce[:])
	salt, err := ek.encryptSalt(next.secret[:])
	if err != nil {
		return nil, err
	}
	return s.challenge(session, ek, next, startAuthSession(handle, next.nonce[:], salt)), nil
}

// readPCRs takes the response to StartAuthSession, and derives the session key. Whether the TPM has it shows in its next HMAC.
func (s *Server) readPCRs(session uuid.UUID, ek *EndorsementKey, st *state, response []byte) ([]byte, error) {
	handle, nonceTPM, err := parseStartAuthSession(response)
	if err != nil {
		return nil, err
	}
	next := &state{step: stepReadPCRs, expires: st.expires, secret: sessionKey(st.secret[:], nonceTPM, st.nonce[:])}
	defer next.clear()
	_, _ = rand.Read(next.nonce[:])
	return s.challenge(session, ek, next, pcrRead(handle, next.secret[:], next.nonce[:], nonceTPM)), nil
}

// finish takes the response to PCR_Read, whose HMAC proves everything.
func finish(st *state, response []byte, answer *hgsa.Answer) (*Proof, error) {
	pcrs, err := parsePCRRead(response, st.secret[:], st.nonce[:])
	if err != nil {
		return nil, err
	}
	return &Proof{PCRs: pcrs, Device: *answer.Device, Log: answer.Log}, nil
}

func (s *Server) challenge(session uuid.UUID, ek *EndorsementKey, st *state, command []byte) []byte {
	return (&hgsa.Challenge{State: s.seal(session, ek, st), Commands: [][]byte{command}}).Bytes()
}
