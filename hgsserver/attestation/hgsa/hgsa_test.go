package hgsa

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

var session = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

// sessionText is what Python's uuid module, with bytes_le, makes of it.
const sessionText = "MyIRAFVEd2aImaq7zN3u/w=="

const suffix = `:#Microsoft.Windows.RemoteAttestation.Core`

// The messages as the specification's schemas have them.
var requests = map[string]struct {
	text string
	want any
	read func([]byte) (any, error)
}{
	"AttestationRequest": {
		`{"SessionId":"` + sessionText + `","RequestedContent":[1,2],"ProvidedContent":[{"m_Item1":1,"m_Item2":"AQI="},{"m_Item1":9,"m_Item2":""}]}`,
		&AttestationRequest{session, []ResultType{EncryptionKeyCertificate, SigningKeyCertificate},
			[]Provided{{VSMIdentityKey, []byte{1, 2}}, {HostKeySignature, []byte{}}}},
		func(b []byte) (any, error) { return ParseAttestationRequest(b) },
	},
	"TpmRequestInitial": {
		`{"__type":"TpmRequestInitial` + suffix + `","SessionId":"` + sessionText + `","RequestedContent":[1],"RtpmPublicEndorsementKey":"AwQ="}`,
		&TPMRequest{session, []ResultType{EncryptionKeyCertificate}, []byte{3, 4}, false, nil},
		func(b []byte) (any, error) { return ParseTPMRequest(b) },
	},
	"TpmRequestContinue": {
		`{"__type":"TpmRequestContinue` + suffix + `","SessionId":"` + sessionText + `","RequestedContent":[3],"RtpmPublicEndorsementKey":"AwQ=","RtpmNewContext":"BQ=="}`,
		&TPMRequest{session, []ResultType{CAIntermediateCertificate}, []byte{3, 4}, true, []byte{5}},
		func(b []byte) (any, error) { return ParseTPMRequest(b) },
	},
	"ADRequest": {
		`{"__type":"ADRequest` + suffix + `","SessionId":"` + sessionText + `","RequestedContent":[{"m_Item1":1,"m_Item2":"AQI="}]}`,
		&ADRequest{session, []Result{{EncryptionKeyCertificate, []byte{1, 2}}}},
		func(b []byte) (any, error) { return ParseADRequest(b) },
	},
}

