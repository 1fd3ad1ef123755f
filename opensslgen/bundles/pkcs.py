"""Read the certificates in PKCS#7 and PKCS#12."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from opensslgen.budget import check
from opensslgen.errors import UnreadableError
from opensslgen.openssl.command import OpenSSLError, reason
from opensslgen.openssl.process import Process
from opensslgen.rules.chain import issuer_among
from opensslgen.rules.rule import raised
from opensslgen.x509.certificate import decode, decode_block
from opensslgen.x509.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DecodeError,
    element,
    finish,
    object_identifier,
    whole,
)
from opensslgen.x509.names import canonical
from opensslgen.x509.pem import pem_blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.rules.path import CanonicalName
    from opensslgen.rules.rule import Finding, Rule
    from opensslgen.x509.certificate import Certificate

PASSWORD = "OPENSSLGEN_P12_PASSWORD"  # noqa: S105 - the variable's name
TIMEOUT = 30.0
"""Seconds for one PKCS#12 file, which itself sets how long hashing the password takes."""
OUTPUT = 16 << 20
"""Most bytes that openssl may print."""
_SIGNED_DATA = "1.2.840.113549.1.7.2"


def pkcs7_certificates(der: bytes) -> list[Certificate]:
    """Return the certificates of a SignedData (RFC 5652 section 5.1), leaf first; raises DecodeError."""
    at, end = whole(der, SEQUENCE, "a PKCS#7 file")
    start, at = element(der, at, end, OBJECT_IDENTIFIER, "the kind of a PKCS#7 file")
    if object_identifier(der, start, at) != _SIGNED_DATA:
        raise DecodeError("a PKCS#7 file is not signed data, which is the kind that contains certificates", start)
    start, at = element(der, at, end, 0xA0, "the content of a PKCS#7 file")
    finish(at, end, "a PKCS#7 file")
    first, last = element(der, start, at, SEQUENCE, "signed data")
    finish(last, at, "signed data")
    _, at = element(der, first, last, INTEGER, "the version of signed data")
    _, at = element(der, at, last, SET, "the digests of signed data")
    _, at = element(der, at, last, SEQUENCE, "what signed data is about")
    certificates: list[Certificate] = []
    if at < last and der[at] == 0xA0:
        start, at = element(der, at, last, 0xA0, "the certificates of signed data")
        while start < at:
            _, stop = element(der, start, at, SEQUENCE, "a certificate in signed data")
            certificates.append(decode(der[start:stop]))
            start = stop
    if at < last and der[at] == 0xA1:
        _, at = element(der, at, last, 0xA1, "the revocation lists of signed data")
    _, at = element(der, at, last, SET, "the signers of signed data")
    finish(at, last, "signed data")
    if not certificates:
        raise DecodeError("a PKCS#7 file has no certificate in it")
    return leaf_first(certificates)


def leaf_first(certificates: Sequence[Certificate]) -> list[Certificate]:
    """Return certificates of any order sorted: the first that issued no other, its issuers, the rest."""
    by_subject: dict[CanonicalName, list[Certificate]] = defaultdict(list)
    for each in certificates:
        by_subject[canonical(each.subject)].append(each)
    found = {each.der: _issuer(each, by_subject, ()) for each in certificates}
    issuers = {issuer.der for issuer in found.values() if issuer}
    leaf = next((each for each in certificates if each.der not in issuers), certificates[0])
    ordered = {leaf.der: leaf}
    below: Certificate | None = leaf
    while below and (below := _issuer(below, by_subject, ordered)):
        ordered[below.der] = below
    return [*ordered.values(), *(each for each in certificates if each.der not in ordered)]


_MOST_OF_ONE_NAME = 32
"""Certificates with one subject that are compared; a CA that was renewed or cross-signed has a few."""


def _issuer(
    certificate: Certificate, by_subject: Mapping[CanonicalName, Sequence[Certificate]], but: Collection[bytes]
) -> Certificate | None:
    check()
    named = islice(by_subject.get(canonical(certificate.issuer), ()), _MOST_OF_ONE_NAME)
    return issuer_among(certificate, [each for each in named if each.der not in but])


