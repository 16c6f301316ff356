package rtpm

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

var serverKey = [32]byte{1, 2, 3}

// builtLog is a boot log of a host, in the form that tcglog reads.
func builtLog() *tcglog.Log {
	l := tcglog.New(tcglog.SHA256)
	l.Append(7, tcglog.EFIAction, []byte("Secure Boot would be here"))
	l.Append(7, tcglog.Separator, make([]byte, 4))
	l.Append(11, tcglog.CompactHash, []byte{0x10, 0, 0, 0})
	for _, pcr := range []uint32{12, 13, 14} {
		l.Append(pcr, tcglog.EventTag, tcglog.Tagged{ID: tcglog.CodeIntegrity, Data: []byte{1}}.Bytes())
		l.Append(pcr, tcglog.Separator, []byte("WBCL"))
	}
	return l
}

// An exchange is what went over the wire between an honest host and a server.
type exchange struct {
	session    uuid.UUID
	ek         *EndorsementKey
	challenges [][]byte
	answers    []*hgsa.Answer
}

// record has a server and a host speak to each other, up to the host's last answer, which the server does not get.
func record(t testing.TB, s *Server, e *emulator, ek *EndorsementKey, log []byte) *exchange {
	t.Helper()
	x := &exchange{session: uuid.New(), ek: ek}
	context := s.Begin(x.session, ek)
	for {
		x.challenges = append(x.challenges, context)
		x.answers = append(x.answers, e.Answer(t, context, log))
		if len(x.challenges) == 3 {
			return x
		}
		next, proof, err := s.Continue(x.session, ek, x.answers[len(x.answers)-1].Bytes())
		require.NoError(t, err)
		require.Nil(t, proof)
		context = next
	}
}

func TestExchange(t *testing.T) {
	log := builtLog()
	if data, err := os.ReadFile("/work/shared/testdata/tcglog/x1carbon.bin"); err == nil {
		log, err = tcglog.Parse(data)
		require.NoError(t, err)
	}
	e := startTPM(t)
	e.Measure(t, log)
	ek := e.endorsementKey(t)
	s := NewServer(serverKey)
	for range 5 { // more often than a TPM has room for keys or sessions that nobody flushes
		x := record(t, s, e, ek, log.Bytes())
		next, proof, err := s.Continue(x.session, ek, x.answers[2].Bytes())
		require.NoError(t, err)
		require.Nil(t, next)
		require.Equal(t, e.pcrs(t), proof.PCRs)
		require.Equal(t, device, proof.Device)
		boot, err := proof.Boot()
		require.NoError(t, err)
		require.NotContains(t, boot.Flags(tcglog.CodeIntegrity), false)
		require.Empty(t, e.Tool(t, "tpm2_getcap", "handles-loaded-session"))
		require.Empty(t, e.Tool(t, "tpm2_getcap", "handles-transient"))
	}

	// The log is a claim: whatever is changed in it is not what the PCRs prove.
	x := record(t, s, e, ek, builtLog().Bytes()[:100])
	_, proof, err := s.Continue(x.session, ek, x.answers[2].Bytes())
	require.NoError(t, err)
	_, err = proof.Boot()
	require.ErrorIs(t, err, tcglog.ErrMalformed)
	other := builtLog()
	other.Append(12, tcglog.EventTag, nil)
	x = record(t, s, e, ek, other.Bytes())
	_, proof, err = s.Continue(x.session, ek, x.answers[2].Bytes())
	require.NoError(t, err)
	_, err = proof.Boot()
	var mismatch *tcglog.MismatchError
	require.ErrorAs(t, err, &mismatch)
}

// TestServersContinueEachOther has another server at each request, as after a restart or on another node.
func TestServersContinueEachOther(t *testing.T) {
	e := startTPM(t)
	ek := e.endorsementKey(t)
	session := uuid.New()
	context := NewServer(serverKey).Begin(session, ek)
	var proof *Proof
	for range 3 {
		var err error
		answer := e.Answer(t, context, builtLog().Bytes()).Bytes()
		_, _, err = NewServer([32]byte{9}).Continue(session, ek, answer)
		require.ErrorIs(t, err, ErrContext)
		context, proof, err = NewServer(serverKey).Continue(session, ek, answer)
		require.NoError(t, err)
	}
	require.Equal(t, e.pcrs(t), proof.PCRs)
}

