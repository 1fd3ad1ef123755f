"""Read the certificates in PKCS#7 and PKCS#12."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import check
from opensslgen.errors import UnreadableError
from opensslgen.openssl.command import OpenSSL, OpenSSLError, reason
from opensslgen.openssl.process import Process
from opensslgen.patterns import pattern
from opensslgen.rules.chain import issuer_among
from opensslgen.rules.rule import Finding, Rule, raised
from opensslgen.x509.ber import children
from opensslgen.x509.certificate import Certificate, decode, decode_block
from opensslgen.x509.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DecodeError,
    object_identifier,
)
from opensslgen.x509.names import canonical
from opensslgen.x509.pem import pem_blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from opensslgen.rules.path import CanonicalName

PASSWORD = "OPENSSLGEN_P12_PASSWORD"  # noqa: S105 - the variable's name
TIMEOUT = 30.0
"""Seconds for one PKCS#12 file, which itself sets how long hashing the password takes."""
OUTPUT = 16 << 20
"""Most bytes that openssl may print."""
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENTS = {
    "1.2.840.113549.1.7.1": "plain data",
    "1.2.840.113549.1.7.3": "encrypted (enveloped) data",
    "1.2.840.113549.1.7.5": "digested data",
    "1.2.840.113549.1.7.6": "encrypted data",
    "1.2.840.113549.1.9.16.1.2": "authenticated data",
    "1.2.840.113549.1.9.16.1.9": "compressed data",
    "1.2.840.113549.1.9.16.1.23": "encrypted (authenticated enveloped) data",
}
"""What else than signed data there is (RFC 5652, RFC 3274, RFC 5083)."""


class SignedData(NamedTuple):
    """What a PKCS#7 file contains beside signatures."""

    certificates: tuple[Certificate, ...]
    """Leaf first."""
    crls: tuple[bytes, ...]
    """In DER."""
    notes: tuple[str, ...] = ()
    """What else was in it."""


def signed_data(data: bytes) -> SignedData:
    """Return the certificates and CRLs of a SignedData (RFC 5652 section 5.1) in DER or BER; raises DecodeError."""
    ((start, stop),) = _members(data, 0, len(data), "a PKCS#7 file", SEQUENCE)
    kind, content = _members(data, start, stop, "a PKCS#7 file", OBJECT_IDENTIFIER, 0xA0)
    name = object_identifier(data, *kind)
    if name != _SIGNED_DATA:
        what = _CONTENTS.get(name, f"content of the type {name}")
        raise DecodeError(f"this PKCS#7 file has {what}, not signed data, which is the kind that contains certificates")
    ((start, stop),) = _members(data, *content, "the content of a PKCS#7 file", SEQUENCE)
    parts = [*children(data, start, stop)]
    tags = [tag for tag, *_ in parts]
    if tags[:3] != [INTEGER, SET, SEQUENCE] or tags[-1] != SET or tags[3:-1] not in ([], [0xA0], [0xA1], [0xA0, 0xA1]):
        raise DecodeError("signed data has other parts than a PKCS#7 file", start)
    certificates: list[Certificate] = []
    crls: list[bytes] = []
    others = 0
    for part, first, last, _ in parts[3:-1]:
        at = first
        for tag, _, _, after in children(data, first, last):
            if tag != SEQUENCE:
                others += 1
            elif part == 0xA0:
                certificates.append(_certificate(data, at, after))
            else:
                crls.append(data[at:after])
            at = after
    if not certificates and not crls:
        raise DecodeError("a PKCS#7 file has no certificate in it")
    notes = (f"the PKCS#7 file has {others} more entries, which are no certificates or CRLs",) if others else ()
    return SignedData(tuple(leaf_first(certificates) if certificates else ()), tuple(crls), notes)


def _certificate(data: bytes, at: int, end: int) -> Certificate:
    try:
        return decode(data[at:end])
    except DecodeError as error:
        raise error.moved(at) from None


def _members(data: bytes, at: int, end: int, what: str, *tags: int) -> list[tuple[int, int]]:
    """Return where the contents of elements with these tags begin and end; raises DecodeError for others."""
    found = [*children(data, at, end)]
    if [tag for tag, *_ in found] != [*tags]:
        raise DecodeError(f"{what} has other parts than it should", at)
    return [(start, stop) for _, start, stop, _ in found]


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
_INFO = pattern(rb"^(?:MAC|PKCS7|Shrouded|Certificate bag|Key bag)[^\n]*\n", re.MULTILINE)

_RC2 = {
    bytes.fromhex("060a2a864886f70d010c0105"): "RC2 with 128 bits",
    bytes.fromhex("060a2a864886f70d010c0106"): "RC2 with 40 bits",
}
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBMAC1 = bytes.fromhex("06092a864886f70d01050e")
_SHA2_DIGEST = pattern(rb"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02[\x01-\x04](?:\x05\x00)?\x04[\x1c\x20\x30\x40]")
"""The identifier of a SHA-2 digest, and the beginning of the digest."""


def uses_rc2(data: bytes) -> bool:
    """Tell whether openssl 3.0 or later needs -legacy to read a PKCS#12 file."""
    return any(identifier in data for identifier in _RC2)


def pkcs12_form(data: bytes) -> str:
    """Return the key of P12_ENCRYPTIONS that is closest to how a PKCS#12 file is encrypted."""
    return "p12" if _PBES2 in data else "p12-compat"


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
