package tcglog

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

func tagged(id ID, data ...byte) Tagged { return Tagged{ID: id, Data: data} }

func boundary(events ...Tagged) []byte { return Tagged{ID: TrustBoundary, Events: events}.Bytes() }

func toUTF16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func variableData(name string, value ...byte) []byte {
	b := bytes.Clone(efiGlobal[:])
	b = binary.LittleEndian.AppendUint64(b, uint64(len(name)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, toUTF16(name)...), value...)
}

func policyData(name string, algorithm uint16, digest []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, 1<<48)
	b = binary.LittleEndian.AppendUint16(b, uint16(2*len(name)+2))
	b = binary.LittleEndian.AppendUint16(b, algorithm)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(digest)))
	return append(append(append(b, toUTF16(name)...), 0, 0), digest...)
}

func keyData(modulus []byte, exponent ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(8*len(modulus)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(exponent)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(modulus)))
	return append(append(b, exponent...), modulus...)
}

var someModulus = func() []byte {
	m := bytes.Repeat([]byte{0xc5}, 256)
	return m
}()

// good is a log of a Windows host with everything in it that is read.
func good() *Log {
	l := New(SHA1, SHA256)
	l.Append(0, NoAction, []byte("StartupLocality\x00\x03"))
	l.Append(0, 8, []byte("1.0"))
	l.Append(7, VariableDriverConfig, variableData("SecureBoot", 1))
	l.Append(7, VariableDriverConfig, variableData("PK", 1, 2, 3))
	l.Append(7, Separator, make([]byte, 4))
	l.Append(7, VariableAuthority, variableData("db", 9))
	l.Append(11, CompactHash, []byte{0x10, 0, 0, 0})
	l.Append(12, EventTag, boundary(
		tagged(TransferControl, 1, 0, 0, 0), tagged(BootDebugging, 0),
		Tagged{ID: LoadedModule, Events: []Tagged{tagged(0x70001, 'a', 0)}}))
	l.Append(13, EventTag, boundary(
		tagged(SIPolicy, policyData("a.cip", 0x800c, make([]byte, 32))...), tagged(SIPolicy, policyData("a.cip", 0xb, make([]byte, 32))...),
		tagged(SIPolicy, policyData("b.cip", 0xb, make([]byte, 32))...), tagged(DumpEncryptionKey, 7, 7), tagged(DumpEncryptionKey, 7, 7)))
	l.Append(12, EventTag, boundary(
		tagged(VSMIDKInfo, keyData(someModulus, 1, 0, 1)...), tagged(VSMIDKSInfo, keyData(someModulus, 3)...)))
	closeWindows(l)
	return l
}

// closeWindows ends a log as the boot loader of Windows does.
func closeWindows(l *Log) {
	for _, pcr := range windowsPCRs {
		l.Append(pcr, Separator, windowsSeparator)
	}
}

func TestBoot(t *testing.T) {
	l, err := Parse(good().Bytes())
	require.NoError(t, err)
	require.Equal(t, good(), l)
	for _, bank := range []Algorithm{SHA1, SHA256} {
		pcrs, err := l.Replay(bank)
		require.NoError(t, err)
		b, err := l.Prove(bank, pcrs)
		require.NoError(t, err)
		require.Equal(t, []bool{true}, b.SecureBoot)
		require.Equal(t, []bool{false}, b.Flags(BootDebugging))
		require.Empty(t, b.Flags(WinPE))
		require.Equal(t, []uint64{1}, b.Numbers(TransferControl))
		require.Len(t, b.Policies, 2)
		require.Equal(t, "a.cip 1.0.0.0", b.Policies[0].String())
		require.Equal(t, SHA256, b.Policies[0].Algorithm)
		require.Equal(t, [][]byte{{7, 7}}, b.DumpKeys)
		require.Equal(t, 65537, b.EncryptionKey.E)
		require.Equal(t, 3, b.SigningKey.E)
		require.Equal(t, someModulus, b.SigningKey.N.Bytes())
	}
}