// TestSlowHost takes its time for every answer: what it may take counts from the beginning.
func TestSlowHost(t *testing.T) {
	e := startTPM(t)
	ek := e.endorsementKey(t)
	session := uuid.New()
	s := NewServer(serverKey)
	at := time.Now()
	s.now = func() time.Time { return at }
	context := s.Begin(session, ek)
	for range 2 {
		at = at.Add(Lifetime/2 - time.Second)
		var err error
		context, _, err = s.Continue(session, ek, e.Answer(t, context, nil).Bytes())
		require.NoError(t, err)
	}
	at = at.Add(2 * time.Second)
	_, _, err := s.Continue(session, ek, e.Answer(t, context, builtLog().Bytes()).Bytes())
	require.ErrorIs(t, err, ErrContext)
}

func TestContextsRefused(t *testing.T) {
	e := startTPM(t)
	ek := e.endorsementKey(t)
	log := builtLog().Bytes()
	fresh := func() *Server { return NewServer(serverKey) } // with nothing remembered
	a, b := record(t, fresh(), e, ek, log), record(t, fresh(), e, ek, log)
	otherTPM := startTPM(t)
	otherEK := otherTPM.endorsementKey(t)
	c := record(t, fresh(), otherTPM, otherEK, log)

	refuse := func(t *testing.T, s *Server, session uuid.UUID, ek *EndorsementKey, answer *hgsa.Answer, want error) {
		t.Helper()
		next, proof, err := s.Continue(session, ek, answer.Bytes())
		require.ErrorIs(t, err, want)
		require.Nil(t, next)
		require.Nil(t, proof)
	}
	t.Run("replayed", func(t *testing.T) {
		s := fresh()
		for _, answer := range a.answers {
			_, _, err := s.Continue(a.session, ek, answer.Bytes())
			require.NoError(t, err)
			refuse(t, s, a.session, ek, answer, ErrContext)
		}
	})
	t.Run("old", func(t *testing.T) {
		for _, answer := range a.answers {
			s := fresh()
			s.now = func() time.Time { return time.Now().Add(Lifetime) }
			refuse(t, s, a.session, ek, answer, ErrContext)
			s.now = func() time.Time { return time.Now().Add(Lifetime - time.Minute) }
			_, _, err := s.Continue(a.session, ek, answer.Bytes())
			require.NoError(t, err)
		}
	})
	t.Run("of another session", func(t *testing.T) {
		for _, answer := range a.answers {
			refuse(t, fresh(), b.session, ek, answer, ErrContext)
		}
	})
	t.Run("of another host", func(t *testing.T) {
		for _, answer := range a.answers {
			refuse(t, fresh(), a.session, otherEK, answer, ErrContext)
		}
	})
	t.Run("reordered", func(t *testing.T) {
		for i := range a.answers {
			for j := range a.answers {
				if i == j {
					continue
				}
				answer := *a.answers[j]
				answer.State = a.answers[i].State
				next, proof, err := fresh().Continue(a.session, ek, answer.Bytes())
				require.Error(t, err, "state %d with answer %d", i, j)
				require.Nil(t, next)
				require.Nil(t, proof)
			}
		}
	})
	t.Run("mixed", func(t *testing.T) {
		// The same TPM's PCRs in another session, and another TPM's.
		for _, from := range []*exchange{b, c} {
			answer := *from.answers[2]
			answer.State = a.answers[2].State
			refuse(t, fresh(), a.session, ek, &answer, ErrProof)
		}
		answer := *c.answers[0]
		answer.State = a.answers[0].State
		refuse(t, fresh(), a.session, ek, &answer, ErrProof)

		// Another session's nonce: the TPM refuses the command that comes of it.
		answer = *a.answers[1]
		answer.Responses = slices.Clone(answer.Responses)
		answer.Responses[0] = bytes.Clone(answer.Responses[0])
		copy(answer.Responses[0][16:], bytes.Repeat([]byte{7}, 32))
		next, _, err := fresh().Continue(a.session, ek, answer.Bytes())
		require.NoError(t, err)
		s := fresh()
		context := s.Begin(a.session, ek)
		context, _, err = s.Continue(a.session, ek, e.Answer(t, context, log).Bytes())
		require.NoError(t, err)
		started := e.Answer(t, context, log)
		handle := started.Responses[0][10:14]
		command, err := hgsa.ParseChallenge(next)
		require.NoError(t, err)
		copy(command.Commands[0][14:], handle)
		refused := e.Answer(t, command.Bytes(), log)
		_, _, err = fresh().Continue(a.session, ek, refused.Bytes())
		var code *ResponseError
		require.ErrorAs(t, err, &code)
		require.Equal(t, "PCR_Read", code.Command)
		require.ErrorContains(t, err, "the host's TPM refused PCR_Read: TPM_RC_")
		e.Tool(t, "tpm2_flushcontext", "-l")
	})
	t.Run("altered state", func(t *testing.T) {
		for i, answer := range a.answers {
			good := answer.Bytes()
			for at := range hgsa.EncContextSize + hgsa.StateSize {
				bad := bytes.Clone(good)
				bad[16+at] ^= 0x40
				_, _, err := fresh().Continue(a.session, ek, bad)
				require.ErrorIs(t, err, ErrContext, "byte %d of answer %d", at, i)
			}
		}
	})
	t.Run("altered PCRs", func(t *testing.T) {
		response := a.answers[2].Responses[0]
		for at := range response {
			answer := *a.answers[2]
			bad := bytes.Clone(response)
			bad[at] ^= 1
			answer.Responses = [][]byte{bad}
			_, _, err := fresh().Continue(a.session, ek, answer.Bytes())
			require.Error(t, err, "byte %d", at)
		}
	})
	t.Run("incomplete", func(t *testing.T) {
		answer := *a.answers[2]
		answer.Device, answer.Log = nil, nil
		refuse(t, fresh(), a.session, ek, &answer, hgsa.ErrMessage)
		answer = *a.answers[0]
		answer.Device, answer.Log = &device, log
		refuse(t, fresh(), a.session, ek, &answer, hgsa.ErrMessage)
		answer = *a.answers[0]
		answer.Responses = append(slices.Clone(answer.Responses), answer.Responses[0])
		refuse(t, fresh(), a.session, ek, &answer, hgsa.ErrMessage)
		_, _, err := fresh().Continue(a.session, ek, nil)
		require.ErrorIs(t, err, hgsa.ErrMessage)
	})
}

