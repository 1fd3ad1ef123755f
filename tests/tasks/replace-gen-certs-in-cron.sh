#!/bin/sh
# An appliance gets a new certificate from gen_certs.sh once a week, by a line in /etc/cron.d. Replace that line: one
# certificate now, as the .p12 that the appliance imports, and a renewal each night that imports the new one.
set -eu

mkdir etc appliance
(umask 077 && echo "battery staple" > etc/p12-password)
echo '17 3 * * 0 root /opt/Avaya/scripts/gen_certs.sh --cn pbx.example.com' > etc/cron-gen-certs

# What the appliance does with a new file; here it keeps a copy.
cat > appliance/import.sh <<'END'
#!/bin/sh
set -eu
cp "$OPENSSLGEN_P12" "$(dirname "$0")/imported.p12"
echo "$OPENSSLGEN_NAME" >> "$(dirname "$0")/imports"
END
chmod 755 appliance/import.sh

# The certificate now.
opensslgen root --cn "Example Ltd CA" --pki etc/pki
opensslgen server pbx.example.com --san IP:10.0.0.5 --p12-compat --p12-password-file etc/p12-password --pki etc/pki
OPENSSLGEN_P12=etc/pki/private/pbx.example.com.p12 OPENSSLGEN_NAME=pbx.example.com appliance/import.sh

# The line for cron, instead of the old one.
opensslgen script cron --pki "$PWD/etc/pki" --p12-password-file "$PWD/etc/p12-password" \
  --deploy-hook "$PWD/appliance/import.sh" > etc/cron-opensslgen
rm etc/cron-gen-certs

# What cron does with it: no terminal, no variables, another folder.
line=$(sed -n '/^[0-9]/{s/^[^ ]* [^ ]* [^ ]* [^ ]* [^ ]* root //p;}' etc/cron-opensslgen | sed 's/\\%/%/g')
night() { (cd / && env -i HOME=/ PATH=/usr/bin:/bin faketime -f "$1" /bin/sh -c "$line") < /dev/null; }
before=$(openssl x509 -noout -serial -in etc/pki/issued/pbx.example.com.crt)

night +1d
test "$(openssl x509 -noout -serial -in etc/pki/issued/pbx.example.com.crt)" = "$before" || exit 3
test "$(wc -l < appliance/imports)" -eq 1 || exit 4

night +800d
after=$(openssl x509 -noout -serial -in etc/pki/issued/pbx.example.com.crt)
test "$after" != "$before" || exit 5
test "$(wc -l < appliance/imports)" -eq 2 || exit 6
cmp etc/pki/private/pbx.example.com.p12 appliance/imported.p12

# The appliance can read it, and has the new certificate with its key and its root.
openssl pkcs12 -in appliance/imported.p12 -passin file:etc/p12-password -nokeys -legacy -out imported.pem 2> /dev/null ||
  openssl pkcs12 -in appliance/imported.p12 -passin file:etc/p12-password -nokeys -out imported.pem
test "$(openssl x509 -noout -serial -in imported.pem)" = "$after" || exit 7
test "$(grep -c "BEGIN CERTIFICATE" imported.pem)" -eq 2 || exit 8

# Without the password, nothing changes, and the failure is loud.
rm etc/p12-password
if night +1600d 2> complaint; then exit 9; fi
grep -q "p12-password" complaint
test "$(openssl x509 -noout -serial -in etc/pki/issued/pbx.example.com.crt)" = "$after" || exit 10
cmp etc/pki/private/pbx.example.com.p12 appliance/imported.p12
