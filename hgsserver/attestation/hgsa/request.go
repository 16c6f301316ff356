package hgsa

import (
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/google/uuid"
)

// typeSuffix follows the name in "__type".
const typeSuffix = ":#Microsoft.Windows.RemoteAttestation.Core"

// A Provided is something that a host provides with its request (section 2.2.2.8).
type Provided struct {
	Type    ContentType
	Content []byte
}

// A Result is something that a host asks for, or that a service gives it (section 2.2.2.9).
type Result struct {
	Type    ResultType
	Content []byte
}

// tuple is the form of both on the wire.
type tuple struct {
	Item1 uint32 `json:"m_Item1"`
	Item2 string `json:"m_Item2"`
}

func newTuple(number uint32, content []byte) tuple {
	return tuple{number, base64.StdEncoding.EncodeToString(content)}
}

// An AttestationRequest is what a host asks in TPM mode and in host key mode from version 2.0 on (section 2.2.2.1). No content
// type is provided twice.
type AttestationRequest struct {
	SessionID uuid.UUID
	Requested []ResultType
	Provided  []Provided
}

// Content is what is provided of a type, or nil.
func (r *AttestationRequest) Content(t ContentType) []byte {
	for _, p := range r.Provided {
		if p.Type == t {
			return p.Content
		}
	}
	return nil
}

// ParseAttestationRequest reads the body of a request. It fails with ErrMessage.
func ParseAttestationRequest(body []byte) (*AttestationRequest, error) {
	o, session, err := parseRequest(body, "", "AttestationRequest")
	if err != nil {
		return nil, err
	}
	r := &AttestationRequest{SessionID: session}
	if r.Requested, err = o.requested(); err != nil {
		return nil, err
	}
	list, err := o.list("ProvidedContent")
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		number, content, err := parseTuple(v)
		if err != nil {
			return nil, err
		}
		p := Provided{ContentType(number), content}
		if p.Type < VSMIdentityKey || p.Type > HostKeySignature || slices.ContainsFunc(r.Provided, func(q Provided) bool { return q.Type == p.Type }) {
			return nil, invalid("%v is provided twice, or unknown", p.Type)
		}
		r.Provided = append(r.Provided, p)
	}
	return r, nil
}

// MarshalJSON gives the message.
func (r *AttestationRequest) MarshalJSON() ([]byte, error) {
	m := struct {
		SessionID string       `json:"SessionId"`
		Requested []ResultType `json:"RequestedContent"`
		Provided  []tuple      `json:"ProvidedContent"`
	}{encodeGUID(r.SessionID), append([]ResultType{}, r.Requested...), []tuple{}}
	for _, p := range r.Provided {
		m.Provided = append(m.Provided, newTuple(uint32(p.Type), p.Content))
	}
	return json.Marshal(m)
}

// A TPMRequest is what a host asks in TPM mode in version 1.0: TpmRequestInitial, or TpmRequestContinue with a context
// (sections 2.2.2.2 to 2.2.2.4).
type TPMRequest struct {
	SessionID      uuid.UUID
	Requested      []ResultType
	EndorsementKey []byte // the public key as a TPM writes it (TPM2B_PUBLIC)
	Continue       bool
	Context        []byte // see Answer; nil unless Continue
}

// ParseTPMRequest reads the body of a request. It fails with ErrMessage.
func ParseTPMRequest(body []byte) (*TPMRequest, error) {
	r := &TPMRequest{}
	o, session, err := parseRequest(body, "TpmRequestInitial", "TpmRequestContinue")
	if err != nil {
		return nil, err
	}
	r.SessionID, r.Continue = session, o["__type"] == "TpmRequestContinue"+typeSuffix
	if r.Requested, err = o.requested(); err != nil {
		return nil, err
	}
	if r.EndorsementKey, err = o.bytes("RtpmPublicEndorsementKey"); err != nil {
		return nil, err
	}
	if r.Continue {
		r.Context, err = o.bytes("RtpmNewContext")
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// MarshalJSON gives the message.
func (r *TPMRequest) MarshalJSON() ([]byte, error) {
	m := struct {
		Type           string       `json:"__type"`
		SessionID      string       `json:"SessionId"`
		Requested      []ResultType `json:"RequestedContent"`
		EndorsementKey string       `json:"RtpmPublicEndorsementKey"`
		Context        *string      `json:"RtpmNewContext,omitempty"`
	}{
		"TpmRequestInitial" + typeSuffix, encodeGUID(r.SessionID), append([]ResultType{}, r.Requested...),
		base64.StdEncoding.EncodeToString(r.EndorsementKey), nil,
	}
	if r.Continue {
		text := base64.StdEncoding.EncodeToString(r.Context)
		m.Type, m.Context = "TpmRequestContinue"+typeSuffix, &text
	}
	return json.Marshal(m)
}

// An ADRequest is what a host asks in Active Directory mode, with the keys to be certified (section 2.2.2.5).
type ADRequest struct {
	SessionID uuid.UUID
	Requested []Result
}

// ParseADRequest reads the body of a request. It fails with ErrMessage.
func ParseADRequest(body []byte) (*ADRequest, error) {
	o, session, err := parseRequest(body, "ADRequest")
	if err != nil {
		return nil, err
	}
	r := &ADRequest{SessionID: session}
	r.Requested, err = o.results("RequestedContent")
	if err != nil {
		return nil, err
	}
	return r, nil
}

// MarshalJSON gives the message.
func (r *ADRequest) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type      string  `json:"__type"`
		SessionID string  `json:"SessionId"`
		Requested []tuple `json:"RequestedContent"`
	}{"ADRequest" + typeSuffix, encodeGUID(r.SessionID), resultTuples(r.Requested)})
}

