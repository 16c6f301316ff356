#!/usr/bin/env bash
# Builds a disk that looks like a generalized Windows Server template: GPT, an EFI system partition with a boot
# path, a Microsoft reserved partition, an NTFS volume with a Windows tree, and a recovery partition.
# Usage: docs/demo/template.sh FOLDER
# Makes FOLDER/template.vhdx, and FOLDER/kernel-offset with the place of the kernel's file on the disk, in bytes.
#
# Everything is made with common tools, without root and without mounting anything. The files carry filler, not Windows.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/steps.sh"
cd "$1"
work=build
rm -rf "$work"
mkdir "$work"

# filler PATH SIZE: a file of SIZE bytes that nothing can compress, the same in every run. Like each Windows program
# it starts with "MZ".
filler() {
	local key
	key=$(printf '%s' "$1" | openssl dgst -sha256 -r | cut -c1-64)
	mkdir -p "$(dirname "$1")"
	{
		printf 'MZ: a demonstration file of Scutum, not a program\r\n'
		head -c "$2" /dev/zero | openssl enc -aes-256-ctr -K "$key" -iv 00000000000000000000000000000000
	} >"$1"
}

echo "Writing the files of the Windows volume"
while read -r size path; do
	filler "$work/os/$path" "$size"
done <<'FILES'
12582912 Windows/System32/ntoskrnl.exe
1966080 Windows/System32/winload.efi
1835008 Windows/System32/ntdll.dll
819200 Windows/System32/kernel32.dll
3145728 Windows/System32/kernelbase.dll
1703936 Windows/System32/hvix64.exe
524288 Windows/System32/hal.dll
393216 Windows/System32/cmd.exe
716800 Windows/System32/Sysprep/sysprep.exe
3276800 Windows/System32/drivers/ntfs.sys
3407872 Windows/System32/drivers/tcpip.sys
458752 Windows/System32/drivers/vmbus.sys
229376 Windows/System32/drivers/storvsc.sys
16777216 Windows/System32/config/SYSTEM
67108864 Windows/System32/config/SOFTWARE
65536 Windows/System32/config/SAM
65536 Windows/System32/config/SECURITY
45056 Windows/System32/Recovery/ReAgent.xml
5242880 Windows/explorer.exe
364544 Windows/notepad.exe
1048576 Windows/Boot/EFI/bootmgfw.efi
262144 Users/Default/NTUSER.DAT
174 Users/Public/desktop.ini
1048576 ProgramData/Microsoft/Windows/Start Menu/Programs/shortcuts.dat
8388608 Program Files/Windows Defender/MsMpEng.exe
524288 Program Files/Common Files/System/ado/msado15.dll
524288 Program Files (x86)/Common Files/System/ado/msado15.dll
FILES
for i in {001..160}; do
	filler "$work/os/Windows/WinSxS/amd64_microsoft-windows-component-${i}_31bf3856ad364e35/component.dll" 1310720
done
filler "$work/recovery/Recovery/WindowsRE/winre.wim" 33554432
for name in Microsoft/Boot/bootmgfw.efi Microsoft/Boot/bootmgr.efi Boot/bootx64.efi; do
	filler "$work/esp/EFI/$name" 1572864
done
filler "$work/esp/EFI/Microsoft/Boot/BCD" 24576
run du -sh "$work/os" "$work/recovery" "$work/esp"

echo
echo "A disk of 20 GiB with 512-byte sectors and the partitions that Windows Setup makes"
disk=$work/disk.raw
run truncate -s 20G "$disk"
run sgdisk --clear \
	--new=1:2048:206847 --typecode=1:ef00 --change-name=1:'EFI system partition' \
	--new=2:206848:239615 --typecode=2:0c01 --change-name=2:'Microsoft reserved partition' \
	--new=3:239616:40085503 --typecode=3:0700 --change-name=3:'Basic data partition' \
	--new=4:40085504:41519103 --typecode=4:2700 --change-name=4:'Recovery' --attributes=4:set:63 \
	"$disk"

echo
echo "The EFI system partition: FAT32, filled by mtools"
esp=$work/esp.fat
run truncate -s 100M "$esp"
run mkfs.vfat -F 32 -n SYSTEM "$esp"
run mcopy -s -i "$esp" "$work/esp/EFI" ::/

# ntfs NAME LABEL START SECTORS: an NTFS volume made of the tree NAME. The tree goes in as a WIM, the way Windows
# Setup applies install.wim; wimlib writes it into the volume without mounting it.
ntfs() {
	local volume=$work/$1.ntfs
	run truncate -s $(($4 * 512)) "$volume"
	run mkntfs --quiet --fast --force --label "$2" --sector-size 512 --partition-start "$3" \
		--heads 255 --sectors-per-track 63 "$volume"
	run wimcapture "$work/$1" "$work/$1.wim" "$2" --compress=none --quiet
	run wimapply "$work/$1.wim" 1 "$volume" --quiet
}

# place IMAGE START SECTORS: copies a volume to its place on the disk, leaving holes where it has holes.
place() {
	run qemu-img convert -n --target-is-zero -f raw --target-image-opts "$1" \
		"driver=raw,offset=$(($2 * 512)),size=$(($3 * 512)),file.driver=file,file.filename=$disk"
}

echo
echo "The Windows volume and the recovery volume: NTFS"
ntfs os Windows 239616 39845888
ntfs recovery Recovery 40085504 1433600
place "$esp" 2048 204800
place "$work/os.ntfs" 239616 39845888
place "$work/recovery.ntfs" 40085504 1433600
run sgdisk --verify --print "$disk"

echo
echo "A dynamic VHDX of it, made by qemu-img"
rm -f template.vhdx
run qemu-img convert -f raw -O vhdx -o subformat=dynamic "$disk" template.vhdx
run qemu-img info template.vhdx

lcn=$(ntfscluster --filename Windows/System32/ntoskrnl.exe "$work/os.ntfs" 2>/dev/null | awk '$1 == "0" {print $2; exit}')
echo $((239616 * 512 + lcn * 4096)) >kernel-offset
rm -rf "$work"
