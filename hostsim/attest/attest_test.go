package attest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
)

// A bench is a service in host key mode that knows one host, whose replies a test can change on their way.
type bench struct {
	signer   *health.Signer
	key      *ecdsa.PrivateKey
	identity *Identity
	private  [2]*rsa.PrivateKey
	change   func(path string, reply hgsa.Reply) hgsa.Reply
	client   *Client
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{}
	var err error
	b.signer, err = health.NewSigner("hgs.example.com", time.Now().Add(-24*time.Hour))
	require.NoError(t, err)
	b.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(b.key.Public())
	require.NoError(t, err)
	for i := range b.private {
		b.private[i], err = rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
	}
	b.identity = &Identity{&b.private[0].PublicKey, &b.private[1].PublicKey}
	service := attestation.New([32]byte{1}, func(attestation.Report) error { return nil }, slog.New(slog.DiscardHandler))
	require.NoError(t, service.Configure(attestation.Config{
		Mode: hgsa.ModeHostKey, HostKeys: []attestation.HostKey{{Name: "host1", Key: public}}, Signers: []*health.Signer{b.signer},
	}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.change == nil {
			service.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		service.ServeHTTP(recorder, r)
		reply, err := hgsa.ParseReply(recorder.Body.Bytes())
		if err == nil {
			reply = b.change(r.URL.Path, reply)
		}
		body, err := json.Marshal(reply)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	b.client = &Client{HTTP: server.Client(), Server: server.URL + "/"}
	return b
}

func (b *bench) attest(t *testing.T) (*Certificates, error) {
	info, err := b.client.Info(t.Context())
	require.NoError(t, err)
	return b.client.HostKey(t.Context(), info, b.key, b.identity)
}

func TestHostKey(t *testing.T) {
	b := newBench(t)
	c, err := b.attest(t)
	require.NoError(t, err)
	require.Equal(t, hgsa.ModeHostKey, c.Mode)
	require.Equal(t, b.identity.Encryption, c.Encryption.PublicKey)
	require.Nil(t, c.Signing)

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	b.key = other
	_, err = b.attest(t)
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, hgsa.UnauthorizedError, refusal.Reply.Name)
	require.ErrorContains(t, err, "UnauthorizedErrorReply: the host is not registered")
	require.False(t, Unavailable(err))
}

// TestOtherAnswers has a service, or somebody on the way, answer something else.
func TestOtherAnswers(t *testing.T) {
	b := newBench(t)
	issue := func(change func(*health.Statement), at time.Time) []byte {
		st := &health.Statement{Host: "host1", Type: hgsa.EncryptionKeyCertificate, Mode: hgsa.ModeHostKey, Key: b.identity.Encryption}
		change(st)
		c, err := b.signer.Issue(st, at)
		require.NoError(t, err)
		return c.Raw
	}
	same, now := func(*health.Statement) {}, time.Now()
	certificate := func(kind hgsa.ResultType, der ...[]byte) hgsa.Reply {
		r := &hgsa.HealthCertificateReply{}
		for _, d := range der {
			r.Content = append(r.Content, hgsa.Result{Type: kind, Content: d})
		}
		return r
	}
	const kind = hgsa.EncryptionKeyCertificate
	b.change = func(_ string, reply hgsa.Reply) hgsa.Reply { return reply }
	_, err := b.attest(t)
	require.NoError(t, err)
	for name, reply := range map[string]hgsa.Reply{
		"a certificate for another key": certificate(kind, issue(func(st *health.Statement) { st.Key = b.identity.Signing }, now)),
		"of another mode":               certificate(kind, issue(func(st *health.Statement) { st.Mode = hgsa.ModeTPM }, now)),
		"for signing":                   certificate(kind, issue(func(st *health.Statement) { st.Type = hgsa.SigningKeyCertificate }, now)),
		"of an earlier request":         certificate(kind, issue(same, now.Add(-time.Hour))),
		"that has ended":                certificate(kind, issue(same, now.Add(-9*time.Hour))),
		"of tomorrow":                   certificate(kind, issue(same, now.Add(9*time.Hour))),
		"not asked for":                 certificate(hgsa.SigningKeyCertificate, issue(same, now)),
		"no certificate":                certificate(kind, []byte("x")),
		"another one than of health":    certificate(kind, b.signer.Certificate.Raw),
		"something else":                &hgsa.ServiceInfoReply{OperationMode: hgsa.ModeHostKey, FunctionalLevel: 2},
	} {
		t.Run(name, func(t *testing.T) {
			b.change = func(path string, given hgsa.Reply) hgsa.Reply {
				if path == "/Attestation/getinfo" {
					return given
				}
				return reply
			}
			_, err := b.attest(t)
			require.ErrorIs(t, err, ErrAnswer)
			require.False(t, Unavailable(err))
		})
	}
	b.change = func(string, hgsa.Reply) hgsa.Reply { return certificate(kind, issue(same, now)) }
	_, err = b.client.Info(t.Context())
	require.ErrorIs(t, err, ErrAnswer)
}

func TestRefusal(t *testing.T) {
	unknown := uuid.New()
	r := &Refusal{Server: "http://hgs", Reply: &hgsa.ErrorReply{Name: hgsa.PolicyEvaluationError, Reasons: []hgsa.Evaluation{
		{Result: true, Reason: policy.BuiltIn()[0].GUID}, {Reason: policy.BuiltIn()[1].GUID}, {Reason: unknown},
	}}}
	require.Equal(t, []string{policy.BuiltIn()[1].Name, unknown.String()}, r.Failed())
	require.Equal(t, "the attestation service at http://hgs refused with PolicyEvaluationErrorReply: the boot does not meet its policies: "+
		policy.BuiltIn()[1].Name+", "+unknown.String(), r.Error())
	require.Equal(t, "it does not say why", (&Refusal{Reply: &hgsa.ErrorReply{}}).Reason())
	require.True(t, Unavailable(&Refusal{Reply: &hgsa.ErrorReply{Name: hgsa.UnavailableError}}))
}

func TestUnavailable(t *testing.T) {
	b := newBench(t)
	server := httptest.NewServer(http.NotFoundHandler())
	c := &Client{HTTP: http.DefaultClient, Server: server.URL}
	_, err := c.Info(t.Context())
	require.ErrorContains(t, err, "status 404: is the address right?")
	require.True(t, Unavailable(err))
	server.Close()
	_, err = c.Info(t.Context())
	require.True(t, Unavailable(err))
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.client.Info(stopped)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, Unavailable(err))

	_, err = c.TPM(t.Context(), &hgsa.ServiceInfoReply{OperationMode: hgsa.ModeAD}, nil, nil)
	require.ErrorIs(t, err, ErrMode)
	_, err = c.HostKey(t.Context(), &hgsa.ServiceInfoReply{OperationMode: hgsa.ModeHostKey, FunctionalLevel: 1}, nil, nil)
	require.ErrorIs(t, err, ErrMode)
}

// TestCommands shows that a service gets no other commands run than those of attestation.
func TestCommands(t *testing.T) {
	command := func(code uint32, body ...byte) []byte {
		b := binary.BigEndian.AppendUint32([]byte{0x80, 0x01, 0, 0, 0, byte(10 + len(body))}, code)
		return append(b, body...)
	}
	for name, c := range map[string]struct {
		command []byte
		ok      bool
	}{
		"CreatePrimary of the endorsement hierarchy": {command(0x131, 0x40, 0, 0, 0x0b), true},
		"CreatePrimary of the owner's":               {command(0x131, 0x40, 0, 0, 0x01), false},
		"CreatePrimary, cut off":                     {command(0x131, 0x40), false},
		"StartAuthSession":                           {command(0x176, 0x80, 0, 0, 0, 0x40, 0, 0, 7), true},
		"StartAuthSession, cut off":                  {command(0x176), false},
		"PCR_Read":                                   {command(0x17e), true},
		"PCR_Extend":                                 {command(0x182, 0, 0, 0, 7), false},
		"Clear":                                      {command(0x126, 0x40, 0, 0, 0x0c), false},
		"Unseal":                                     {command(0x15e, 0x80, 0, 0, 0), false},
		"NV_Read":                                    {command(0x14e), false},
	} {
		t.Run(name, func(t *testing.T) {
			ran := 0
			r := &runner{Measured: &Measured{Log: []byte("log"), Send: func([]byte) ([]byte, error) {
				ran++
				return []byte{0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01}, nil
			}}}
			answer, err := r.answer((&hgsa.Challenge{Commands: [][]byte{c.command}}).Bytes())
			if !c.ok {
				require.ErrorIs(t, err, ErrCommand)
				require.Zero(t, ran)
				return
			}
			require.NoError(t, err)
			a, err := hgsa.ParseAnswer(answer)
			require.NoError(t, err)
			require.Equal(t, name == "PCR_Read", a.Log != nil)
		})
	}
}

// TestClean shows that an exchange that breaks off leaves nothing in the TPM.
func TestClean(t *testing.T) {
	var flushed []uint32
	r := &runner{Measured: &Measured{Send: func(command []byte) ([]byte, error) {
		handle := uint32(0x80000001)
		switch binary.BigEndian.Uint32(command[6:]) {
		case 0x165:
			flushed = append(flushed, binary.BigEndian.Uint32(command[10:]))
		case 0x176:
			handle = 0x02000000
		}
		return binary.BigEndian.AppendUint32([]byte{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0, 0}, handle), nil
	}}}
	for _, command := range [][]byte{
		{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x31, 0x40, 0, 0, 0x0b},
		{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x76, 0x80, 0, 0, 1},
	} {
		_, err := r.answer((&hgsa.Challenge{Commands: [][]byte{command}}).Bytes())
		require.NoError(t, err)
	}
	require.Equal(t, []uint32{0x80000001}, flushed)
	r.clean()
	require.Equal(t, []uint32{0x80000001, 0x02000000}, flushed)
}

// FuzzAnswer has the host run whatever a service sends.
func FuzzAnswer(f *testing.F) {
	f.Add((&hgsa.Challenge{Commands: [][]byte{{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x31, 0x40, 0, 0, 0x0b}}}).Bytes(), []byte{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0, 0, 0x80, 0, 0, 1})
	f.Add((&hgsa.Challenge{Commands: [][]byte{{0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7e}}}).Bytes(), []byte{0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, context, response []byte) {
		r := &runner{Measured: &Measured{Log: []byte("log"), Send: func(command []byte) ([]byte, error) {
			if code(command) != 0x165 {
				require.NoError(t, allowed(command))
			}
			return response, nil
		}}}
		_, _ = r.answer(context)
		r.clean()
	})
}
