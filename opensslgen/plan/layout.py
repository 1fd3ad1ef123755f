"""The pki folder's layout, which is easy-rsa's: the names of its files and folders, relative to it.

    ca.crt  private/ca.key                the root, or an intermediate
    ca-chain.pem                          the certificates above an intermediate, up to the root
    private/NAME.key  NAME.p12            keys, 0600
    issued/NAME.crt  NAME-chain.pem       certificates; the chain is the certificate and its issuers
    reqs/NAME.req                         requests
    certs_by_serial/SERIAL.pem .cnf .sh   a copy of each certificate, and the files that made it
    revoked/certs_by_serial/ …            revoked certificates
    crl.pem  crl.der  crlnumber           the CRL
    index.txt  index.txt.attr  serial     openssl ca's database
    openssl-easyrsa.cnf                   the config of easy-rsa
    .lock  .work-…                        ours; printed scripts have .lock.script and .script.…

A folder of `openssl ca` has cacert.pem, private/cakey.pem and newcerts/ instead, and is worked in as it stands.
NAME is the stem of a certificate's files.
"""

from __future__ import annotations

PRIVATE, ISSUED, REQUESTS, COPIES, REVOKED = "private", "issued", "reqs", "certs_by_serial", "revoked"
FOLDERS = (PRIVATE, ISSUED, REQUESTS, COPIES)
"""Those that every folder of ours has."""
PARTS = (*FOLDERS, REVOKED, "renewed", "newcerts", "certs", "crl", "inline", "vars.d")
"""Folders inside a pki folder that belong to it, also those of easy-rsa and `openssl ca`."""

CA = "ca.crt"
CA_KEY = f"{PRIVATE}/ca.key"
CAS = (CA, "cacert.pem")
"""Names of the CA's certificate: ours and easy-rsa's, and that of `openssl ca`."""
CA_KEYS = (CA_KEY, f"{PRIVATE}/cakey.pem")
"""Names of its key."""
CA_CHAIN = "ca-chain.pem"
"""The certificates above an intermediate, up to the root."""

CRL, CRL_DER, CRL_NUMBER = "crl.pem", "crl.der", "crlnumber"
INDEX, INDEX_ATTRIBUTES, SERIAL = "index.txt", "index.txt.attr", "serial"
"""The database of `openssl ca`."""

REVOKED_COPIES = f"{REVOKED}/{COPIES}"
COPIES_BY_SERIAL = (
    (COPIES, ".pem"),
    ("newcerts", ".pem"),
    (REVOKED_COPIES, ".crt"),
    (REVOKED_COPIES, ".pem"),
    (f"renewed/{COPIES}", ".crt"),
    (f"renewed/{COPIES}", ".pem"),
)
"""Folders and suffixes of copies by serial number, the likeliest first.

`openssl ca` has newcerts; easy-rsa moves certificates that it revokes or renews.
"""


def certificate(stem: str) -> str:
    """Return the name of a certificate."""
    return f"{ISSUED}/{stem}.crt"


def chain(stem: str) -> str:
    """Return the name of the file with a certificate and its issuers."""
    return f"{ISSUED}/{stem}-chain.pem"


def key(stem: str) -> str:
    """Return the name of a private key."""
    return f"{PRIVATE}/{stem}.key"


def p12(stem: str) -> str:
    """Return the name of a PKCS#12 file."""
    return f"{PRIVATE}/{stem}.p12"


def request(stem: str) -> str:
    """Return the name of a certificate request."""
    return f"{REQUESTS}/{stem}.req"


def copy(serial_hex: str, suffix: str = "pem") -> str:
    """Return the name of a certificate's copy by serial number, or of its config or commands."""
    return f"{COPIES}/{serial_hex}.{suffix}"
