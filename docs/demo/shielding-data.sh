# A chapter of demo.sh. The way of shielding data: the tenant becomes an owner, names the fabric that may run the
# machine, writes an answer file, packs it so that only the two can open it, and checks for which template it is.

export SCUTUM_HOME=$PWD/tenant
assets=$here/../../assets/xsd

step 'Make the owner guardian'
run scutum guardian new contoso --password-file password

step 'Get the metadata of the fabric guardian' fabric.xml
echo 'In place of a Host Guardian Service: another store, whose guardian is exported.'
run env SCUTUM_HOME="$PWD/fabric" scutum guardian new fabric --password-file password
run env SCUTUM_HOME="$PWD/fabric" scutum guardian export fabric fabric.xml
run xmllint --noout --nonet --schema "$assets/GuardianMetadata.xsd" fabric.xml
run xmlsec1 --verify --insecure fabric.xml

step 'Import it: by its thumbprint, as nobody vouches for its certificates'
expect 2 scutum guardian import fabric fabric.xml
echo 'The people of the fabric tell its thumbprint.'
thumbprint=$(SCUTUM_HOME="$PWD/fabric" scutum guardian show fabric --json |
	sed -nE '/"signing": \{/,/\}/s/.*"sha256": "([0-9a-f]+)".*/\1/p')
run scutum guardian import fabric fabric.xml --thumbprint "$thumbprint"
run scutum guardian list

step 'Write an answer file with substitution strings' unattend.xml
run scutum answerfile new unattend.xml --password-file password --static-ip 1 --rdp --shut-down
run grep -n '@' unattend.xml

step 'Make the shielding data' web.pdk
run scutum pdk new web.pdk --owner contoso --guardian fabric --vsc template.vsc,greater-or-equal --policy shielded \
	--answer-file unattend.xml --password-file password

step 'What the fabric may see, and openssl agrees'
run scutum pdk show web.pdk
run openssl cms -verify -binary -inform DER -in web.pdk -noverify -out pdk.json
run sed -E 's/("(keyProtector|signer|ciphertext)":"[^"]{24})[^"]*/\1.../g' pdk.json
echo

step 'What only the owner may see'
run scutum pdk show web.pdk --open --password-file password

step 'The values for one machine' web01.fsk
run scutum fsk new web01.fsk @ComputerName@=WEB01 @IP4Addr-1@=192.0.2.10/24
expect 1 scutum answerfile check unattend.xml --fsk web01.fsk
run scutum fsk new --force web01.fsk @ComputerName@=WEB01 @IP4Addr-1@=192.0.2.10/24 \
	@MACAddr-1@=00-15-5D-01-02-03 @NextHop-1-1@=192.0.2.1 @DnsAddr-1-1@=192.0.2.53
expect 0 scutum answerfile check unattend.xml --fsk web01.fsk

step 'Is it for this template? For the one it names, and for one that somebody else signed' other.vsc
expect 0 scutum pdk check web.pdk template.vsc
run scutum cert new --subject 'Somebody else' --password-file password other.pfx
run cp --sparse=always template.vhdx other.vhdx
run scutum template sign other.vhdx --name 'Windows Server 2025' --version 0.9.0.0 --cert other.pfx \
	--password-file password --vsc other.vsc --force
expect 1 scutum pdk check web.pdk other.vsc
run rm other.vhdx

step 'Revoke the fabric: a new transport key' revoked.pdk
run scutum pdk edit web.pdk --revoke fabric --out revoked.pdk --password-file password
run scutum kp show revoked.pdk