var replies = map[string]struct {
	text string
	want Reply
}{
	"continue":   {`{"__type":"TpmReplyContinue` + suffix + `","RtpmActiveContext":"AQI="}`, &ContinueReply{[]byte{1, 2}}},
	"empty":      {`{"__type":"TpmReplyContinue` + suffix + `","RtpmActiveContext":""}`, &ContinueReply{[]byte{}}},
	"health":     {`{"__type":"HealthCertificateReply` + suffix + `","Content":[{"m_Item1":1,"m_Item2":"AQI="}]}`, &HealthCertificateReply{[]Result{{1, []byte{1, 2}}}}},
	"info":       {`{"__type":"ServiceInfoReply` + suffix + `","FunctionalLevel":2,"OperationMode":1,"SupportedFunctionalLevels":[1,2]}`, &ServiceInfoReply{2, ModeTPM, []uint32{1, 2}}},
	"error":      {`{"__type":"ErrorReply` + suffix + `","Retryable":true}`, &ErrorReply{Retryable: true}},
	"mode":       {`{"__type":"OperationModeErrorReply` + suffix + `","Retryable":true,"ExpectedOperationMode":3}`, &ErrorReply{Name: OperationModeError, Retryable: true, Expected: ModeHostKey}},
	"mode 0":     {`{"__type":"OperationModeErrorReply` + suffix + `","Retryable":false,"ExpectedOperationMode":0}`, &ErrorReply{Name: OperationModeError}},
	"payload":    {`{"__type":"PayloadErrorReply` + suffix + `","Retryable":false}`, &ErrorReply{Name: PayloadError}},
	"RTPM":       {`{"__type":"RtpmErrorReply` + suffix + `","Retryable":true}`, &ErrorReply{Name: RtpmError, Retryable: true}},
	"log":        {`{"__type":"TcgLogValidationErrorReply` + suffix + `","Retryable":false}`, &ErrorReply{Name: TcgLogValidationError}},
	"not let in": {`{"__type":"UnauthorizedErrorReply` + suffix + `","Retryable":false}`, &ErrorReply{Name: UnauthorizedError}},
	"down":       {`{"__type":"UnavailableErrorReply` + suffix + `","Retryable":true}`, &ErrorReply{Name: UnavailableError, Retryable: true}},
	"VSM":        {`{"__type":"VirtualSecureModeErrorReply` + suffix + `","Retryable":false}`, &ErrorReply{Name: VirtualSecureModeError}},
	"policy": {
		`{"__type":"PolicyEvaluationErrorReply` + suffix + `","Retryable":false,"Reasons":[{"Result":false,"Reason":"4Q5Gaupib0GubATiljRQbQ=="},{"Result":true,"Reason":"pMDahamLf0qjQiEYYs4L6A=="}]}`,
		&ErrorReply{Name: PolicyEvaluationError, Reasons: []Evaluation{
			{false, uuid.MustParse("6a460ee1-62ea-416f-ae6c-04e29634506d")}, {true, uuid.MustParse("85dac0a4-8ba9-4a7f-a342-211862ce0be8")},
		}},
	},
	"no reasons": {`{"__type":"PolicyEvaluationErrorReply` + suffix + `","Retryable":false,"Reasons":[]}`, &ErrorReply{Name: PolicyEvaluationError}},
}