def pkcs12_certificates(data: bytes, openssl: OpenSSL, password: str) -> list[Certificate]:
    """Return the certificates of a PKCS#12 file, leaf first; openssl decrypts them, and no key.

    Raises UnreadableError and OpenSSLError.
    """
    process = _print_info(data, replace(openssl, timeout=min(openssl.timeout, TIMEOUT), limit=OUTPUT), password)
    # Between the blocks, openssl prints names from the file as they are, even one that looks like a block. Only stderr,
    # which has no names, tells the true number of certificates.
    blocks = [block for block in pem_blocks(process.stdout) if block.label == "CERTIFICATE"]
    if len(blocks) != process.stderr.count(b"Certificate bag"):
        raise UnreadableError("a name in the PKCS#12 file imitates a certificate")
    if not blocks:
        raise UnreadableError("the PKCS#12 file has no certificate in it")
    return leaf_first([decode_block(block) for block in blocks])


def _print_info(data: bytes, openssl: OpenSSL, password: str) -> Process:
    command = ["pkcs12", "-info", "-nokeys", "-passin", f"env:{PASSWORD}"]
    secrets = {PASSWORD: password}
    try:
        process = openssl.run(command, stdin=data, secrets=secrets, check=False)
    except OpenSSLError as error:
        if error.left is None:
            raise
        why = f"openssl takes more than {openssl.timeout:g} s for it, or prints more than {OUTPUT >> 20} MiB"
        raise UnreadableError(why) from error
    if process.exit_code and openssl.can("-legacy") and b"unsupported" in process.stderr:
        process = openssl.run([*command, "-legacy"], stdin=data, secrets=secrets, check=False)
    if process.exit_code == 0:
        return process
    if re.search(rb"mac verify (error|failure)|invalid password|bad decrypt", process.stderr, re.IGNORECASE):
        raise UnreadableError("the password of the PKCS#12 file is wrong, or the file is damaged")
    said = _INFO.sub(b"", process.stderr)
    raise UnreadableError(f"openssl cannot read the PKCS#12 file: {reason(Process(process.exit_code, b'', said))}")


def has_private_key(data: bytes, openssl: OpenSSL, password: str) -> bool:
    """Tell whether a PKCS#12 file contains a private key, without decrypting it; raises UnreadableError."""
    return any(line.startswith(_KEY_BAGS) for line in _print_info(data, openssl, password).stderr.splitlines())


_KEY_BAGS = (b"Shrouded Keybag", b"Key bag")
_INFO = re.compile(rb"^(?:MAC|PKCS7|Shrouded|Certificate bag|Key bag)[^\n]*\n", re.MULTILINE)

_RC2 = {
    bytes.fromhex("060a2a864886f70d010c0105"): "RC2 with 128 bits",
    bytes.fromhex("060a2a864886f70d010c0106"): "RC2 with 40 bits",
}
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBMAC1 = bytes.fromhex("06092a864886f70d01050e")
_SHA2_DIGEST = re.compile(rb"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02[\x01-\x04](?:\x05\x00)?\x04[\x1c\x20\x30\x40]")
"""The identifier of a SHA-2 digest, and the beginning of the digest."""


def uses_rc2(data: bytes) -> bool:
    """Tell whether openssl 3.0 or later needs -legacy to read a PKCS#12 file."""
    return any(identifier in data for identifier in _RC2)


def pkcs12_encryption(data: bytes, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return the findings on how a PKCS#12 file is encrypted (RFC 7292).

    The identifiers of its ciphers are not encrypted, and are searched anywhere in the file: Windows and NSS write BER,
    which a strict reader cannot read.
    """
    old = [name for identifier, name in _RC2.items() if identifier in data]
    new = ["encrypted by PBES2"] if _PBES2 in data else []
    if _PBMAC1 in data or _SHA2_DIGEST.search(data):
        new.append("authenticated by SHA-2")
    findings = raised(rules, "p12-rc2", f"it is encrypted by {' and '.join(old)}") if old else ()
    return findings + (raised(rules, "p12-too-new", f"it is {' and '.join(new)}") if new else ())