// TestImpostors lets hosts answer that know a registered host's endorsement key, which is public, but do not have its TPM.
func TestImpostors(t *testing.T) {
	victim, own := startTPM(t), startTPM(t)
	ek := victim.endorsementKey(t)
	log := builtLog().Bytes()
	own.Measure(t, builtLog()) // the state in which it would like to be
	s := NewServer(serverKey)
	session := uuid.New()

	answer := own.Answer(t, s.Begin(session, ek), log)
	_, _, err := s.Continue(session, ek, answer.Bytes())
	require.ErrorIs(t, err, ErrProof)
	require.ErrorContains(t, err, "the host's TPM has another one")

	// It says that its TPM made the victim's key. Its TPM cannot decrypt the salt.
	answer = own.Answer(t, s.Begin(session, ek), log)
	public := ek.Bytes()
	copy(answer.Responses[0][18:], public)
	next, _, err := s.Continue(session, ek, answer.Bytes())
	require.NoError(t, err)
	c, err := hgsa.ParseChallenge(next)
	require.NoError(t, err)
	refused := own.Send(t, c.Commands[0])
	_, _, err = s.Continue(session, ek, (&hgsa.Answer{State: c.State, Responses: [][]byte{refused}}).Bytes())
	var code *ResponseError
	require.ErrorAs(t, err, &code)
	require.Equal(t, "StartAuthSession", code.Command)

	// It makes up the responses, as if the salt were zeros.
	x := record(t, NewServer(serverKey), own, own.endorsementKey(t), log)
	answer = &hgsa.Answer{State: c.State, Responses: x.answers[1].Responses}
	next, _, err = NewServer(serverKey).Continue(session, ek, answer.Bytes())
	require.NoError(t, err)
	c, err = hgsa.ParseChallenge(next)
	require.NoError(t, err)
	nonceCaller := c.Commands[0][20:52]
	key := sessionKey(make([]byte, 32), make([]byte, 32), make([]byte, 32))
	forged := signedResponse(key[:], nonceCaller, goodParameters())
	_, _, err = s.Continue(session, ek, (&hgsa.Answer{State: c.State, Responses: [][]byte{forged}, Device: &device, Log: log}).Bytes())
	require.ErrorIs(t, err, ErrProof)
}