func TestRequests(t *testing.T) {
	for name, c := range requests {
		t.Run(name, func(t *testing.T) {
			got, err := c.read([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			text, err := json.Marshal(c.want)
			require.NoError(t, err)
			require.Equal(t, c.text, string(text))

			// Other properties are allowed, and the order is free but for __type.
			more := strings.Replace(c.text, `"SessionId"`, `"Other":{"a":[null,1.5e3]},"SessionId"`, 1)
			got, err = c.read([]byte(more))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	r, err := ParseAttestationRequest([]byte(`{"__type":"AttestationRequest` + suffix + `",` + requests["AttestationRequest"].text[1:]))
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2}, r.Content(VSMIdentityKey))
	require.Nil(t, r.Content(RtpmContext))
	for _, v := range []any{&AttestationRequest{}, &TPMRequest{}, &ADRequest{}, &HealthCertificateReply{}, &ServiceInfoReply{}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(text), "null")
	}
}

func TestReplies(t *testing.T) {
	for name, c := range replies {
		t.Run(name, func(t *testing.T) {
			got, err := ParseReply([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			text, err := json.Marshal(c.want)
			require.NoError(t, err)
			require.Equal(t, c.text, string(text))
		})
	}
	got, err := ParseReply([]byte(`{"__type":"VsmReportValidationErrorReply` + suffix + `","Retryable":false}`))
	require.NoError(t, err)
	require.Equal(t, &ErrorReply{Name: VirtualSecureModeError}, got)
	require.EqualError(t, replies["mode"].want.(error), "the attestation service answered OperationModeErrorReply: it is in mode HostKey")
	require.EqualError(t, replies["policy"].want.(error), "the attestation service answered PolicyEvaluationErrorReply: "+
		"6a460ee1-62ea-416f-ae6c-04e29634506d false, 85dac0a4-8ba9-4a7f-a342-211862ce0be8 true")
}

// TestGUIDsAgainstPython compares the byte order with that of Python's bytes_le, and the order of properties with its parser.
func TestGUIDsAgainstPython(t *testing.T) {
	const script = `import base64, json, sys, uuid
m = json.load(sys.stdin)
assert list(m)[0] == "__type", list(m)
for r in m["Reasons"]: print(uuid.UUID(bytes_le=base64.b64decode(r["Reason"], validate=True)), r["Result"])`
	want := &ErrorReply{Name: PolicyEvaluationError, Reasons: []Evaluation{{false, session}, {true, uuid.New()}}}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	cmd := exec.Command("python3", "-c", script)
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, session.String()+" False\n"+want.Reasons[1].Reason.String()+" True\n", string(out))
}

func TestRequestsRefused(t *testing.T) {
	attestation, initial, next, ad := requests["AttestationRequest"], requests["TpmRequestInitial"], requests["TpmRequestContinue"], requests["ADRequest"]
	for name, c := range map[string]struct {
		text string
		read func([]byte) (any, error)
		say  string
	}{
		"nothing":              {"", attestation.read, "not JSON"},
		"null":                 {"null", attestation.read, "not an object"},
		"array":                {"[" + attestation.text + "]", attestation.read, "not an object"},
		"cut":                  {attestation.text[:50], attestation.read, "not JSON"},
		"rest":                 {attestation.text + "1", attestation.read, "something follows"},
		"not UTF-8":            {attestation.text[:20] + "\xff" + attestation.text[21:], attestation.read, "UTF-8"},
		"large":                {attestation.text + strings.Repeat(" ", MaxMessage), attestation.read, "more than 524288 bytes"},
		"deep":                 {`{"a":` + strings.Repeat("[", 9), attestation.read, "nested more than 8"},
		"many values":          {`{"a":[` + strings.Repeat("1,", 300), attestation.read, "more than 256 values"},
		"twice":                {strings.Replace(attestation.text, `{`, `{"SessionId":"",`, 1), attestation.read, "given twice"},
		"twice, escaped":       {strings.Replace(attestation.text, `{`, `{"Sess\u0069onId":"",`, 1), attestation.read, "given twice"},
		"twice, below":         {strings.Replace(attestation.text, `"m_Item1"`, `"m_Item1":1,"m_Item1"`, 1), attestation.read, "given twice"},
		"another case":         {strings.Replace(attestation.text, `"SessionId"`, `"sessionId"`, 1), attestation.read, "SessionId is missing"},
		"no session":           {strings.Replace(attestation.text, sessionText, "", 1), attestation.read, "a GUID of 0 bytes"},
		"session as text":      {strings.Replace(attestation.text, sessionText, session.String(), 1), attestation.read, "SessionId is not"},
		"session, a number":    {strings.Replace(attestation.text, `"`+sessionText+`"`, "1", 1), attestation.read, "not a string"},
		"nothing asked for":    {strings.Replace(attestation.text, "[1,2]", "[]", 1), attestation.read, "nothing is asked for"},
		"asked for twice":      {strings.Replace(attestation.text, "[1,2]", "[1,1]", 1), attestation.read, "twice, or unknown"},
		"asked for 4":          {strings.Replace(attestation.text, "[1,2]", "[4]", 1), attestation.read, "number 4 is asked for"},
		"asked for 0":          {strings.Replace(attestation.text, "[1,2]", "[0]", 1), attestation.read, "twice, or unknown"},
		"asked for 1.0":        {strings.Replace(attestation.text, "[1,2]", "[1.0]", 1), attestation.read, "not a number of 32 bits"},
		"asked for -1":         {strings.Replace(attestation.text, "[1,2]", "[-1]", 1), attestation.read, "not a number of 32 bits"},
		"asked for 2^32+1":     {strings.Replace(attestation.text, "[1,2]", "[4294967297]", 1), attestation.read, "not a number of 32 bits"},
		"asked for a string":   {strings.Replace(attestation.text, "[1,2]", `["1"]`, 1), attestation.read, "not a number"},
		"asked for, no array":  {strings.Replace(attestation.text, "[1,2]", `1`, 1), attestation.read, "not an array"},
		"asked for, many":      {strings.Replace(attestation.text, "[1,2]", "[1"+strings.Repeat(",1", 16)+"]", 1), attestation.read, "at most 16"},
		"provided twice":       {strings.Replace(attestation.text, `:9`, `:1`, 1), attestation.read, "provided twice"},
		"provided 10":          {strings.Replace(attestation.text, `:9`, `:10`, 1), attestation.read, "number 10 is provided"},
		"provided 0":           {strings.Replace(attestation.text, `:9`, `:0`, 1), attestation.read, "or unknown"},
		"provided, no object":  {strings.Replace(attestation.text, `{"m_Item1":9,"m_Item2":""}`, `1`, 1), attestation.read, "not an object"},
		"provided, no content": {strings.Replace(attestation.text, `,"m_Item2":""`, ``, 1), attestation.read, "m_Item2 is missing"},
		"base64, no padding":   {strings.Replace(attestation.text, `AQI=`, `AQI`, 1), attestation.read, "not base64"},
		"base64, dirty tail":   {strings.Replace(attestation.text, `AQI=`, `AQJ=`, 1), attestation.read, "not base64"},
		"base64, line break":   {strings.Replace(attestation.text, `AQI=`, `AQ\nI=`, 1), attestation.read, "line breaks"},
		"base64, URL":          {strings.Replace(attestation.text, `AQI=`, `A-I=`, 1), attestation.read, "not base64"},
		"another type":         {initial.text, attestation.read, "its type is not"},
		"type, a number":       {`{"__type":1,` + attestation.text[1:], attestation.read, "its type is not"},
		"type not first":       {strings.Replace(attestation.text, `"RequestedContent"`, `"__type":"AttestationRequest`+suffix+`","RequestedContent"`, 1), attestation.read, "not the first"},
		"no type":              {attestation.text, initial.read, "its type is not"},
		"AD for TPM":           {ad.text, initial.read, "its type is not"},
		"no key":               {strings.Replace(initial.text, "RtpmPublicEndorsementKey", "Rtpm", 1), initial.read, "RtpmPublicEndorsementKey is missing"},
		"no context":           {strings.Replace(next.text, "RtpmNewContext", "Rtpm", 1), next.read, "RtpmNewContext is missing"},
		"AD, no results":       {strings.Replace(ad.text, `[{"m_Item1":1,"m_Item2":"AQI="}]`, `[]`, 1), ad.read, "empty"},
		"AD, result 4":         {strings.Replace(ad.text, `"m_Item1":1`, `"m_Item1":4`, 1), ad.read, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.read([]byte(c.text))
			require.ErrorIs(t, err, ErrMessage)
			require.ErrorContains(t, err, c.say)
		})
	}
}

func TestRepliesRefused(t *testing.T) {
	policy := replies["policy"].text
	for name, c := range map[string]struct{ text, say string }{
		"no type":          {`{"Retryable":true}`, "__type is missing"},
		"unknown type":     {`{"__type":"XErrorReply` + suffix + `","Retryable":true}`, `its type is "XErrorReply`},
		"no suffix":        {`{"__type":"ErrorReply","Retryable":true}`, "its type is"},
		"not retryable":    {`{"__type":"ErrorReply` + suffix + `"}`, "Retryable is missing"},
		"retryable as 1":   {`{"__type":"ErrorReply` + suffix + `","Retryable":1}`, "not true or false"},
		"type in the end":  {`{"Retryable":true,"__type":"ErrorReply` + suffix + `"}`, "not the first"},
		"mode 4":           {strings.Replace(replies["mode"].text, `:3`, `:4`, 1), "ExpectedOperationMode is 4"},
		"no mode":          {strings.Replace(replies["mode"].text, `Expected`, `X`, 1), "ExpectedOperationMode is missing"},
		"no context":       {`{"__type":"TpmReplyContinue` + suffix + `"}`, "RtpmActiveContext is missing"},
		"no content":       {`{"__type":"HealthCertificateReply` + suffix + `","Content":[]}`, "Content is empty"},
		"no levels":        {strings.Replace(replies["info"].text, `Supported`, `X`, 1), "SupportedFunctionalLevels is missing"},
		"level 2^32":       {strings.Replace(replies["info"].text, `:2,`, `:4294967296,`, 1), "not a number of 32 bits"},
		"no reasons":       {strings.Replace(policy, `Reasons`, `reasons`, 1), "Reasons is missing"},
		"reason and more":  {strings.Replace(policy, `"Result":true`, `"Result":true,"More":1`, 1), "other properties"},
		"reason, short":    {strings.Replace(policy, `pMDahamLf0qjQiEYYs4L6A==`, `pMDahamLf0qjQiEYYs4L`, 1), "a GUID of 15 bytes"},
		"reason, no value": {strings.Replace(policy, `"Result":true,`, ``, 1), "Result is missing"},
		"reason, a string": {strings.Replace(policy, `[{`, `["x",{`, 1), "not an object"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseReply([]byte(c.text))
			require.ErrorIs(t, err, ErrMessage)
			require.ErrorContains(t, err, c.say)
		})
	}
}

func TestEndorsementKey(t *testing.T) {
	text, err := json.Marshal(&EndorsementKey{[]byte{1, 2}})
	require.NoError(t, err)
	require.Equal(t, `{"Key":"AQI="}`, string(text))
	k, err := ParseEndorsementKey(text)
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2}, k.Key)
	for _, text := range []string{``, `{}`, `{"Key":1}`, `{"Key":"AQI=","Other":1}`, `{"Key":"!"}`} {
		_, err := ParseEndorsementKey([]byte(text))
		require.ErrorIs(t, err, ErrMessage, text)
	}
}

