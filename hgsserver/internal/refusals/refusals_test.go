package refusals

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimit(t *testing.T) {
	for host, rate := range map[string]Rate{"": Strangers, "host": Host} {
		var l Limit
		at := time.Unix(1e9, 0)
		count := func(attempts int) (recorded, omitted int) {
			for range attempts {
				n, ok := l.Take(host, at)
				omitted += n
				if ok {
					recorded++
				}
			}
			return recorded, omitted
		}
		recorded, omitted := count(rate.AtOnce + 500)
		require.Equal(t, []int{rate.AtOnce, 0}, []int{recorded, omitted})
		at = at.Add(3 * rate.Every)
		recorded, omitted = count(10)
		require.Equal(t, []int{3, 500}, []int{recorded, omitted})
		at = at.Add(24 * time.Hour)
		recorded, omitted = count(2 * rate.AtOnce)
		require.Equal(t, []int{rate.AtOnce, 7}, []int{recorded, omitted})
	}
}

func TestHostsAreBounded(t *testing.T) {
	var l Limit
	at := time.Unix(1e9, 0)
	for i := range maxHosts + 10 {
		_, ok := l.Take("host"+strconv.Itoa(i), at)
		require.True(t, ok)
	}
	require.Len(t, l.of, maxHosts)
	_, ok := l.Take("another", at.Add(Host.Every))
	require.True(t, ok)
	require.Len(t, l.of, 2, "those that may be forgotten are")
}
