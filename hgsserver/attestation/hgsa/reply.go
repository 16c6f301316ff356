package hgsa

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// A Reply is what a service answers: *ContinueReply, *HealthCertificateReply, *ServiceInfoReply, or *ErrorReply.
type Reply interface {
	json.Marshaler
	replyType() string
}

// A ContinueReply goes on with the remote-TPM exchange (TpmReplyContinue, section 2.2.2.6).
type ContinueReply struct{ Context []byte } // see Challenge

// A HealthCertificateReply ends an attestation well (section 2.2.2.7).
type HealthCertificateReply struct{ Content []Result } // DER of certificates

// A ServiceInfoReply says what a service is (section 2.2.2.10).
type ServiceInfoReply struct {
	FunctionalLevel uint32
	OperationMode   OperationMode
	SupportedLevels []uint32
}

// An ErrorName is the name of an error reply, without the word ErrorReply.
type ErrorName string

// The errors of sections 2.2.2.11, 2.2.2.14 to 2.2.2.16, and 2.2.2.19 to 2.2.2.24.
const (
	GenericError             ErrorName = ""
	OperationModeError       ErrorName = "OperationMode"
	PayloadError             ErrorName = "Payload"
	PolicyEvaluationError    ErrorName = "PolicyEvaluation"
	RtpmError                ErrorName = "Rtpm"
	TcgLogValidationError    ErrorName = "TcgLogValidation"
	UnauthorizedError        ErrorName = "Unauthorized"
	UnavailableError         ErrorName = "Unavailable"
	VirtualSecureModeError   ErrorName = "VirtualSecureMode" // also for a CaTrustletVsmReport: section 2.2.2.24 gives it this name
	vsmReportValidationError ErrorName = "VsmReportValidation"
)

var errorNames = []ErrorName{
	GenericError, OperationModeError, PayloadError, PolicyEvaluationError, RtpmError, TcgLogValidationError, UnauthorizedError,
	UnavailableError, VirtualSecureModeError, vsmReportValidationError,
}

// An Evaluation is an entry of the policy evaluation log (section 2.2.2.13).
type Evaluation struct {
	Result bool
	Reason uuid.UUID // which policy, by its GUID
}

// An ErrorReply says that an attestation failed. It is an error, so that a client may return it.
type ErrorReply struct {
	Name      ErrorName
	Retryable bool          // whether the same request can do better
	Expected  OperationMode // of an OperationModeError
	Reasons   []Evaluation  // of a PolicyEvaluationError
}

func (e *ErrorReply) Error() string {
	text := "the attestation service answered " + e.replyType()
	switch e.Name {
	case OperationModeError:
		text += fmt.Sprintf(": it is in mode %v", e.Expected)
	case PolicyEvaluationError:
		for i, r := range e.Reasons {
			text += fmt.Sprintf("%s %v %t", []string{":", ","}[min(i, 1)], r.Reason, r.Result)
		}
	}
	return text
}

func (*ContinueReply) replyType() string          { return "TpmReplyContinue" }
func (*HealthCertificateReply) replyType() string { return "HealthCertificateReply" }
func (*ServiceInfoReply) replyType() string       { return "ServiceInfoReply" }
func (e *ErrorReply) replyType() string           { return string(e.Name) + "ErrorReply" }

// head is what every reply begins with.
type head struct {
	Type string `json:"__type"`
}

func newHead(r Reply) head { return head{r.replyType() + typeSuffix} }

// MarshalJSON gives the message.
func (r *ContinueReply) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		head
		Context string `json:"RtpmActiveContext"`
	}{newHead(r), base64.StdEncoding.EncodeToString(r.Context)})
}

// MarshalJSON gives the message.
func (r *HealthCertificateReply) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		head
		Content []tuple
	}{newHead(r), resultTuples(r.Content)})
}

// MarshalJSON gives the message.
func (r *ServiceInfoReply) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		head
		FunctionalLevel           uint32
		OperationMode             OperationMode
		SupportedFunctionalLevels []uint32
	}{newHead(r), r.FunctionalLevel, r.OperationMode, append([]uint32{}, r.SupportedLevels...)})
}