func tpmBlob(tag uint16, body ...byte) []byte {
	return append([]byte{byte(tag >> 8), byte(tag), 0, 0, 0, byte(10 + len(body)), 0, 0, 1, 0x7e}, body...)
}

func TestContexts(t *testing.T) {
	var s State
	for i := range s.EncContext {
		s.EncContext[i] = 0xec
	}
	for i := range s.Buffer {
		s.Buffer[i] = 0xeb
	}
	state := strings.Repeat("ec", 32) + strings.Repeat("eb", 256)
	challenge := &Challenge{s, [][]byte{tpmBlob(0x8002, 7)}}
	wire := challenge.Bytes()
	require.Equal(t, "3b010000"+"01000000"+"01000000"+"00000000"+state+"80020000000b0000017e07", hex.EncodeToString(wire))
	wire[12] = 0xff // Reserved is to be ignored
	c, err := ParseChallenge(wire)
	require.NoError(t, err)
	require.Equal(t, challenge, c)

	answer := &Answer{s, [][]byte{tpmBlob(0x8001), tpmBlob(0x8002, 9)}, &DeviceInfo{TPMVersion20, TPMInterfaceHardware, 7}, []byte{0x80, 1, 2}}
	wire = answer.Bytes()
	require.Equal(t, "5c010000"+"01000000"+"04000000"+"00000000"+state+"80010000000a0000017e"+"80020000000b0000017e09"+
		"01000000"+"02000000"+"03000000"+"07000000"+"03000000"+"800102", hex.EncodeToString(wire))
	a, err := ParseAnswer(wire)
	require.NoError(t, err)
	require.Equal(t, answer, a)
	answer.Device, answer.Log = nil, nil
	a, err = ParseAnswer(answer.Bytes())
	require.NoError(t, err)
	require.Equal(t, answer, a)
}

