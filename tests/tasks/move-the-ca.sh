#!/bin/sh
# The CA moves to another machine: back it up, restore it there, and go on there as if nothing had happened.
set -eu

mkdir old new
(umask 077 && echo "correct horse battery" > passphrase && echo "the key of the CA" > ca-passphrase)

cd old
opensslgen root --cn "Example Ltd CA" --passphrase-file ../ca-passphrase
opensslgen server pbx.example.com --san IP:10.0.0.5 --passphrase-file ../ca-passphrase
opensslgen server gone.example.com --passphrase-file ../ca-passphrase
opensslgen revoke gone.example.com --yes --passphrase-file ../ca-passphrase
opensslgen crl --passphrase-file ../ca-passphrase
opensslgen backup office.backup --backup-passphrase-file ../passphrase
cd ..

# Nobody opens it without the passphrase.
cp old/office.backup new/
cd new
if echo "another one" | { cat > ../wrong; opensslgen restore office.backup --backup-passphrase-file ../wrong; }; then exit 3; fi
test ! -e pki
opensslgen restore office.backup --backup-passphrase-file ../passphrase
diff -r -x .lock ../old/pki pki
test "$(find pki/private -perm /077 | wc -l)" -eq 0 || exit 4
opensslgen list --all
opensslgen audit -q pki/ --root pki/ca.crt
rm -r ../old

# It goes on: renew, issue, revoke. The phones still have the old root.
cp pki/ca.crt on-the-phones.crt
opensslgen renew pbx.example.com --passphrase-file ../ca-passphrase
opensslgen server second.example.com --passphrase-file ../ca-passphrase
opensslgen revoke second.example.com --yes --passphrase-file ../ca-passphrase
openssl verify -CAfile on-the-phones.crt pki/issued/pbx.example.com.crt
test "$(openssl crl -noout -text -in pki/crl.pem | grep -c 'Serial Number:')" -eq 2 || exit 5
opensslgen audit -q pki/ --root on-the-phones.crt

# The backup never writes over a CA.
if opensslgen restore office.backup --backup-passphrase-file ../passphrase; then exit 6; fi
