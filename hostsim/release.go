package hostsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/hgsserver/keyprotection/kps"
	"github.com/scutum-project/scutum/hostsim/attest"
	"github.com/scutum-project/scutum/hostsim/keyrelease"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// ErrNotAttested says that there is no health certificate, and that the host is not to get one.
var ErrNotAttested = errors.New("the host has no health certificate: attest first")

// renewBefore is how long a health certificate still has to hold; before, the host attests anew.
const renewBefore = 10 * time.Minute

// Release gets the keys of a protector from the first service that answers. The host attests where its health certificate has
// ended or ends soon, or is refused; with asIs it does not, and the service judges the certificate that there is. A refusal is
// a *kps.Error or an *attest.Refusal. The caller clears the keys.
func (r *Running) Release(ctx context.Context, protector *keyprotector.Protector, asIs bool) (*keyrelease.Released, *Health, error) {
	if r.identity == nil {
		return nil, nil, ErrNoIdentity
	}
	var failed []error
	for _, server := range r.config.servers() {
		released, health, err := r.releaseAt(ctx, server, protector, asIs)
		if err == nil || !unavailable(err) {
			return released, health, err
		}
		failed = append(failed, err)
	}
	return nil, nil, errors.Join(failed...)
}

// unavailable says whether another service may be asked.
func unavailable(err error) bool {
	if refusal := (*attest.Refusal)(nil); errors.As(err, &refusal) {
		return attest.Unavailable(err)
	}
	return errors.Is(err, ErrNotAttested) || attest.Unavailable(err) && keyrelease.Unavailable(err)
}

func (r *Running) releaseAt(ctx context.Context, server string, protector *keyprotector.Protector, asIs bool) (*keyrelease.Released, *Health, error) {
	health := r.keptFor(server)
	if asIs {
		if health == nil {
			return nil, nil, fmt.Errorf("%w to %s", ErrNotAttested, server)
		}
		return r.releaseWith(ctx, protector, health)
	}
	if health == nil || time.Until(health.Ends()) < renewBefore {
		renewed, err := r.attestTo(ctx, server)
		holds := health != nil && time.Now().Before(health.Ends())
		if err != nil && !(holds && attest.Unavailable(err)) {
			return nil, nil, err
		}
		if err == nil {
			return r.releaseWith(ctx, protector, renewed)
		}
	}
	released, _, err := r.releaseWith(ctx, protector, health)
	if !keyrelease.Refused(err, kps.HealthCertificateError) {
		return released, health, err
	}
	renewed, again := r.attestTo(ctx, server)
	if again != nil {
		return nil, nil, errors.Join(err, again)
	}
	return r.releaseWith(ctx, protector, renewed)
}

func (r *Running) releaseWith(ctx context.Context, protector *keyprotector.Protector, health *Health) (*keyrelease.Released, *Health, error) {
	released, err := keyrelease.Release(ctx, r.client, health.Server, protector, health.x509, r.identity.encryption)
	return released, health, err
}