// goodParameters are the parameters of a response to PCR_Read.
func goodParameters() []byte {
	b := slices.Concat(number32(1), selection, number32(uint32(len(tcglog.Proven))))
	for range tcglog.Proven {
		b = append(b, sized(make([]byte, 32))...)
	}
	return b
}

// signedResponse is a response to PCR_Read by a TPM that knows the key.
func signedResponse(key, nonceCaller, parameters []byte) []byte {
	nonce, attributes := bytes.Repeat([]byte{5}, 32), []byte{attributeAudit}
	signed := sha256.Sum256(slices.Concat(number32(0), number32(0x17e), parameters))
	mac := authenticate(key, signed[:], nonce, nonceCaller, attributes)
	return response(tagSessions, 0, number32(uint32(len(parameters))), parameters, sized(nonce), attributes, sized(mac))
}

func response(tag uint16, code uint32, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	b := binary.BigEndian.AppendUint16(nil, tag)
	b = append(b, number32(uint32(10+len(body)))...)
	return append(append(b, number32(code)...), body...)
}

func TestResponsesRefused(t *testing.T) {
	key, nonce := make([]byte, 32), make([]byte, 32)
	good := goodParameters()
	patch := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	_, err := parsePCRRead(signedResponse(key, nonce, good), key, nonce)
	require.NoError(t, err)
	for name, parameters := range map[string][]byte{ // by a TPM whose HMAC is right
		"nothing":        nil,
		"cut":            good[:len(good)-1],
		"rest":           append(bytes.Clone(good), 0),
		"SHA-1":          patch(8, 0, 4),
		"no PCRs":        slices.Concat(number32(1), number32(0), number32(0)),
		"fewer PCRs":     patch(11, 0x80, 0x38),
		"fewer digests":  patch(14, 0, 0, 0, 4),
		"short digest":   patch(18, 0, 31),
		"a huge digest":  patch(18, 0xff, 0xff),
		"PCR 23 instead": patch(13, 0x80),
	} {
		_, err := parsePCRRead(signedResponse(key, nonce, parameters), key, nonce)
		require.ErrorIs(t, err, hgsa.ErrMessage, name)
	}
	for name, c := range map[string]struct {
		parse    func([]byte) error
		response []byte
	}{
		"primary, persistent handle": {readPrimary, response(tagSessions, 0, number32(0x81010001), number32(2), sized(nil))},
		"primary, cut":               {readPrimary, response(tagSessions, 0, number32(0x80000000), number32(2), []byte{0, 1})},
		"primary, no sessions":       {readPrimary, response(tagNoSessions, 0, number32(0x80000000), number32(2), sized(nil))},
		"primary, nothing":           {readPrimary, nil},
		"session, policy handle":     {readSession, response(tagNoSessions, 0, number32(0x03000000), sized(nonce))},
		"session, short nonce":       {readSession, response(tagNoSessions, 0, number32(0x02000000), sized(nonce[:15]))},
		"session, long nonce":        {readSession, response(tagNoSessions, 0, number32(0x02000000), sized(make([]byte, 33)))},
		"session, rest":              {readSession, response(tagNoSessions, 0, number32(0x02000000), sized(nonce), []byte{0})},
		"PCRs, huge size":            {readPCRs, response(tagSessions, 0, number32(0xffffffff))},
		"PCRs, no session":           {readPCRs, response(tagSessions, 0, number32(uint32(len(good))), good)},
	} {
		require.ErrorIs(t, c.parse(c.response), hgsa.ErrMessage, name)
	}
	var code *ResponseError
	require.ErrorAs(t, readPrimary(response(tagNoSessions, 0x9a2)), &code)
	require.EqualError(t, code, "the host's TPM refused CreatePrimary: TPM_RC_BAD_AUTH (session 1): authorization failure without DA implications")
	require.False(t, code.Temporary())
	require.True(t, (&ResponseError{Code: 0x922}).Temporary())
	require.False(t, (&ResponseError{Code: 0x101}).Temporary())
}

