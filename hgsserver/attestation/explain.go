package attestation

import (
	"strings"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
)

// Explain says in a sentence each which policies refused the host: what they demand, what was measured and what was expected.
// There is none where the host was refused for another reason, or not at all. It shows text of the host, with nothing in it
// that does not print.
func (r *Report) Explain() []string {
	var sentences []string
	for i := range r.Policies {
		if p := &r.Policies[i]; p.Enforced && !p.Passed {
			sentences = append(sentences, p.String())
		}
	}
	return sentences
}

// String says in a sentence what the policy demands, and what it found.
func (p *PolicyReport) String() string {
	var b strings.Builder
	b.WriteString(p.Name)
	for _, builtIn := range policy.BuiltIn() {
		if builtIn.Name == p.Name {
			b.WriteString(" demands that " + builtIn.Says)
		}
	}
	switch {
	case p.Passed && p.Matched != "":
		b.WriteString(". It is met by " + p.Matched)
	case p.Passed:
		b.WriteString(". It is met")
	case p.Enforced:
		b.WriteString(". It is not met")
	default:
		b.WriteString(". It is not met, but disabled")
	}
	b.WriteString(": measured was " + p.Measured)
	if !p.Passed {
		b.WriteString("; expected was " + p.Expected)
	}
	return b.String()
}
