package hostsim

import (
	"fmt"

	"github.com/scutum-project/scutum/hgsserver/attestation/policy"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Validate says which built-in policies a host that is started like this one would not meet, though its own boot were the
// baseline and its own code integrity policy the right one.
func (r *Running) Validate() ([]policy.Result, error) {
	log, err := tcglog.Parse(r.Log)
	if err != nil {
		return nil, err
	}
	boot, err := log.Claim(tcglog.SHA256)
	if err != nil {
		return nil, err
	}
	set := &policy.Set{}
	file, err := readFile(r.path(CIPolicyFile), policy.MaxFile)
	if err != nil {
		return nil, err
	}
	ci, err := policy.NewCI("its own", file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.path(CIPolicyFile), err)
	}
	set.Administrator = append(set.Administrator, *ci)
	if baseline, err := policy.NewBaseline("this boot", r.Log); err == nil { // without Secure Boot there is none
		set.Administrator = append(set.Administrator, *baseline)
	}
	return set.Evaluate(boot).Failed(), nil
}
