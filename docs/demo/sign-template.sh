# A chapter of demo.sh. The way of a template disk: build it, sign it, verify it, look at the catalog with tools that
# are not Scutum's, change one byte, and see verification name the place.

step 'Build a template with common tools' template.vhdx
"$here/template.sh" .

step 'Make a signing certificate' signer.pfx
(umask 077; openssl rand -base64 24 >password)
run scutum cert new --subject 'Contoso template signing' --password-file password signer.pfx --pem signer.pem

step 'Look at the disk'
run scutum template inspect template.vhdx

step 'Sign it' template.vhdx
run cp --sparse=always template.vhdx unsigned.vhdx
run scutum template sign template.vhdx --name 'Windows Server 2025' --version 1.0.0.0 \
	--cert signer.pfx --password-file password

step 'Compare the contents with those before signing (qemu-img)'
run qemu-img compare -f vhdx -F vhdx unsigned.vhdx template.vhdx
run rm unsigned.vhdx

step 'Verify it'
expect 0 scutum template verify template.vhdx --trust signer.pem

step 'Save the catalog as a file' template.vsc
run scutum template extract template.vhdx template.vsc
run scutum vsc show template.vsc

step 'Check the catalog with openssl' catalog.json
run openssl cms -verify -binary -inform DER -in template.vsc -CAfile signer.pem -purpose any -out catalog.json
run openssl x509 -in signer.pem -noout -subject -dates -fingerprint -sha256
run sed -E -e 's/("segments":"[^"]{44})[^"]*/\1.../g' -e 's/\{"role"/\n&/g' catalog.json
echo

step 'Change one byte of ntoskrnl.exe in a copy (qemu-io)' tampered.vhdx
run cp --sparse=always template.vhdx tampered.vhdx
offset=$(($(cat kernel-offset) + 4711))
run qemu-io -f vhdx -c "read -v $offset 1" tampered.vhdx
byte=$(qemu-io -f vhdx -c "read -v $offset 1" tampered.vhdx | awk 'NR == 1 {print $2}')
run qemu-io -f vhdx -c "write -P $((0x$byte ^ 1)) $offset 1" tampered.vhdx

step 'Verify the changed copy, against its own catalog and against the saved one'
expect 1 scutum template verify tampered.vhdx --trust signer.pem
expect 1 scutum template verify tampered.vhdx --vsc template.vsc --trust signer.pem
