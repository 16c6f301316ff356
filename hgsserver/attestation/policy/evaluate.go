package policy

import (
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// A Result is what one policy made of a boot.
type Result struct {
	Policy   Policy
	Enforced bool // a policy that is disabled is evaluated as well, but does not count
	Passed   bool
	Measured string // what was found; shows text of the host, with nothing in it that does not print
	Expected string
	Matched  string // the administrator's policy that the boot matches; empty where there is none, or none is needed
}

// An Evaluation has the results of all built-in policies, in their order.
type Evaluation []Result

// Evaluate holds a boot against all policies. The boot must have been proved: its claims are taken for true.
func (s *Set) Evaluate(b *tcglog.Boot) Evaluation {
	var e Evaluation
	for _, r := range rules {
		v := r.check(s, b)
		e = append(e, Result{r.Policy, r.enabled(s), v.passed, v.measured, v.expected, v.matched})
	}
	return e
}

// Passed says whether the host is healthy.
func (e Evaluation) Passed() bool { return len(e) == len(rules) && len(e.Failed()) == 0 }

// Failed gives the results for which the host is not healthy.
func (e Evaluation) Failed() []Result {
	var failed []Result
	for _, r := range e {
		if r.Enforced && !r.Passed {
			failed = append(failed, r)
		}
	}
	return failed
}

// Met names the policies that count and that the host meets.
func (e Evaluation) Met() []string {
	var names []string
	for _, r := range e {
		if r.Enforced && r.Passed {
			names = append(names, r.Policy.Name)
		}
	}
	return names
}
