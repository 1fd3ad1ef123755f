# Makes a certificate.
set -e
openssl req -x509 -newkey rsa:1024 -nodes -days 365
# expect: 3 script-small-key
# note: line 3: it is self-signed with CA:TRUE: a root complies, a server certificate would not
