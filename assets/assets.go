// Package assets holds files that Scutum ships and shows, embedded. It has no code.
package assets

import "embed"

// Schemas are XML schemas, in the folder xsd. Crypto, Metadata, Protector, RollTransportKeyRequest and
// RollTransportKeyResponse are those of MS-KPS section 6, word for word. Signature and GuardianMetadata are Scutum's own,
// and complete Metadata so that it stands alone: GuardianMetadata.xsd is the one to check guardian metadata with.
// PlatformIdentifier is Scutum's own, too, and stands alone.
//
// Scutum does not read them itself: its parsers are stricter.
//
//go:embed xsd/*.xsd
var Schemas embed.FS

// Icon is Scutum's, as SVG.
//
//go:embed icon.svg
var Icon []byte
