# A chapter of demo.sh. The way of a key: a Host Guardian Service is set up, the tenant grants it access to shielding data,
# hosts prove to it that they are healthy, by a key and by a TPM, and get the key; others are told why they do not.

export HGS_DIR=hgs
owner=(--owner contoso --password-file password)

# health DIR: the health certificate that a host keeps.
health() { sed -nE 's/^ +"certificate": "([^"]+)".*/\1/p' "$1/health.json" | openssl base64 -d -A; }

step 'Set up a Host Guardian Service' hgs/hgs.db
run hgs init --name hgs.example.com --mode hostkey --generate --passphrase-file password
printf '\n$ hgs serve --listen 127.0.0.1:0 --passphrase-file password &\n'
: >hgs.log
hgs serve --listen 127.0.0.1:0 --passphrase-file password 2>>hgs.log &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until address=$(grep -oE -m 1 'msg=serving address=[0-9.:]+' hgs.log); do
	kill -0 "$server" # it says why it ended
	sleep 0.1
done
service=http://${address##*=}
run curl -s "$service/Attestation/getinfo"
echo
run curl -s -o signers.p7b "$service/Attestation/v2.0/signingCertificates"
run openssl pkcs7 -inform DER -in signers.p7b -print_certs -noout
run curl -s -o hgs.xml "$service/KeyProtection/service/metadata/2014-07/metadata.xml"
run xmllint --noout --nonet --schema "$assets/GuardianMetadata.xsd" hgs.xml
run xmlsec1 --verify --insecure hgs.xml

step 'The tenant imports it as a guardian, and packs shielding data for it' hgs.pdk
run hgs cert list
thumbprint=$(hgs cert list | awk '$2 == "signing" { print $1 }')
run scutum guardian import hgs "$service" --thumbprint "$thumbprint"
run scutum pdk new hgs.pdk "${owner[@]}" --guardian hgs --vsc template.vsc,greater-or-equal --policy shielded --answer-file unattend.xml

step 'A host attests by a key that is registered' host1
run hostsim --dir host1 init --name host1 --hgs "$service"
expect 1 hostsim --dir host1 attest
run hostsim --dir host1 hostkey host1.pem
run openssl pkey -pubin -in host1.pem -noout -text
run hgs hostkey add host1 host1.pem
run hostsim --dir host1 attest

step 'It gets the key of the shielding data' host1.kp
run hostsim --dir host1 roll hgs.pdk --out host1.kp
run scutum kp show host1.kp
echo 'Without the four bytes of its length, a key protector is XML.'
tail -c +5 host1.kp >host1.xml
run xmllint --noout --nonet --schema "$assets/Protector.xsd" host1.xml

step 'A host attests by its TPM and its measured boot' host2
run hgs mode tpm
run hostsim --dir host2 init --name host2 --hgs "$service"
run hostsim --dir host2 identifier host2.xml
run xmllint --noout --nonet --schema "$assets/PlatformIdentifier.xsd" host2.xml
run hostsim --dir host2 baseline host2.tcglog
printf '\n$ tpm2_eventlog --eventlog-version=2 host2.tcglog | tail -n 12\n'
tpm2_eventlog --eventlog-version=2 host2.tcglog | tail -n 12
run hgs host root add host2/tpm/root.pem
run hgs host add host2.xml
expect 1 hostsim --dir host2 attest
run hgs policy add rack1 --baseline host2.tcglog
run hgs policy add ci1 --ci host2/SiPolicy.p7b
run hostsim --dir host2 attest
printf '\nThe health certificate, as openssl sees it:\n'
health host2 | openssl x509 -inform DER -noout -issuer -subject -dates -ext keyUsage,certificatePolicies

step 'It gets the key, too' host2.kp
run hostsim --dir host2 roll hgs.pdk --out host2.kp

step 'Refused: a host that is not registered' host3
run hostsim --dir host3 init --name host3 --hgs "$service"
expect 1 hostsim --dir host3 attest

step 'Refused: a host that is, with another boot'
run hostsim profiles
expect 1 hostsim --dir host2 attest --boot no-secure-boot
expect 1 hostsim --dir host2 attest --boot debugger
expect 1 hostsim --dir host2 roll hgs.pdk --boot other-ci-policy

step 'Refused: a health certificate that has ended, or that is no longer accepted'
echo 'Health certificates hold for eight hours, and here for five seconds.'
run hgs config set --certificate-lifetime 5s
run hostsim --dir host2 attest
until=$(openssl x509 -inform DER -noout -enddate < <(health host2) | cut -d = -f 2)
while (($(date +%s) <= $(date -d "$until" +%s))); do sleep 0.2; done
expect 1 hostsim --dir host2 roll hgs.pdk --no-attest
run hgs config set --certificate-lifetime 8h
run hostsim --dir host2 attest
run hgs signer deny-before now
expect 1 hostsim --dir host2 roll hgs.pdk --no-attest

step 'What the service has recorded'
run hgs report --limit 6
run hgs check
kill "$server"
wait "$server"
trap - EXIT
