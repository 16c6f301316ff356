package measuredboot

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Further types of events (TCG PC Client Platform Firmware Profile 1.05, section 10.4.1).
const (
	crtmVersion             tcglog.EventType = 0x00000008
	variableBoot            tcglog.EventType = 0x80000002
	bootServicesApplication tcglog.EventType = 0x80000003
	gptEvent                tcglog.EventType = 0x80000006
	platformFirmwareBlob    tcglog.EventType = 0x80000008
)

// The vendors of variables, as GUIDs stand in memory: EFI_GLOBAL_VARIABLE and EFI_IMAGE_SECURITY_DATABASE_GUID.
var (
	efiGlobal     = []byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
	imageSecurity = []byte{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}
)

// The types of signature lists (UEFI 2.10, section 32.4.1): EFI_CERT_X509_GUID and EFI_CERT_SHA256_GUID.
var (
	typeX509   = []byte{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}
	typeSHA256 = []byte{0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28}
)

// firmware measures what comes before the boot manager: PCR 0 to 7.
func (b *Boot) firmware() {
	maker := b.settings.firmware
	b.append(0, crtmVersion, append(utf16Bytes(maker+" 1.0"), 0, 0))
	blob := binary.LittleEndian.AppendUint64(nil, 0xff000000)
	b.appendDigest(0, platformFirmwareBlob, binary.LittleEndian.AppendUint64(blob, 16<<20), madeUp("firmware of "+maker))

	if b.settings.firmwareDebug {
		b.append(7, tcglog.EFIAction, []byte("UEFI Debug Mode"))
	}
	secureBoot := []byte{0}
	if b.settings.secureBoot {
		secureBoot[0] = 1
	}
	db := signature(certificate("Windows production"))
	b.append(7, tcglog.VariableDriverConfig, variable(efiGlobal, "SecureBoot", secureBoot))
	b.append(7, tcglog.VariableDriverConfig, variable(efiGlobal, "PK", signatureList(typeX509, signature(certificate(maker+" platform")))))
	b.append(7, tcglog.VariableDriverConfig, variable(efiGlobal, "KEK", signatureList(typeX509, signature(certificate(maker+" key exchange")))))
	b.append(7, tcglog.VariableDriverConfig, variable(imageSecurity, "db", signatureList(typeX509, db)))
	revoked := madeUp("a boot loader that was revoked")
	b.append(7, tcglog.VariableDriverConfig, variable(imageSecurity, "dbx", signatureList(typeSHA256, signature(revoked[:]))))
	b.append(7, tcglog.Separator, make([]byte, 4))

	b.append(1, variableBoot, variable(efiGlobal, "BootOrder", []byte{0, 0}))
	b.append(4, tcglog.EFIAction, []byte("Calling EFI Application from Boot Option"))
	for pcr := range uint32(7) {
		b.append(pcr, tcglog.Separator, make([]byte, 4))
	}
	if b.settings.secureBoot {
		b.append(7, tcglog.VariableAuthority, variable(imageSecurity, "db", db))
	}
	b.append(5, gptEvent, gpt())
	b.appendDigest(4, bootServicesApplication, image(), madeUp("bootmgfw.efi"))
}

// variable is UEFI_VARIABLE_DATA (the same profile, section 10.2.6).
func variable(vendor []byte, name string, value []byte) []byte {
	b := append([]byte{}, vendor...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(name)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, utf16Bytes(name)...), value...)
}

// certificate stands where real firmware has the DER of a certificate: a sequence with a name in it.
func certificate(name string) []byte {
	text := "scutum simulated host: " + name
	return append([]byte{0x30, byte(len(text) + 2), 0x0c, byte(len(text))}, text...)
}

// signature is EFI_SIGNATURE_DATA: its owner, which is made up, and the data.
func signature(data []byte) []byte {
	owner := sha256.Sum256([]byte("scutum simulated host"))
	return append(owner[:16:16], data...)
}

// signatureList is an EFI_SIGNATURE_LIST of one signature.
func signatureList(kind, signature []byte) []byte {
	const headerSize = 28
	b := append([]byte{}, kind...)
	for _, n := range []int{headerSize + len(signature), 0, len(signature)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return append(b, signature...)
}

// gpt is UEFI_GPT_DATA (section 10.2.4) of a disk without partitions: the header and their number.
func gpt() []byte {
	b := append([]byte("EFI PART"), 0, 0, 1, 0, 92, 0, 0, 0)
	return append(b, make([]byte, 92-len(b)+8)...)
}

// image is UEFI_IMAGE_LOAD_EVENT (section 10.2.3): address, size, link address, and an empty device path.
func image() []byte {
	var b []byte
	for _, n := range []uint64{0x78000000, 0x190000, 0x10000000, 4} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return append(b, 0x7f, 0xff, 4, 0)
}
