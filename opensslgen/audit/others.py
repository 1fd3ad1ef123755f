"""The names of files that hold no certificate but are often given in place of one, and what to do with them."""

from __future__ import annotations

import re

_KEY = "a public key, without the certificate that it belongs to"
_SSH = "an SSH public key, not a certificate"
_KEYTOOL = "keytool -importkeystore -deststoretype PKCS12 makes PKCS#12 of it"
_FORMS = {
    rb"\A\xfe\xed\xfe\xed": f"a Java keystore (JKS): {_KEYTOOL}",
    rb"\A\xce\xce\xce\xce": f"a Java keystore (JCEKS): {_KEYTOOL}",
    rb"\APK\x03\x04": "a ZIP archive: unpack it first",
    rb"\A\x1f\x8b": "compressed by gzip: unpack it first",
    rb"\ASQLite format 3": "a database, such as the cert9.db of NSS: certutil -L -a -n NAME prints a certificate",
    rb"\A(?:ssh-|ecdsa-sha2-)|^---- BEGIN SSH2 PUBLIC KEY": _SSH,
    rb"^-----BEGIN (?:RSA )?PUBLIC KEY-----": _KEY,
    rb"\A(?s:\x30(?:\x81.|\x82..)?.?\x30[\x05-\x7f]\x06)": _KEY,
    rb"^-----BEGIN DH PARAMETERS-----": "Diffie-Hellman parameters, not a certificate",
    rb"^-----BEGIN EC PARAMETERS-----": "the parameters of an EC key, not a certificate",
    rb"^-----BEGIN PGP ": "an OpenPGP key, message or signature, not a certificate",
    rb"\A\s*<(?i:!doctype html|html)": "a web page, not a certificate: perhaps a log-in page or an error was saved",
    rb"^Certificate:\r?\n\s+Data:": "what openssl x509 -text prints of a certificate, without the certificate itself",
}
"""What files look like, the first that fits counts."""
_HEX = "a hex dump of DER: xxd -r turns it back, and xxd -r -p if it is nothing but digits"
_OFFSET = re.compile(rb"0{4,16}[: \t]+")
_HEX_WORD = re.compile(rb"(?:0[xX]|\\x)?((?:[0-9A-Fa-f]{2})+),?")


def name_of(data: bytes) -> str:
    """Return what a file is that cannot be judged, as precisely as it can be told."""
    for form, what in _FORMS.items():
        if re.search(form, data, re.MULTILINE):
            return what
    return _HEX if _is_hex(data) else "not a certificate, request, key, CRL, config or script"


def _is_hex(data: bytes) -> bool:
    """Tell whether the first line of a text is hex of a SEQUENCE of 128 bytes or more."""
    first = data[:400].removeprefix(b"\xef\xbb\xbf").strip().partition(b"\n")[0]
    first = first[match.end() :] if (match := _OFFSET.match(first)) else first
    digits = b""
    for word in first.replace(b":", b" ").replace(b"\\x", b" ").split():
        if not (part := _HEX_WORD.fullmatch(word)):
            break
        digits += part[1]
    return len(digits) >= 16 and digits[:4].lower() in (b"3080", b"3081", b"3082")