// MarshalJSON gives the message.
func (e *ErrorReply) MarshalJSON() ([]byte, error) {
	type entry struct {
		Result bool
		Reason string
	}
	m := struct {
		head
		Retryable bool
		Expected  *OperationMode `json:"ExpectedOperationMode,omitempty"`
		Reasons   *[]entry       `json:",omitempty"`
	}{head: newHead(e), Retryable: e.Retryable}
	switch e.Name {
	case OperationModeError:
		m.Expected = &e.Expected
	case PolicyEvaluationError:
		m.Reasons = &[]entry{}
		for _, r := range e.Reasons {
			*m.Reasons = append(*m.Reasons, entry{r.Result, encodeGUID(r.Reason)})
		}
	}
	return json.Marshal(m)
}

// ParseReply reads the body of a reply. It fails with ErrMessage.
func ParseReply(body []byte) (Reply, error) {
	o, err := parse(body)
	if err != nil {
		return nil, err
	}
	text, err := o.text("__type")
	if err != nil {
		return nil, err
	}
	name, ok := strings.CutSuffix(text, typeSuffix)
	if !ok {
		return nil, invalid("its type is %.80q", text)
	}
	switch name {
	case (*ContinueReply)(nil).replyType():
		context, err := o.bytes("RtpmActiveContext")
		if err != nil {
			return nil, err
		}
		return &ContinueReply{context}, nil
	case (*HealthCertificateReply)(nil).replyType():
		content, err := o.results("Content")
		if err != nil {
			return nil, err
		}
		return &HealthCertificateReply{content}, nil
	case (*ServiceInfoReply)(nil).replyType():
		return parseServiceInfo(o)
	}
	for _, e := range errorNames {
		if reply := (&ErrorReply{Name: e}); name == reply.replyType() {
			return reply.parse(o)
		}
	}
	return nil, invalid("its type is %.80q", text)
}

func parseServiceInfo(o object) (Reply, error) {
	level, err := o.number("FunctionalLevel")
	if err != nil {
		return nil, err
	}
	mode, err := o.mode("OperationMode")
	if err != nil {
		return nil, err
	}
	list, err := o.list("SupportedFunctionalLevels")
	if err != nil {
		return nil, err
	}
	r := &ServiceInfoReply{FunctionalLevel: level, OperationMode: mode}
	for _, v := range list {
		n, err := number("SupportedFunctionalLevels", v)
		if err != nil {
			return nil, err
		}
		r.SupportedLevels = append(r.SupportedLevels, n)
	}
	return r, nil
}

func (o object) mode(key string) (OperationMode, error) {
	n, err := o.number(key)
	if err == nil && n > uint32(ModeHostKey) {
		err = invalid("%s is %d", key, n)
	}
	return OperationMode(n), err
}

// parse reads the properties of an error whose name is known.
func (e *ErrorReply) parse(o object) (Reply, error) {
	var err error
	if e.Retryable, err = o.boolean("Retryable"); err != nil {
		return nil, err
	}
	switch e.Name {
	case vsmReportValidationError:
		e.Name = VirtualSecureModeError
	case OperationModeError:
		if e.Expected, err = o.mode("ExpectedOperationMode"); err != nil {
			return nil, err
		}
	case PolicyEvaluationError:
		list, err := o.list("Reasons")
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			entry, err := parseEvaluation(v)
			if err != nil {
				return nil, err
			}
			e.Reasons = append(e.Reasons, entry)
		}
	}
	return e, nil
}

func parseEvaluation(v any) (e Evaluation, err error) {
	o, ok := v.(object)
	if !ok {
		return e, invalid("an entry of Reasons is not an object")
	}
	if err := o.only("Result", "Reason"); err != nil {
		return e, err
	}
	if e.Result, err = o.boolean("Result"); err != nil {
		return e, err
	}
	text, err := o.text("Reason")
	if err != nil {
		return e, err
	}
	if e.Reason, err = decodeGUID(text); err != nil {
		return e, invalid("Reason is not the base64 of a GUID: %w", err)
	}
	return e, nil
}
