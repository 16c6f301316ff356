package attestation

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/endorsement"
	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
)

// restart puts a service of the same key and configuration in the place of the one before, which knew nothing that it needs.
func (b *bench) restart() {
	b.Service = New([32]byte{1}, func(r Report) error { b.reports = append(b.reports, r); return b.failure }, slog.New(slog.NewTextHandler(&b.logged, nil)))
	b.now = func() time.Time { return now }
	require.NoError(b, b.Configure(b.config))
}

// newTPMBench is a service that accepts hosts like one that booted with bootLog("db").
func newTPMBench(t testing.TB, hosts ...Host) *bench {
	t.Helper()
	b := newBench(t)
	b.config.Mode, b.config.Hosts = hgsa.ModeTPM, hosts
	baseline, err := policy.NewBaseline("rack 1", bootLog("db"))
	require.NoError(t, err)
	ci, err := policy.NewCI("production", ciFile)
	require.NoError(t, err)
	for _, a := range []*policy.Administrator{baseline, ci} {
		require.NoError(t, b.config.Policies.Add(*a))
	}
	require.NoError(t, b.Configure(b.config))
	return b
}

// attestV1 and attestV2 go through all requests of a version, with a service that is new for each.
func (b *bench) attestV1(m *machine, log []byte, types ...hgsa.ResultType) hgsa.Reply {
	b.Helper()
	c, err := endorsement.Parse(m.certificate)
	require.NoError(b, err)
	request := &hgsa.TPMRequest{SessionID: uuid.New(), Requested: types, EndorsementKey: c.Key.Bytes()}
	for {
		reply := b.reply("/Attestation/v1.0/attest", marshal(b, request))
		next, more := reply.(*hgsa.ContinueReply)
		if !more {
			return reply
		}
		request.Continue, request.Context = true, m.Answer(b, next.Context, log).Bytes()
		b.restart()
	}
}

func (b *bench) attestV2(m *machine, key, log []byte, types ...hgsa.ResultType) hgsa.Reply {
	b.Helper()
	ek := hgsa.Provided{Type: hgsa.EndorsementKeyCertificate, Content: key}
	request := &hgsa.AttestationRequest{SessionID: uuid.New(), Requested: types, Provided: []hgsa.Provided{ek}}
	for {
		reply := b.reply("/Attestation/v2.0/attest", marshal(b, request))
		next, more := reply.(*hgsa.ContinueReply)
		if !more {
			return reply
		}
		request.Provided = []hgsa.Provided{ek, {Type: hgsa.RtpmContext, Content: m.Answer(b, next.Context, log).Bytes()}}
		b.restart()
	}
}

