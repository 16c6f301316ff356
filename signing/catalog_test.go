package signing_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume"
)

const (
	mib = 1 << 20

	diskGUID = "8c2f0c5e-95d3-4b3c-8a0e-2f7b3f1f6a01"
	espGUID  = "8c2f0c5e-95d3-4b3c-8a0e-2f7b3f1f6a02"
	osGUID   = "8c2f0c5e-95d3-4b3c-8a0e-2f7b3f1f6a03"
	espType  = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	osType   = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
)

// smallCatalog is one that is as it should be: an ESP of 1 MiB and an OS volume of 1.5 MiB on a disk of 4 MiB.
func smallCatalog() *signing.Catalog {
	return &signing.Catalog{
		Format:   signing.Format,
		Template: signing.Template{Name: "Windows Server 2025", Version: signing.Version{1, 0, 0, 7}},
		Type:     volume.Windows,
		Created:  time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		Disk:     signing.Disk{Size: 4 * mib, SectorSize: 512, GUID: diskGUID},
		Hash:     signing.Hash{Algorithm: "SHA-256", Segment: mib},
		Volumes: []signing.Volume{
			{
				Role: volume.RoleESP, GUID: espGUID, Type: espType, Name: "EFI system partition",
				Attributes: 1<<63 | 1, First: 2048, Sectors: 2048, FileSystem: volume.FAT32, Segments: make([]byte, sha256.Size),
			},
			{
				Role: volume.RoleOS, GUID: osGUID, Type: osType, Name: "Größe ✓",
				First: 4096, Sectors: 3072, FileSystem: volume.NTFS, Segments: make([]byte, 2*sha256.Size),
			},
		},
	}
}

// smallContent is the same as JSON, written by hand.
func smallContent() string {
	zeros := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n*sha256.Size)) }
	return fmt.Sprintf(`{"format": "scutum-vsc-1",
 "template": {"name": "Windows Server 2025", "version": "1.0.0.7"},
 "type": "windows",
 "created": "2026-11-22T10:00:00Z",
 "disk": {"size": 4194304, "sectorSize": 512, "guid": %q},
 "hash": {"algorithm": "SHA-256", "segment": 1048576},
 "volumes": [
  {"role": "esp", "guid": %q, "type": %q, "name": "EFI system partition", "attributes": 9223372036854775809,
   "first": 2048, "sectors": 2048, "fileSystem": "fat32", "segments": %q},
  {"role": "os", "guid": %q, "type": %q, "name": "Größe ✓", "attributes": 0,
   "first": 4096, "sectors": 3072, "fileSystem": "ntfs", "segments": %q}]}`,
		diskGUID, espGUID, espType, zeros(1), osGUID, osType, zeros(2))
}

func TestParseCatalog(t *testing.T) {
	c, err := signing.ParseCatalog([]byte(smallContent()))
	require.NoError(t, err)
	require.Equal(t, smallCatalog(), c)
	require.Equal(t, osGUID, c.OSVolume().GUID)

	content, err := c.Encode()
	require.NoError(t, err)
	require.JSONEq(t, smallContent(), string(content))
	require.True(t, json.Valid(content))
}

func TestParseCatalogAccepts(t *testing.T) {
	for name, c := range map[string]struct{ old, new string }{
		"as far to the front as goes": {`"first": 2048`, `"first": 34`},
		"as far to the back as goes":  {`"first": 4096`, `"first": 5087`},
		"encrypted with BitLocker":    {`"ntfs"`, `"bitlocker"`},
		"a surrogate pair":            {"Größe ✓", `\ud834\udd1e`},
		"escaped backslashes":         {"Größe ✓", `\\ud834\\`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signing.ParseCatalog([]byte(strings.Replace(smallContent(), c.old, c.new, 1)))
			require.NoError(t, err)
		})
	}
}