func TestContextsRefused(t *testing.T) {
	good := (&Answer{Responses: [][]byte{tpmBlob(0x8001)}, Device: &DeviceInfo{}, Log: []byte{1}}).Bytes()
	base := 16 + 32 + 256
	patch := func(at int, b ...byte) []byte {
		c := bytes.Clone(good)
		copy(c[at:], b)
		return c
	}
	resize := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[0], b[1], b[2] = byte(len(b)), byte(len(b)>>8), byte(len(b)>>16)
		return b
	}
	for name, data := range map[string][]byte{
		"nothing":           nil,
		"no state":          resize(good[:base-1]),
		"cut":               good[:len(good)-1],
		"cut, size right":   resize(good[:len(good)-1]),
		"rest":              resize(append(bytes.Clone(good), 0)),
		"size":              patch(0, 0),
		"version 2":         patch(4, 2),
		"one blob":          patch(8, 1),
		"two blobs":         patch(8, 2),
		"four blobs":        patch(8, 4),
		"nine blobs":        patch(8, 9),
		"no blobs":          resize(patch(8, 0)[:base]),
		"device alone":      (&Answer{Device: &DeviceInfo{}, Log: []byte{1}}).Bytes(),
		"tag":               patch(base+1, 3),
		"size of 9":         patch(base+5, 9),
		"size of 4097":      patch(base+4, 0x10, 1),
		"huge size":         patch(base+2, 0xff, 0xff, 0xff, 0xff),
		"device version":    patch(base+10, 2),
		"TPM version":       patch(base+14, 3),
		"TPM interface":     patch(base+18, 5),
		"empty log":         resize(patch(base+26, 0)[:len(good)-1]),
		"huge log":          patch(base+26, 0xff, 0xff, 0xff, 0xff),
		"large log":         (&Answer{Responses: [][]byte{tpmBlob(0x8001)}, Device: &DeviceInfo{}, Log: make([]byte, MaxLog+1)}).Bytes(),
		"large":             make([]byte, MaxMessage+1),
		"log without count": resize(patch(8, 2)[:len(good)-5]),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseAnswer(data)
			require.ErrorIs(t, err, ErrMessage)
			_, err = ParseChallenge(data)
			require.ErrorIs(t, err, ErrMessage)
		})
	}
	_, err := ParseChallenge((&Challenge{}).Bytes())
	require.ErrorIs(t, err, ErrMessage)
}