// TestProveNeedsEveryPCR changes one value at a time.
func TestProveNeedsEveryPCR(t *testing.T) {
	l := good()
	pcrs, err := l.Replay(SHA256)
	require.NoError(t, err)
	for _, n := range Proven {
		for name, value := range map[string][]byte{"missing": nil, "zeros": make([]byte, 32), "short": pcrs[n][:31]} {
			read := PCRs{}
			for k, v := range pcrs {
				read[k] = v
			}
			read[n] = value
			_, err := l.Prove(SHA256, read)
			var mismatch *MismatchError
			require.ErrorAs(t, err, &mismatch, name)
			require.Equal(t, n, mismatch.PCR)
			require.ErrorContains(t, err, fmt.Sprintf("for PCR %d", n))
		}
	}
	delete(pcrs, 0) // nothing is read from it
	_, err = l.Prove(SHA256, pcrs)
	require.NoError(t, err)
}

// TestHiding lets a host whose true log says things that it would rather not say change what is not measured: types, data of
// other events, the order between PCRs, and what is added after the boot.
func TestHiding(t *testing.T) {
	debug := boundary(tagged(BootDebugging, 1))
	truth := good()
	truth.Events = slices.Insert(truth.Events, 8, Event{})
	bad := New(SHA1, SHA256)
	bad.Append(12, EventTag, debug)
	truth.Events[8] = bad.Events[0]
	pcrs, err := truth.Replay(SHA256)
	require.NoError(t, err)
	b, err := truth.Prove(SHA256, pcrs)
	require.NoError(t, err)
	require.Equal(t, []bool{false, true}, b.Flags(BootDebugging))

	for name, change := range map[string]func(l *Log){
		"as a separator":     func(l *Log) { l.Events[8].Type = Separator },
		"as another type":    func(l *Log) { l.Events[8].Type = 0xd },
		"other data":         func(l *Log) { l.Events[8].Data = boundary(tagged(BootDebugging, 0)) },
		"no data":            func(l *Log) { l.Events[8].Data = nil },
		"not extended":       func(l *Log) { l.Events[8].Type = NoAction },
		"left out":           func(l *Log) { l.Events = slices.Delete(l.Events, 8, 9) },
		"no digest":          func(l *Log) { l.Events[8].Digests = l.Events[8].Digests[:1] },
		"of another PCR":     func(l *Log) { l.Events[8].PCR = 15 },
		"after the true end": func(l *Log) { l.Events = append(slices.Delete(l.Events, 8, 9), l.Events[8]) },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Parse(truth.Bytes())
			require.NoError(t, err)
			change(l)
			l, err = Parse(l.Bytes())
			require.NoError(t, err)
			_, err = l.Prove(SHA256, pcrs)
			require.Error(t, err)
		})
	}

	t.Run("PCRs in another order", func(t *testing.T) {
		l := *truth
		l.Events = slices.Clone(truth.Events)
		slices.SortStableFunc(l.Events, func(a, b Event) int { return int(b.PCR) - int(a.PCR) })
		b, err := l.Prove(SHA256, pcrs)
		require.NoError(t, err)
		require.Equal(t, []bool{false, true}, b.Flags(BootDebugging))
	})
	t.Run("Secure Boot after the separator", func(t *testing.T) {
		l := good()
		l.Events[2].Data[len(l.Events[2].Data)-1] = 0
		off := New(SHA1, SHA256)
		off.Append(7, VariableDriverConfig, variableData("SecureBoot", 0))
		off.Append(7, VariableDriverConfig, variableData("SecureBoot", 1))
		l.Events[2] = off.Events[0]
		l.Events = append(l.Events, off.Events[1])
		l.Events[4].Type = VariableDriverConfig // the separator is known by its digest
		b, err := l.Claim(SHA256)
		require.NoError(t, err)
		require.Equal(t, []bool{false}, b.SecureBoot)
	})
	t.Run("a variable SecureBoot of another vendor", func(t *testing.T) {
		other := variableData("SecureBoot", 1)
		other[0]++
		l := New(SHA256)
		l.Append(7, VariableDriverConfig, other)
		closeWindows(l)
		b, err := l.Claim(SHA256)
		require.NoError(t, err)
		require.Empty(t, b.SecureBoot)
	})
	t.Run("the firmware's debugger by another type", func(t *testing.T) {
		l := good()
		l.Append(7, 0xd, []byte(debugMode))
		l.Events[len(l.Events)-1].Data = []byte("something else")
		b, err := l.Claim(SHA256)
		require.NoError(t, err)
		require.True(t, b.FirmwareDebugger)
	})
	t.Run("added by the running system", func(t *testing.T) {
		l := good()
		l.Append(12, EventTag, boundary(tagged(DumpsDisabled, 1), tagged(VSMIDKInfo, keyData(append([]byte{0x80}, someModulus[1:]...), 1, 0, 1)...)))
		b, err := l.Claim(SHA256)
		require.NoError(t, err)
		require.Empty(t, b.Flags(DumpsDisabled))
		require.Equal(t, someModulus, b.EncryptionKey.N.Bytes())
	})
	t.Run("a trust point is no measurement", func(t *testing.T) {
		l := good()
		l.Append(0xffffffff, NoAction, boundary(tagged(DumpsDisabled, 1)))
		l.Append(12, NoAction, boundary(tagged(DumpsDisabled, 1)))
		b, err := l.Claim(SHA256)
		require.NoError(t, err)
		require.Empty(t, b.Flags(DumpsDisabled))
	})
}