func TestParseCatalogRefuses(t *testing.T) {
	espText := smallContent()[strings.Index(smallContent(), `"role": "esp"`):strings.Index(smallContent(), `"segments"`)]
	asOS := strings.NewReplacer(`"esp"`, `"os"`, espType, osType, "fat32", "ntfs").Replace(espText)
	for name, c := range map[string]struct{ old, new, say string }{
		"empty":                    {smallContent(), "", "EOF"},
		"not JSON":                 {smallContent(), "PK\x03\x04", "invalid character"},
		"trailing data":            {"}]}", "}]}{}", "follows"},
		"too large":                {"{", "{" + strings.Repeat(" ", signing.MaxSize), "1048576 are allowed"},
		"unknown field":            {`"type": "windows"`, `"type": "windows", "extra": 1`, `unknown field "extra"`},
		"unknown field below":      {`"size": 4194304`, `"size": 4194304, "blocks": 1`, `unknown field "blocks"`},
		"missing field":            {`"attributes": 0,`, ``, `lacks the field "attributes"`},
		"duplicate key":            {`"type": "windows"`, `"type": "windows", "type": "windows"`, `"type" is given twice`},
		"key in another case":      {`"created"`, `"Created"`, "unknown field"},
		"format":                   {"scutum-vsc-1", "scutum-vsc-2", "format"},
		"no name":                  {`"name": "Windows Server 2025"`, `"name": ""`, "no name"},
		"long name":                {"Windows Server 2025", strings.Repeat("ü", 256), "255"},
		"control character":        {"Windows Server 2025", `a\u0007b`, "cannot be printed"},
		"right-to-left override":   {"Windows Server 2025", `a\u202eb`, "cannot be printed"},
		"space around":             {"Windows Server 2025", `a `, "space"},
		"version of three":         {"1.0.0.7", "1.0.0", "four numbers"},
		"version of five":          {"1.0.0.7", "1.0.0.7.0", "four numbers"},
		"version too large":        {"1.0.0.7", "1.0.0.65536", "four numbers"},
		"version with zero ahead":  {"1.0.0.7", "1.0.0.07", "four numbers"},
		"version with sign":        {"1.0.0.7", "1.0.0.+7", "four numbers"},
		"version empty":            {"1.0.0.7", "1..0.7", "four numbers"},
		"version zero":             {"1.0.0.7", "0.0.0.0", "0.0.0.0"},
		"disk GUID zero":           {diskGUID, "00000000-0000-0000-0000-000000000000", "or zero"},
		"volume GUID zero":         {osGUID, "00000000-0000-0000-0000-000000000000", "or zero"},
		"created, half a second":   {"10:00:00Z", "10:00:00.5Z", "whole seconds"},
		"volume name with NUL":     {"Größe ✓", `a\u0000b`, "NUL"},
		"half a surrogate pair":    {"Größe ✓", `\ud800`, "half of a surrogate pair"},
		"type":                     {`"windows"`, `"macos"`, "type"},
		"created, not a time":      {"2026-11-22T10:00:00Z", "yesterday", "parsing time"},
		"created, not UTC":         {"10:00:00Z", "10:00:00+01:00", "UTC"},
		"created, too early":       {"2026-11-22T10:00:00Z", "0001-01-01T00:00:00Z", "1970"},
		"disk of no bytes":         {`"size": 4194304`, `"size": 0`, "size"},
		"negative disk":            {`"size": 4194304`, `"size": -4194304`, "size"},
		"disk of half a sector":    {`"size": 4194304`, `"size": 4194303`, "size"},
		"disk too large":           {`"size": 4194304`, `"size": 70368744178176`, "64 TiB"},
		"number too large":         {`"size": 4194304`, `"size": 9223372036854775808`, "unmarshal"},
		"number as float":          {`"size": 4194304`, `"size": 4194304.0`, "unmarshal"},
		"number as text":           {`"size": 4194304`, `"size": "4194304"`, "unmarshal"},
		"sector size":              {`"sectorSize": 512`, `"sectorSize": 520`, "sector size"},
		"disk GUID":                {diskGUID, diskGUID[:35], "disk's GUID"},
		"disk GUID, upper case":    {diskGUID, strings.ToUpper(diskGUID), "lower case"},
		"disk GUID, in braces":     {diskGUID, "{" + diskGUID + "}", "lower case"},
		"algorithm":                {"SHA-256", "SHA-1", "algorithm"},
		"segment not a power":      {"1048576", "1500000", "segment size"},
		"segment too small":        {"1048576", "524288", "segment size"},
		"segment not the smallest": {"1048576", "2097152", "segment size"},
		"segment zero":             {"1048576", "0", "segment size"},
		"no volumes":               {smallContent()[strings.Index(smallContent(), `"volumes"`):], `"volumes": []}`, "0 volumes"},
		"volumes null":             {smallContent()[strings.Index(smallContent(), `"volumes"`):], `"volumes": null}`, ".volumes is null"},
		"role":                     {`"role": "esp"`, `"role": "swap"`, "role"},
		"no OS volume":             {`"role": "os"`, `"role": "data"`, `0 volumes have the role "os"`},
		"two OS volumes":           {espText, asOS, `2 volumes have the role "os"`},
		"role os, type ESP":        {`"role": "esp"`, `"role": "os"`, "contradicts its type"},
		"role msr, type ESP":       {`"role": "esp"`, `"role": "msr"`, "contradicts its type"},
		"role esp, type data":      {espType, osType, "contradicts its type"},
		"role recovery, type data": {`"role": "os"`, `"role": "recovery"`, "contradicts its type"},
		"Linux on NTFS":            {`"windows"`, `"linux"`, "no operating-system volume of linux"},
		"Windows on LUKS":          {`"ntfs"`, `"luks"`, "no operating-system volume of windows"},
		"Windows, type of Linux":   {osType, "0fc63daf-8483-4772-8e79-3d69d8477de4", "no operating-system volume of windows"},
		"OS without file system":   {`"ntfs"`, `"none"`, "contradicts its role"},
		"file system":              {`"fat32"`, `"zfs"`, "file system"},
		"volume GUID":              {osGUID, "", "volume 1: its GUID"},
		"volume GUID twice":        {osGUID, espGUID, "that of another"},
		"type GUID":                {osType, "ntfs", "volume 1: its type"},
		"type GUID of no use":      {osType, "00000000-0000-0000-0000-000000000000", "volume 1: its type"},
		"volume name too long":     {"Größe ✓", strings.Repeat("𝄞", 19), "36 UTF-16"},
		"attributes negative":      {`"attributes": 0`, `"attributes": -1`, "unmarshal"},
		"no sectors":               {`"sectors": 3072`, `"sectors": 0`, "not within"},
		"beyond the disk":          {`"sectors": 3072`, `"sectors": 4097`, "not within"},
		"begins beyond the disk":   {`"first": 4096`, `"first": 8192`, "not within"},
		"sum runs over":            {`"first": 4096`, `"first": 18446744073709551615`, "not within"},
		"overlap":                  {`"first": 4096`, `"first": 4095`, "before the volume ahead"},
		"over the MBR":             {`"first": 2048`, `"first": 0`, "not within LBA 34 to 8158"},
		"over the GPT header":      {`"first": 2048`, `"first": 1`, "not within"},
		"over the GPT entries":     {`"first": 2048`, `"first": 33`, "not within"},
		"over the backup entries":  {`"first": 4096`, `"first": 5088`, "not within"},
		"to the last LBA":          {`"first": 4096`, `"first": 5120`, "not within"},
		"disk of few sectors":      {`"size": 4194304`, `"size": 512`, "not within"},
		"order":                    {`"first": 4096`, `"first": 34`, "before the volume ahead"},
		"a hash too few":           {base64.StdEncoding.EncodeToString(make([]byte, 64)), base64.StdEncoding.EncodeToString(make([]byte, 32)), "32 bytes of hashes"},
		"a hash too many":          {`"sectors": 3072`, `"sectors": 2048`, "64 bytes of hashes"},
		"part of a hash":           {base64.StdEncoding.EncodeToString(make([]byte, 64)), base64.StdEncoding.EncodeToString(make([]byte, 63)), "63 bytes of hashes"},
		"base64 without padding":   {"AAA=", "AAA", "base64"},
		"base64 with a line break": {"AAA=", `AA\nA=`, "usual form"},
		"base64 with a dirty tail": {"AAA=", "AAB=", "usual form"},
		"base64 for URLs":          {"AAA=", "__-=", "base64"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(smallContent(), c.old, c.new, 1)
			_, err := signing.ParseCatalog([]byte(text))
			require.ErrorIs(t, err, signing.ErrCatalog)
			require.ErrorContains(t, err, c.say)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestEncodeRefusesWhatCannotBeRead(t *testing.T) {
	for name, spoil := range map[string]func(*signing.Catalog){
		"name":     func(c *signing.Catalog) { c.Template.Name = "a\nb" },
		"UTF-8":    func(c *signing.Catalog) { c.Volumes[0].Name = "\xff" },
		"zone":     func(c *signing.Catalog) { c.Created = c.Created.In(time.FixedZone("", 3600)) },
		"segments": func(c *signing.Catalog) { c.Volumes[1].Segments = nil },
		"volumes": func(c *signing.Catalog) {
			v := c.Volumes[0]
			for i := range 128 {
				v.GUID = fmt.Sprintf("%s%02x", espGUID[:34], i)
				c.Volumes = append(c.Volumes, v)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallCatalog()
			spoil(c)
			_, err := c.Encode()
			require.ErrorIs(t, err, signing.ErrCatalog)
		})
	}
}

func FuzzParseCatalog(f *testing.F) {
	f.Add([]byte(smallContent()))
	content, err := smallCatalog().Encode()
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add([]byte(strings.Replace(smallContent(), "4096", "18446744073709551615", 1)))
	f.Add([]byte(`{"volumes":[{}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := signing.ParseCatalog(content)
		if err != nil {
			require.ErrorIs(t, err, signing.ErrCatalog)
			return
		}
		again, err := c.Encode()
		if err != nil {
			require.ErrorContains(t, err, "are allowed") // escapes can make it longer
			return
		}
		back, err := signing.ParseCatalog(again)
		require.NoError(t, err)
		require.Equal(t, c, back)
	})
}

func TestVersion(t *testing.T) {
	v, err := signing.ParseVersion("10.0.65535.1")
	require.NoError(t, err)
	require.Equal(t, signing.Version{10, 0, 65535, 1}, v)
	require.Equal(t, "10.0.65535.1", v.String())

	next, err := v.Next()
	require.NoError(t, err)
	require.Equal(t, "10.0.65535.2", next.String())
	_, err = signing.Version{1, 2, 3, 65535}.Next()
	require.ErrorContains(t, err, "1.2.3.65535")

	less, err := signing.ParseVersion("9.65535.0.0")
	require.NoError(t, err)
	require.Equal(t, 1, v.Compare(less))
	require.Equal(t, -1, less.Compare(v))
	require.Equal(t, 0, v.Compare(v))
}
