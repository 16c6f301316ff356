package attestation

import (
	"sync"
	"time"
)

// Anybody can be refused, as often as he likes. So that nobody fills the audit log, of many refusals only so many are recorded:
// some at once, and one more every now and then. The others are counted. Each registered host has its own limit, so that a flood
// by strangers hides nothing of what became of it.
var (
	strangerLimit = refusalLimit{1000, time.Second}
	hostLimit     = refusalLimit{20, 10 * time.Minute}
)

type refusalLimit struct {
	atOnce int
	every  time.Duration
}

// refusals says which refusals are recorded.
type refusals struct {
	mu sync.Mutex
	of map[string]*refused // by the name of the registered host; empty for strangers
}

// refused is what became of one host's refusals.
type refused struct {
	full    time.Time // when as many could be recorded at once as at first
	omitted int
}

// take says whether a refusal is to be recorded, and how many of the host's before it were not.
func (r *refusals) take(host string, now time.Time) (omitted int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limit := hostLimit
	if host == "" {
		limit = strangerLimit
	}
	h := r.of[host]
	if h == nil {
		if r.of == nil {
			r.of = map[string]*refused{}
		}
		h = &refused{}
		r.of[host] = h
	}
	if h.full.Before(now) {
		h.full = now
	}
	if h.full.Sub(now) > time.Duration(limit.atOnce-1)*limit.every {
		h.omitted++
		return 0, false
	}
	h.full = h.full.Add(limit.every)
	omitted, h.omitted = h.omitted, 0
	return omitted, true
}