func TestTPM(t *testing.T) {
	m := startMachine(t)
	m.boot(t, bootLog("db"))
	_, err := NewHost("tpm host", m.certificate, nil, m.intermediates, now)
	require.ErrorIs(t, err, endorsement.ErrUntrusted)
	at := time.Now()
	host, err := NewHost("tpm host", m.certificate, m.root, m.intermediates, at)
	require.NoError(t, err)
	b := newTPMBench(t, *host)

	for name, attest := range map[string]func(*bench) hgsa.Reply{
		"v1": func(b *bench) hgsa.Reply { return b.attestV1(m, bootLog("db"), hgsa.EncryptionKeyCertificate) },
		"v2, by certificate": func(b *bench) hgsa.Reply {
			return b.attestV2(m, m.certificate, bootLog("db"), hgsa.EncryptionKeyCertificate)
		},
		"v2, by the key itself": func(b *bench) hgsa.Reply {
			return b.attestV2(m, host.Key, bootLog("db"), hgsa.EncryptionKeyCertificate)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b.TB, b.reports = t, nil
			st := b.requireHealthy(attest(b))
			require.Equal(t, "tpm host", st.Host)
			require.Equal(t, hgsa.ModeTPM, st.Mode)
			require.Equal(t, &identityKey().PublicKey, st.Key)
			require.Len(t, b.reports, 1)
			require.Len(t, b.reports[0].Policies, len(policy.BuiltIn()))
			enforced := 0
			for i, p := range policy.BuiltIn() {
				require.Equal(t, p.Name, b.reports[0].Policies[i].Name)
				if p.AtOnce {
					require.Contains(t, st.Policies, p.GUID)
					enforced++
				}
			}
			require.Len(t, st.Policies, enforced)
		})
	}
	b.TB = t

	// The log names no identity key for signing.
	b.requireError(hgsa.VirtualSecureModeError, b.attestV1(m, bootLog("db"), hgsa.EncryptionKeyCertificate, hgsa.SigningKeyCertificate))
	b.requireError(hgsa.PayloadError, b.attestV1(m, bootLog("db"), hgsa.CAIntermediateCertificate))
	// The log is not that of the boot.
	b.requireError(hgsa.TcgLogValidationError, b.attestV1(m, bootLog("dB"), hgsa.EncryptionKeyCertificate))
	// The service expects another boot.
	b.config.Policies = policy.Set{}
	b.restart()
	b.reports = nil
	e := b.requireError(hgsa.PolicyEvaluationError, b.attestV1(m, bootLog("db"), hgsa.EncryptionKeyCertificate))
	failed := map[uuid.UUID]bool{}
	for _, r := range e.Reasons {
		failed[r.Reason] = !r.Result
	}
	for _, p := range policy.BuiltIn() {
		require.Equal(t, p.Name == "Hgs_SecureBootSettings" || p.Name == "Hgs_CiPolicy", failed[p.GUID], p.Name)
	}
	require.Contains(t, b.reports[0].Reason, "Hgs_SecureBootSettings, Hgs_CiPolicy")
	sentences := b.reports[0].Explain()
	require.Len(t, sentences, 2)
	require.Contains(t, sentences[0], "Hgs_SecureBootSettings demands that the Secure Boot configuration is that of a TPM baseline. It is not met: measured was PCR 7 of bank SHA-256 is ")
	require.Contains(t, b.logged.String(), "Hgs_CiPolicy demands that code integrity is enforced with a policy that an administrator added. It is not met: measured was ")
	require.NotEmpty(t, b.reports[0].Remote)

	// A context that is not one, and a replayed one.
	request := &hgsa.TPMRequest{SessionID: uuid.New(), Requested: []hgsa.ResultType{hgsa.EncryptionKeyCertificate}, EndorsementKey: host.Key}
	next := b.reply("/Attestation/v1.0/attest", marshal(t, request)).(*hgsa.ContinueReply)
	request.Continue, request.Context = true, m.Answer(t, next.Context, nil).Bytes()
	good := bytes.Clone(request.Context)
	request.Context[20] ^= 1
	require.True(t, b.requireError(hgsa.RtpmError, b.reply("/Attestation/v1.0/attest", marshal(t, request))).Retryable)
	request.Context = []byte("x")
	b.requireError(hgsa.PayloadError, b.reply("/Attestation/v1.0/attest", marshal(t, request)))
	request.Context = good
	require.IsType(t, &hgsa.ContinueReply{}, b.reply("/Attestation/v1.0/attest", marshal(t, request)))
	b.requireError(hgsa.RtpmError, b.reply("/Attestation/v1.0/attest", marshal(t, request)))

	// The host is taken out.
	b.config.Hosts = nil
	b.restart()
	b.requireError(hgsa.UnauthorizedError, b.attestV1(m, bootLog("db"), hgsa.EncryptionKeyCertificate))
	b.requireError(hgsa.UnauthorizedError, b.attestV2(m, m.certificate, bootLog("db"), hgsa.EncryptionKeyCertificate))
}

// TestAnotherTPM has a host claim the endorsement key of another one.
func TestAnotherTPM(t *testing.T) {
	good, bad := startMachine(t), startMachine(t)
	bad.boot(t, bootLog("db"))
	c, err := endorsement.Parse(good.certificate)
	require.NoError(t, err)
	host, err := NewHostWithoutCertificate("good", c.Key.Bytes())
	require.NoError(t, err)
	b := newTPMBench(t, *host)
	require.False(t, b.requireError(hgsa.RtpmError, b.attestV2(bad, good.certificate, bootLog("db"), hgsa.EncryptionKeyCertificate)).Retryable)
	require.Contains(t, b.reports[0].Reason, rtpm.ErrProof.Error())
	require.Error(t, b.Configure(Config{Mode: hgsa.ModeTPM, Hosts: []Host{*host, *host}}))
}
