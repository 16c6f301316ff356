// Package refusals says which of many refusals come into the audit log. Anybody can be refused, as often as he likes: so that
// nobody fills the log, some are recorded at once, and one more every now and then. The others are counted. It never decides
// whether anybody is refused.
package refusals

import (
	"sync"
	"time"
)

// A Rate is how many refusals are recorded at once, and how often one more is.
type Rate struct {
	AtOnce int
	Every  time.Duration
}

// The rates of all strangers together, and of each host by itself, so that a flood by strangers hides nothing of what became of it.
var (
	Strangers = Rate{1000, time.Second}
	Host      = Rate{20, 10 * time.Minute}
)

// maxHosts bounds how many hosts are told apart.
const maxHosts = 1 << 16

// A Limit says which refusals are recorded. Its methods may be called at the same time.
type Limit struct {
	mu sync.Mutex
	of map[string]*refused // by the name of the host; empty for strangers
}

// refused is what became of one host's refusals.
type refused struct {
	full    time.Time // when as many could be recorded at once as at first
	omitted int
}

// Take says whether a refusal is to be recorded, and how many of the host's before it were not. Strangers have no name.
func (l *Limit) Take(host string, now time.Time) (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.find(host, now)
	rate := Host
	if h == l.of[""] {
		rate = Strangers
	}
	if h.full.Before(now) {
		h.full = now
	}
	if h.full.Sub(now) > time.Duration(rate.AtOnce-1)*rate.Every {
		h.omitted++
		return 0, false
	}
	h.full = h.full.Add(rate.Every)
	omitted, h.omitted = h.omitted, 0
	return omitted, true
}

// find gives what became of a host, or of strangers, among whom is also who comes when there are too many hosts.
func (l *Limit) find(host string, now time.Time) *refused {
	if l.of == nil {
		l.of = map[string]*refused{"": {}}
	}
	if h := l.of[host]; h != nil {
		return h
	}
	if len(l.of) >= maxHosts {
		for name, h := range l.of {
			if name != "" && h.omitted == 0 && !h.full.After(now) { // as if it had never come
				delete(l.of, name)
			}
		}
		if len(l.of) >= maxHosts {
			return l.of[""]
		}
	}
	h := &refused{}
	l.of[host] = h
	return h
}