func TestWindowsEventsRefused(t *testing.T) {
	other := append([]byte{0x81}, someModulus[1:]...)
	deep := tagged(BootDebugging, 0)
	for range maxNested + 1 {
		deep = Tagged{ID: TrustBoundary, Events: []Tagged{deep}}
	}
	for name, data := range map[string][]byte{
		"cut header":         {1, 0, 1},
		"cut data":           {1, 0, 5, 0, 2, 0, 0, 0, 1},
		"huge":               {1, 0, 5, 0, 0xff, 0xff, 0xff, 0xff},
		"container overruns": append(binary.LittleEndian.AppendUint32([]byte{1, 0, 1, 0x40}, 12), 1, 0, 5, 0, 8, 0, 0, 0, 1, 1, 1, 1),
		"rest":               append(boundary(), 0),
		"deep":               deep.Bytes(),
		"many":               bytes.Repeat(tagged(1).Bytes(), maxTagged+1),
		"flag of 2":          boundary(tagged(BootDebugging, 2)),
		"flag of two bytes":  boundary(tagged(BootDebugging, 1, 0)),
		"flag of none":       boundary(tagged(BootDebugging)),
		"short number":       boundary(tagged(HypervisorLaunchType, 1, 0, 0, 0)),
		"long number":        boundary(tagged(TransferControl, 1, 0, 0, 0, 0, 0, 0, 0)),
		"policy, cut":        boundary(tagged(SIPolicy, policyData("a", 0xb, make([]byte, 31))...)),
		"policy, rest":       boundary(tagged(SIPolicy, append(policyData("a", 0xb, make([]byte, 32)), 0)...)),
		"policy, algorithm":  boundary(tagged(SIPolicy, policyData("a", 0x99, make([]byte, 32))...)),
		"policy, SHA-1 size": boundary(tagged(SIPolicy, policyData("a", 0x8004, make([]byte, 32))...)),
		"policy, nothing":    boundary(tagged(SIPolicy)),
		"dump key, empty":    boundary(tagged(DumpEncryptionKey)),
		"dump key, long":     boundary(tagged(DumpEncryptionKey, make([]byte, 65)...)),
		"key, nothing":       boundary(tagged(VSMIDKInfo)),
		"key, small":         boundary(tagged(VSMIDKInfo, keyData(someModulus[:128], 1, 0, 1)...)),
		"key, large":         boundary(tagged(VSMIDKInfo, keyData(bytes.Repeat([]byte{0xff}, 1024), 1, 0, 1)...)),
		"key, even":          boundary(tagged(VSMIDKInfo, keyData(append(slices.Clone(someModulus[:255]), 2), 1, 0, 1)...)),
		"key, leading zero":  boundary(tagged(VSMIDKInfo, keyData(append([]byte{0}, someModulus[1:]...), 1, 0, 1)...)),
		"key, exponent 1":    boundary(tagged(VSMIDKInfo, keyData(someModulus, 1)...)),
		"key, exponent 0":    boundary(tagged(VSMIDKInfo, keyData(someModulus)...)),
		"key, exponent long": boundary(tagged(VSMIDKInfo, keyData(someModulus, 0, 0, 1, 0, 1)...)),
		"key, exponent huge": boundary(tagged(VSMIDKInfo, keyData(someModulus, 0xff, 0xff, 0xff, 0xff)...)),
		"key, rest":          boundary(tagged(VSMIDKInfo, append(keyData(someModulus, 1, 0, 1), 0)...)),
		"two keys":           boundary(tagged(VSMIDKInfo, keyData(someModulus, 1, 0, 1)...), tagged(VSMIDKInfo, keyData(other, 1, 0, 1)...)),
	} {
		t.Run(name, func(t *testing.T) {
			l := New(SHA256)
			l.Append(12, EventTag, data)
			closeWindows(l)
			_, err := l.Claim(SHA256)
			require.ErrorIs(t, err, ErrMalformed)
			require.NotContains(t, err.Error(), "closed")
		})
	}
	for _, open := range windowsPCRs {
		t.Run(fmt.Sprintf("PCR %d not closed", open), func(t *testing.T) {
			whole := good()
			for _, measured := range []bool{true, false} {
				l := New(SHA256)
				for _, e := range whole.Events {
					if e.PCR != open || measured && e.Type != Separator {
						l.Append(e.PCR, e.Type, e.Data)
					}
				}
				_, err := l.Claim(SHA256)
				require.ErrorIs(t, err, ErrMalformed)
				require.ErrorContains(t, err, fmt.Sprintf("PCR %d was not closed", open))
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	whole := good().Bytes()
	header := New(SHA256).Bytes()
	patch := func(at int, value ...byte) []byte {
		b := bytes.Clone(header)
		copy(b[at:], value)
		return b
	}
	event := func(b []byte, numbers ...uint32) []byte {
		b = bytes.Clone(b)
		for _, n := range numbers {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		say  string
	}{
		"nothing":            {nil, "cut off"},
		"cut":                {whole[:len(whole)-1], "cut off"},
		"rest":               {append(bytes.Clone(whole), 0), "cut off"},
		"large":              {make([]byte, MaxSize+1), "more than 1048576"},
		"many":               {bytes.Repeat(make([]byte, 32), maxEvents+1), "more than 8192 events"},
		"header of PCR 1":    {patch(0, 1), "header is of PCR 1"},
		"header's digest":    {patch(8, 1), "has a digest"},
		"no banks":           {patch(32+24, 0), "names 0 banks"},
		"many banks":         {patch(32+24, 9), "names 9 banks"},
		"cut banks":          {patch(32+24, 2), "0 bytes"},
		"bank of no size":    {patch(32+28, 0x99, 0, 0, 0), "0 bytes"},
		"bank's wrong size":  {patch(32+30, 20), "20 bytes"},
		"vendor information": {patch(32+32, 1), "does not have the length"},
		"PCR 24":             {event(header, 24, 4, 0, 0), "of PCR 24"},
		"many digests":       {event(header, 0, 4, 2, 0), "more digests"},
		"unknown digest":     {append(event(header, 0, 4, 1), make([]byte, 38)...), "does not name"},
		"huge data":          {event(header, 0, 4, 0, 0xffffffff), "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.data)
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, c.say)
		})
	}
	t.Run("a bank twice", func(t *testing.T) {
		l := New(SHA256, SHA256)
		_, err := Parse(l.Bytes())
		require.ErrorContains(t, err, "twice")
	})
	t.Run("a digest twice", func(t *testing.T) {
		l := New(SHA1, SHA256)
		l.Append(0, Separator, nil)
		l.Events[0].Digests[0] = l.Events[0].Digests[1]
		_, err := Parse(l.Bytes())
		require.ErrorContains(t, err, "or twice")
	})
}

func TestReplayRefuses(t *testing.T) {
	for name, say := range map[string]string{"\x05": "locality", "": "locality", "\x03\x00": "locality"} {
		l := New(SHA256)
		l.Append(0, NoAction, []byte(startupLocality+name))
		_, err := l.Replay(SHA256)
		require.ErrorContains(t, err, say)
	}
	late := New(SHA256)
	late.Append(0, Separator, nil)
	late.Append(0, NoAction, []byte(startupLocality+"\x03"))
	_, err := late.Replay(SHA256)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = late.Claim(SHA1)
	require.ErrorIs(t, err, ErrNoBank)
	_, err = late.Prove(0x12, nil)
	require.ErrorIs(t, err, ErrNoBank)
	_, err = late.Claim(SHA256)
	require.ErrorIs(t, err, ErrMalformed)
}

// TestParseBoundsMemory reads the logs that take the most memory for their length.
func TestParseBoundsMemory(t *testing.T) {
	many := New(SHA256)
	many.Append(12, EventTag, bytes.Repeat(boundary(), maxTagged-1))
	closeWindows(many)
	for _, data := range [][]byte{bytes.Repeat(make([]byte, 32), maxEvents), many.Bytes(), bytes.Repeat([]byte{0xff}, MaxSize)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if l, err := Parse(data); err == nil {
			_, _ = l.Claim(l.Banks[0].Algorithm)
		}
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
	}
}

// TestManyPolicies reads a log whose work must not grow with the square of its length.
func TestManyPolicies(t *testing.T) {
	const many = 4000
	var events []Tagged
	for i := range many {
		events = append(events, tagged(SIPolicy, policyData(fmt.Sprint(i), 0xb, make([]byte, 32))...))
	}
	l := New(SHA256)
	l.Append(13, EventTag, boundary(events...))
	closeWindows(l)
	require.Less(t, testing.AllocsPerRun(1, func() {
		b, err := l.Claim(SHA256)
		require.NoError(t, err)
		require.Len(t, b.Policies, many)
	}), 20.0*many)
}

func TestIdentityKeyOfTheStandardLibrary(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	got, err := identityKey(VSMIDKInfo, keyData(key.N.Bytes(), 1, 0, 1), nil)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(got))
}

func FuzzParse(f *testing.F) {
	f.Add(good().Bytes())
	old := &Log{Banks: []Bank{{SHA1, sha1Size}}}
	old.Append(7, VariableDriverConfig, variableData("SecureBoot", 1))
	old.Append(12, EventTag, boundary(tagged(CodeIntegrity, 1)))
	closeWindows(old)
	f.Add(old.Bytes())
	f.Add([]byte(strings.Repeat("\x00", 64)))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.True(t, bytes.Equal(data, l.Bytes()))
		for _, bank := range []Algorithm{SHA1, SHA256} {
			b, err := l.Claim(bank)
			if err != nil {
				continue
			}
			proved, err := l.Prove(bank, b.PCRs)
			require.NoError(t, err)
			require.Equal(t, b.numbers, proved.numbers)
		}
	})
}

func FuzzParseTagged(f *testing.F) {
	f.Add(boundary(tagged(BootDebugging, 1), Tagged{ID: LoadedModule, Events: []Tagged{tagged(1, 2, 3)}}))
	f.Add([]byte{1, 0, 1, 0x40, 8, 0, 0, 0, 1, 0, 1, 0x40, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := ParseTagged(data)
		if err != nil {
			return
		}
		var back []byte
		for _, e := range events {
			back = append(back, e.Bytes()...)
		}
		require.True(t, bytes.Equal(data, back))
	})
}
