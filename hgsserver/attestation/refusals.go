package attestation

import (
	"sync"
	"time"
)

// Anybody can be refused, as often as he likes. So that nobody fills the audit log, of many refusals only so many are recorded:
// maxRefusals at once, and one more in each refusalEvery. The others are counted.
const (
	maxRefusals  = 1000
	refusalEvery = time.Second
)

// refusals says which refusals are recorded.
type refusals struct {
	mu      sync.Mutex
	full    time.Time // when maxRefusals could be recorded at once
	omitted int
}

// take says whether a refusal is to be recorded, and how many before it were not.
func (r *refusals) take(now time.Time) (omitted int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full.Before(now) {
		r.full = now
	}
	if r.full.Sub(now) > (maxRefusals-1)*refusalEvery {
		r.omitted++
		return 0, false
	}
	r.full = r.full.Add(refusalEvery)
	omitted, r.omitted = r.omitted, 0
	return omitted, true
}
