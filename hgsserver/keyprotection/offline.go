package keyprotection

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// withMaxOfflineUnwraps sets the attribute of that name of a protector (MS-KPS section 2.2.2.3) that Roll wrote. Neither of a
// protector's signatures covers it: it shows what was granted, and the payload of the egress key grants it.
func withMaxOfflineUnwraps(protector []byte, n uint32) ([]byte, error) {
	if n == 0 {
		return protector, nil
	}
	const tag = "<Protector "
	before, after, found := bytes.Cut(protector, []byte(tag))
	if !found {
		return nil, errors.New("setting MaxOfflineUnwraps: the key protector is written in another form")
	}
	changed := fmt.Appendf(bytes.Clone(before), `%sMaxOfflineUnwraps="%d" %s`, tag, n, after)
	binary.BigEndian.PutUint32(changed, uint32(len(changed)))
	p, err := keyprotector.Parse(changed)
	if err != nil {
		return nil, fmt.Errorf("setting MaxOfflineUnwraps: %w", err)
	}
	if err := p.Verify(); err != nil || p.MaxOfflineUnwraps() != n {
		return nil, errors.Join(errors.New("setting MaxOfflineUnwraps did not succeed"), err)
	}
	return changed, nil
}