func readPrimary(b []byte) error { _, _, err := parseCreatePrimary(b); return err }
func readSession(b []byte) error { _, _, err := parseStartAuthSession(b); return err }
func readPCRs(b []byte) error    { _, err := parsePCRRead(b, nil, nil); return err }

func TestEndorsementKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ek, err := NewEndorsementKey(&key.PublicKey)
	require.NoError(t, err)
	again, err := ParseEndorsementKey(ek.Bytes())
	require.NoError(t, err)
	require.True(t, ek.Equal(again))
	require.Equal(t, ek.Digest(), again.Digest())
	require.True(t, key.PublicKey.Equal(again.Public()))
	for at, b := range ek.Bytes()[:2+len(template)] {
		bad := ek.Bytes()
		bad[at] = b ^ 1
		_, err := ParseEndorsementKey(bad)
		require.ErrorIs(t, err, ErrEndorsementKey)
	}
	for _, bad := range [][]byte{nil, ek.Bytes()[1:], append(ek.Bytes(), 0), ek.Bytes()[:len(template)+2]} {
		_, err := ParseEndorsementKey(bad)
		require.ErrorIs(t, err, ErrEndorsementKey)
	}
	large, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	odd := key.PublicKey
	odd.E = 3
	for _, bad := range []*rsa.PublicKey{{}, &large.PublicKey, &odd} {
		_, err := NewEndorsementKey(bad)
		require.ErrorIs(t, err, ErrEndorsementKey)
	}
}

// TestMemory fills it: the oldest are forgotten, the newest are not, and it does not grow.
func TestMemory(t *testing.T) {
	m := newMemory(4)
	for i := range byte(20) {
		require.True(t, m.add([nonceSize]byte{i}), i)
		require.False(t, m.add([nonceSize]byte{i}))
		require.False(t, m.add([nonceSize]byte{i - min(i, 3)}))
		require.LessOrEqual(t, len(m.known), 4)
	}
	require.True(t, m.add([nonceSize]byte{1}))
}

// FuzzContinue has a host answer each of the three challenges with whatever it likes.
func FuzzContinue(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(f, err)
	ek, err := NewEndorsementKey(&key.PublicKey)
	require.NoError(f, err)
	f.Add(uint8(1), response(tagSessions, 0, number32(0x80000000), number32(2), ek.Bytes()), false)
	f.Add(uint8(2), response(tagNoSessions, 0, number32(0x02000000), sized(make([]byte, 32))), false)
	f.Add(uint8(3), signedResponse(make([]byte, 32), make([]byte, 32), goodParameters()), true)
	f.Add(uint8(3), response(tagNoSessions, 0x922), true)
	session := uuid.New()
	s := NewServer(serverKey)
	f.Fuzz(func(t *testing.T, number uint8, blob []byte, withLog bool) {
		sealed := s.seal(session, ek, &state{step: step(number), expires: time.Now().Add(time.Minute)})
		a := &hgsa.Answer{State: sealed, Responses: [][]byte{blob}}
		if withLog {
			a.Device, a.Log = &device, []byte{1}
		}
		next, proof, err := s.Continue(session, ek, a.Bytes())
		count := 0
		for _, is := range []bool{next != nil, proof != nil, err != nil} {
			if is {
				count++
			}
		}
		require.Equal(t, 1, count, fmt.Sprint(next, proof, err))
		if next != nil {
			_, err := hgsa.ParseChallenge(next)
			require.NoError(t, err)
		}
		_, _, _ = s.Continue(session, ek, blob)
	})
}
