package measuredboot

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Windows events that nobody reads, but that stand in every log (wbcl.h of the Windows SDK).
const (
	moduleSigner  tcglog.ID = 0x00060002 // key of who signed the modules
	systemRoot    tcglog.ID = 0x00050009
	osDevice      tcglog.ID = 0x00050008
	filePath      tcglog.ID = 0x00070001
	imageSize     tcglog.ID = 0x00070002
	hashAlgorithm tcglog.ID = 0x00070003 // CryptoAPI's number
	imageHash     tcglog.ID = 0x00070004
	imageBase     tcglog.ID = 0x00070007
	imageValid    tcglog.ID = 0x0007000a
)

const calgSHA256 = 0x800c

// Where the boot goes on: the OS loader, a system that was hibernated, the hypervisor loader.
const (
	toOSLoader         = 1
	toResume           = 2
	toHypervisorLoader = 5
)

type events = []tcglog.Tagged

// trustBoundary measures the events of one boot application.
func (b *Boot) trustBoundary(pcr uint32, parts ...events) {
	b.windows(pcr, container(tcglog.TrustBoundary, slices.Concat(parts...)...))
}

// bootManager measures the Windows boot manager.
func (b *Boot) bootManager() {
	s := b.settings
	b.append(11, tcglog.CompactHash, []byte{0x10, 0, 0, 0})
	next := "winload.efi"
	if s.transfer == toResume {
		next = "winresume.efi"
	}
	common := b.common(s.unlock)
	b.trustBoundary(12, events{
		number64(tcglog.BootCounter, s.number), loaded("bootmgfw.efi"), loaded(next), number32(tcglog.TransferControl, s.transfer),
	}, common)
	b.trustBoundary(13, common, events{module(`\Windows\system32\` + next), module(`\EFI\Microsoft\Boot\bootmgfw.efi`)})
	b.windows(14, signer())
}

// hypervisorLoader measures what the boot manager starts before the OS loader where there is to be a hypervisor.
func (b *Boot) hypervisorLoader() {
	s := b.settings
	hypervisor := events{flag(tcglog.HypervisorDebug, s.hypervisorDebug), number64(tcglog.HypervisorIOMMUPolicy, s.hypervisorIOMMU)}
	common := b.common(s.unlockAgain)
	b.trustBoundary(12, events{loaded("hvloader.dll"), loaded("hvix64.exe")}, hypervisor,
		events{number32(tcglog.TransferControl, toHypervisorLoader)}, common)
	b.trustBoundary(13, hypervisor, common, events{module(`\Windows\system32\hvloader.dll`), module(`\Windows\system32\hvix64.exe`)})
	b.windows(14, signer())
}

// osLoader measures winload: the configuration of the system, its code integrity policy and its first modules.
func (b *Boot) osLoader() {
	s := b.settings
	configuration, common := s.configuration(), b.common(s.unlockAgain)
	b.trustBoundary(12, events{loaded("ntoskrnl.exe"), loaded("securekernel.exe")}, configuration, common)
	var policy events
	if s.ciPolicy != nil {
		policy = events{{ID: tcglog.SIPolicy, Data: codeIntegrityPolicy(s.ciPolicy)}}
	}
	b.trustBoundary(13, configuration, common, policy,
		events{module(`\Windows\system32\ntoskrnl.exe`), module(`\Windows\system32\securekernel.exe`), module(`\Windows\system32\ci.dll`)})
	b.trustBoundary(14, events{signer(), signer()})
}

// configuration is what winload says about the system that it starts.
func (s *settings) configuration() events {
	all := events{
		flag(tcglog.OSKernelDebug, s.kernelDebug), number32(osDevice, 0x10004),
		{ID: systemRoot, Data: append(utf16Bytes(`\Windows`), 0, 0)},
		flag(tcglog.SafeMode, s.safeMode), flag(tcglog.WinPE, s.winPE),
		number64(tcglog.HypervisorLaunchType, s.hypervisor), number64(tcglog.VSMLaunchType, s.vsm),
		flag(tcglog.PagefileEncryption, s.pagefileEncryption), flag(tcglog.HibernationDisabled, !s.hibernation),
		flag(tcglog.DumpsDisabled, !s.dumps), flag(tcglog.DumpEncryption, s.dumpEncryption),
	}
	if s.vsm != 0 {
		all = append(all, flag(tcglog.VBSIOMMURequired, s.iommuRequired), number64(tcglog.VBSHVCIPolicy, s.hvci))
	}
	if s.dumpKey != nil {
		digest := sha256.Sum256(s.dumpKey)
		all = append(all, tcglog.Tagged{ID: tcglog.DumpEncryptionKey, Data: digest[:]})
	}
	return all
}

// common is what each boot application measures.
func (b *Boot) common(unlock uint32) events {
	s := b.settings
	return events{
		flag(tcglog.BootDebugging, s.bootDebug), flag(tcglog.TestSigning, s.testSigning), flag(tcglog.CodeIntegrity, s.codeIntegrity),
		number32(tcglog.BitLockerUnlock, unlock),
	}
}

// loaded is a module in PCR 12: what was loaded where.
func loaded(name string) tcglog.Tagged {
	digest := madeUp(name)
	return container(tcglog.LoadedModule, tcglog.Tagged{ID: imageHash, Data: digest[:]}, number64(imageBase, 0x1000000))
}

// module is a module in PCR 13.
func module(path string) tcglog.Tagged {
	digest := madeUp(path)
	return container(tcglog.LoadedModule,
		tcglog.Tagged{ID: filePath, Data: append(utf16Bytes(path), 0, 0)}, number64(imageSize, 0x200000),
		number32(hashAlgorithm, calgSHA256), tcglog.Tagged{ID: imageHash, Data: digest[:]}, flag(imageValid, true))
}

func signer() tcglog.Tagged {
	return tcglog.Tagged{ID: moduleSigner, Data: certificate("key of Windows")}
}

// codeIntegrityPolicy is {version, size of the name, algorithm, size of the digest, name, digest}.
func codeIntegrityPolicy(file []byte) []byte {
	name, digest := append(utf16Bytes("SiPolicy.p7b"), 0, 0), sha256.Sum256(file)
	b := binary.LittleEndian.AppendUint64(nil, 10<<48)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	b = binary.LittleEndian.AppendUint16(b, uint16(tcglog.SHA256))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(digest)))
	return append(append(b, name...), digest[:]...)
}
