package pdk

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/signing/strictjson"
)

// content is what the owner signs.
type content struct {
	Format       string    `json:"format"`
	ID           uuid.UUID `json:"id"`
	Created      time.Time `json:"created"`
	Kind         Kind      `json:"kind"`
	Policy       Policy    `json:"policy"`
	KeyProtector []byte    `json:"keyProtector"`
	Volumes      []volume  `json:"volumes"`
	Payload      sealed    `json:"payload"`
}

type volume struct {
	Name    string          `json:"name"`
	Version signing.Version `json:"version"`
	Rule    Rule            `json:"rule"`
	Signer  []byte          `json:"signer"`
	Digest  []byte          `json:"digest,omitempty"`
}

// encode writes the content that is to be signed.
func (d *ShieldingData) encode() ([]byte, error) {
	c := content{
		Format: Format, ID: d.ID, Created: d.Created, Kind: d.Kind, Policy: d.Policy,
		KeyProtector: d.KeyProtector.Bytes(), Volumes: []volume{}, Payload: d.sealed,
	}
	for i, q := range d.Volumes {
		if err := q.check(); err != nil {
			return nil, fmt.Errorf("%w: qualifier %d: %w", ErrPDK, i+1, err)
		}
		c.Volumes = append(c.Volumes, volume{q.Name, q.Version, q.Rule, q.Signer.Raw, q.Digest})
	}
	return json.Marshal(c)
}

// decode reads content, but for who signed it.
func decode(data []byte) (*ShieldingData, error) {
	var c content
	if err := strictjson.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	if c.Format != Format {
		return nil, fmt.Errorf("format %.32q is unknown, want %q", c.Format, Format)
	}
	d := &ShieldingData{ID: c.ID, Created: c.Created, Kind: c.Kind, Policy: c.Policy, sealed: c.Payload}
	if len(c.Volumes) > MaxVolumes {
		return nil, fmt.Errorf("%d qualifiers, at most %d are allowed", len(c.Volumes), MaxVolumes)
	}
	for i, v := range c.Volumes {
		signer, err := x509.ParseCertificate(v.Signer)
		if err != nil {
			return nil, fmt.Errorf("qualifier %d: the signer's certificate: %w", i+1, err)
		}
		q := Qualifier{v.Name, v.Version, v.Rule, signer, v.Digest}
		if err := q.check(); err != nil {
			return nil, fmt.Errorf("qualifier %d: %w", i+1, err)
		}
		d.Volumes = append(d.Volumes, q)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	var err error
	if d.KeyProtector, err = keyprotector.Parse(c.KeyProtector); err != nil {
		return nil, err
	}
	return d, d.KeyProtector.Verify()
}

// check holds all but the qualifiers and the key protector against the rules of the format.
func (d *ShieldingData) check() error {
	switch {
	case d.ID == uuid.UUID{}:
		return errors.New("the identifier is zero")
	case d.Created.Location() != time.UTC || d.Created.Nanosecond() != 0 || d.Created.Year() < 1970 || d.Created.Year() > 9999:
		return fmt.Errorf("the time of creation, %s, is not a time in UTC and whole seconds from 1970 on", d.Created.Format(time.RFC3339Nano))
	case d.Kind != Template && d.Kind != ExistingVM:
		return fmt.Errorf("kind %.32q is neither %q nor %q", d.Kind, Template, ExistingVM)
	case d.Kind == Template && len(d.Volumes) == 0:
		return errors.New("there is no qualifier, so that no template could be used")
	case d.Kind == ExistingVM && len(d.Volumes) > 0:
		return fmt.Errorf("for a virtual machine that exists there are no qualifiers, but %d are given", len(d.Volumes))
	}
	if _, err := ParsePolicy(string(d.Policy)); err != nil {
		return err
	}
	return d.sealed.check()
}