// parseRequest reads what all requests have, of one of these types. An empty name stands for a missing type.
func parseRequest(body []byte, names ...string) (object, uuid.UUID, error) {
	o, err := parse(body)
	if err != nil {
		return nil, uuid.Nil, err
	}
	given, typed := o["__type"]
	if !slices.ContainsFunc(names, func(name string) bool { return !typed && name == "" || typed && name != "" && given == name+typeSuffix }) {
		return nil, uuid.Nil, invalid("its type is not one of %q", names)
	}
	text, err := o.text("SessionId")
	if err != nil {
		return nil, uuid.Nil, err
	}
	session, err := decodeGUID(text)
	if err != nil {
		return nil, uuid.Nil, invalid("SessionId is not the base64 of a GUID: %w", err)
	}
	return o, session, nil
}

// requested reads what is asked for: at least one, none twice.
func (o object) requested() ([]ResultType, error) {
	list, err := o.list("RequestedContent")
	if err != nil {
		return nil, err
	}
	var types []ResultType
	for _, v := range list {
		n, err := number("RequestedContent", v)
		if err != nil {
			return nil, err
		}
		t := ResultType(n)
		if !t.known() || slices.Contains(types, t) {
			return nil, invalid("%v is asked for twice, or unknown", t)
		}
		types = append(types, t)
	}
	if len(types) == 0 {
		return nil, invalid("nothing is asked for")
	}
	return types, nil
}

func (r ResultType) known() bool {
	return r >= EncryptionKeyCertificate && r <= CAIntermediateCertificate
}

// results reads tuples with results: at least one, none twice.
func (o object) results(key string) ([]Result, error) {
	list, err := o.list(key)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, v := range list {
		n, content, err := parseTuple(v)
		if err != nil {
			return nil, err
		}
		t := ResultType(n)
		if !t.known() || slices.ContainsFunc(results, func(r Result) bool { return r.Type == t }) {
			return nil, invalid("%s has %v twice, or it is unknown", key, t)
		}
		results = append(results, Result{t, content})
	}
	if len(results) == 0 {
		return nil, invalid("%s is empty", key)
	}
	return results, nil
}

func resultTuples(results []Result) []tuple {
	tuples := []tuple{}
	for _, r := range results {
		tuples = append(tuples, newTuple(uint32(r.Type), r.Content))
	}
	return tuples
}

func parseTuple(v any) (uint32, []byte, error) {
	o, ok := v.(object)
	if !ok {
		return 0, nil, invalid("an entry is not an object")
	}
	n, err := o.number("m_Item1")
	if err != nil {
		return 0, nil, err
	}
	content, err := o.bytes("m_Item2")
	return n, content, err
}

// An EndorsementKey holds a public key (section 2.2.2.12). The specification leaves the key's form open: here it is the DER of
// a SubjectPublicKeyInfo.
type EndorsementKey struct{ Key []byte }

// ParseEndorsementKey reads the content VSMIdentityKey. It fails with ErrMessage.
func ParseEndorsementKey(data []byte) (*EndorsementKey, error) {
	o, err := parse(data)
	if err != nil {
		return nil, err
	}
	if err := o.only("Key"); err != nil {
		return nil, err
	}
	key, err := o.bytes("Key")
	if err != nil {
		return nil, err
	}
	return &EndorsementKey{key}, nil
}

// MarshalJSON gives the message.
func (k *EndorsementKey) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"Key": base64.StdEncoding.EncodeToString(k.Key)})
}