// TestLargestAnswerFits puts the largest log that a context may have into a message.
func TestLargestAnswerFits(t *testing.T) {
	context := (&Answer{Responses: [][]byte{tpmBlob(0x8001)}, Device: &DeviceInfo{}, Log: make([]byte, MaxLog)}).Bytes()
	text, err := json.Marshal(&TPMRequest{session, []ResultType{1, 2, 3}, make([]byte, 512), true, context})
	require.NoError(t, err)
	r, err := ParseTPMRequest(text)
	require.NoError(t, err)
	_, err = ParseAnswer(r.Context)
	require.NoError(t, err)
}

func FuzzRequests(f *testing.F) {
	for _, c := range requests {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range requests {
			v, err := c.read(data)
			if err != nil {
				require.ErrorIs(t, err, ErrMessage)
				continue
			}
			text, err := json.Marshal(v)
			require.NoError(t, err)
			again, err := c.read(text)
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
	})
}

func FuzzReplies(f *testing.F) {
	for _, c := range replies {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(`{"Key":"` + base64.StdEncoding.EncodeToString([]byte("key")) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ParseEndorsementKey(data)
		v, err := ParseReply(data)
		if err != nil {
			require.ErrorIs(t, err, ErrMessage)
			return
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		again, err := ParseReply(text)
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}

func FuzzContexts(f *testing.F) {
	f.Add((&Answer{Responses: [][]byte{tpmBlob(0x8001)}, Device: &DeviceInfo{}, Log: []byte{1}}).Bytes())
	f.Add((&Challenge{Commands: [][]byte{tpmBlob(0x8002, 1), tpmBlob(0x8001)}}).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 16 {
			clear(data[12:16])
		}
		if c, err := ParseChallenge(data); err == nil {
			require.Equal(t, data, c.Bytes())
		}
		if a, err := ParseAnswer(data); err == nil {
			require.Equal(t, data, a.Bytes())
		}
	})
}
