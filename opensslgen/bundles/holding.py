"""Read the certificates, requests and keys in a file: PEM, DER, PKCS#7 or PKCS#12, recognised by content."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from os import fspath
from typing import TYPE_CHECKING

from opensslgen.budget import check
from opensslgen.errors import UnreadableError
from opensslgen.files.read import File, content, read_file
from opensslgen.patterns import pattern
from opensslgen.text import visible
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode, decode_block
from opensslgen.x509.der import (
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    UTC_TIME,
    DecodeError,
)
from opensslgen.x509.pem import REQUEST_LABELS, pem_blocks

from .private_keys import ENCRYPTED, ask_public_half, public_half

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.x509.certificate import Certificate
    from opensslgen.x509.pem import PemBlock
    from opensslgen.x509.public_keys import PublicKey
    from opensslgen.x509.request import Request

PKCS7_LABELS = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS", "CERTIFICATE CHAIN")

# Loose, to find damaged blocks as well.
_PEM = pattern(
    rb"^(?:\xef\xbb\xbf)?[ \t]*-----BEGIN (?!PGP)[^\r\n]*(?:CERTIFICATE|PKCS ?#?7|CMS|PRIVATE KEY|X509 CRL)",
    re.MULTILINE,
)
_NAMES = {
    "certificate": "a certificate",
    "request": "a certificate request",
    "pkcs7": "a PKCS#7 file",
    "pkcs12": "a PKCS#12 file",
    "key": "a private key",
    "crl": "a CRL",
}
_LABELS = {
    **dict.fromkeys(CERTIFICATE_LABELS, "certificate"),
    **dict.fromkeys(REQUEST_LABELS, "request"),
    **dict.fromkeys(PKCS7_LABELS, "pkcs7"),
    "X509 CRL": "crl",
}
"""What a block with a label should contain; a label of a private key ends with PRIVATE KEY."""


def kind_of(data: bytes) -> str | None:
    """Return "pem", or for DER "certificate", "request", "pkcs7", "pkcs12", "crl" or "key"; None for anything else.

    "text" is a text with PEM or base64 in it that openssl cannot read as it is. The data may be only the beginning of a
    file.
    """
    if data[:1] == b"\x30" and (kind := _der_kind(data)):
        return kind
    if _PEM.search(data) or (b"\r" in data and _PEM.search(data.replace(b"\r", b"\n"))):
        return "pem"
    return "text" if _has_blocks(data) else None


def _has_blocks(data: bytes) -> bool:
    """Tell whether a text has blocks that can be judged, or a damaged one."""
    from opensslgen.x509.armour import armoured_blocks, has_armour  # few files need it

    if not has_armour(data):
        return False
    try:
        return any(_expected(block.label) or _der_kind(block.body) for block in armoured_blocks(data))
    except DecodeError:
        return True


def _expected(label: str) -> str | None:
    """Return what a block with this label should contain; None for what is not judged."""
    return "key" if label.endswith("PRIVATE KEY") else _LABELS.get(label)


def _der_kind(data: bytes) -> str | None:
    """Return what DER or BER is meant to be, by its outer structure; inside, it may be damaged or cut off."""
    if data[:1] != b"\x30":
        return None
    at, end = _inside(data, 0)
    outer = _tags(data, at, end)
    if outer[:1] == [SEQUENCE]:
        return _signed_kind(inner := _tags(data, *_inside(data, at))) or (
            "key" if inner[:1] == [OBJECT_IDENTIFIER] and outer == [SEQUENCE, OCTET_STRING] else None
        )
    if outer[:2] == [OBJECT_IDENTIFIER, 0xA0]:
        return "pkcs7"
    if outer[:2] == [INTEGER, SEQUENCE] and outer[2:3] != [OCTET_STRING] and data[at : at + 3] == b"\x02\x01\x03":
        return "pkcs12"
    is_key = (
        outer[:3] == [INTEGER, SEQUENCE, OCTET_STRING] or outer[:2] == [INTEGER, OCTET_STRING] or outer == [INTEGER] * 4
    )
    return "key" if is_key else None


def _signed_kind(tags: list[int]) -> str | None:
    """Return what contains this signed part, by the tags in it."""
    if tags[:1] == [0xA0] or tags == [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE]:
        return "certificate"
    if tags == [INTEGER, SEQUENCE, SEQUENCE, 0xA0]:
        return "request"
    of_crl = tags[1:] if tags[:1] == [INTEGER] else tags
    return "crl" if of_crl[:2] == [SEQUENCE] * 2 and of_crl[2:3] in ([UTC_TIME], [GENERALIZED_TIME]) else None


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends; the end may lie beyond the data."""
    if at + 2 > len(data):
        return len(data), len(data)
    length, start = data[at + 1], at + 2
    if length < 0x80:
        return start, start + length
    if length == 0x80:
        return start, len(data)
    start += length & 0x7F
    return start, start + int.from_bytes(data[at + 2 : start], "big")


def _tags(data: bytes, at: int, end: int) -> list[int]:
    """Return the tags of up to four consecutive elements; those of an indefinite length count as well."""
    found: list[int] = []
    while at < min(end, len(data)) and len(found) < 4:
        if data[at : at + 2] == b"\0\0":
            break
        found.append(data[at])
        at = _next(data, at)
    return found


def _next(data: bytes, at: int) -> int:
    """Return the offset after an element; that of the end of the data if it is cut off or damaged."""
    if data[at + 1 : at + 2] != b"\x80":
        return _inside(data, at)[1]
    from opensslgen.x509.ber import children  # DER has none

    try:
        return next(after for *_, after in children(data, at, len(data)))
    except DecodeError:
        return len(data)


@dataclass(slots=True)
class Holding:
    """The content of a file, in its order."""

    certificates: list[Certificate] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    keys: list[tuple[str, bytes]] = field(default_factory=list)
    """Label and DER."""
    crls: list[tuple[int | None, bytes]] = field(default_factory=list)
    """The line, if it is PEM, and DER."""
    notes: list[str] = field(default_factory=list)
    """What is unusual about the file, and what in it was not read."""
    faults: list[str] = field(default_factory=list)
    """Why openssl, and servers that use it, cannot read the file."""
    line: int | None = None
    """Where the first block begins in a text that is not just PEM."""


def holding_of(data: bytes, kind: str, *, openssl: Callable[[], OpenSSL], password: Callable[[], str]) -> Holding:
    """Return the content of a file; raises Error if any of it cannot be read.

    `openssl` and `password` are called only for a PKCS#12 file.
    """
    holding = Holding()
    if kind == "pkcs12":
        from .pkcs import pkcs12_certificates  # few files are PKCS#12

        holding.certificates += pkcs12_certificates(data, openssl(), password())
    elif kind in ("pem", "text"):
        blocks, others = blocks_of(data, kind)
        if len(blocks) == 1 and not blocks[0].label and _der_kind(blocks[0].body) == "pkcs12":
            holding = holding_of(blocks[0].body, "pkcs12", openssl=openssl, password=password)
            note_forms(holding, blocks)
            return holding
        for block in blocks:
            try:
                add(holding, block, data)
            except DecodeError as error:
                raise error.in_line(block.line) from error
        note_forms(holding, blocks)
        holding.notes += _notes_on_others(others)
        holding.line = blocks[0].line if blocks and blocks[0].form else None
    else:
        _add_der(holding, kind, data)
    return holding


def _add_der(holding: Holding, kind: str, data: bytes) -> None:
    """Add what is in DER, of which there may be several, one after the other."""
    at, following = 0, kind
    while (end := _next(data, at)) < len(data):
        if data[end] in _FILLING and not data[end:].strip(_FILLING):
            holding.notes.append("white space follows it: openssl ignores it, other programs refuse the file")
            _add(holding, following, data[at:end])
            return
        after = _der_kind(data[end : end + _HEAD])
        if after not in _SEVERAL:
            break  # what follows belongs to nothing, which is an error
        if at == 0:
            holding.notes.append("DER of several things, one after the other: openssl reads only the first")
        _add(holding, following, data[at:end])
        check()
        at, following = end, after
    _add(holding, following, data[at:])


_FILLING = b" \t\r\n"
_SEVERAL = ("certificate", "crl", "request")
_HEAD = 1 << 16
"""Bytes that tell what DER is meant to be."""


def certificates_of(
    path: str | PathLike[str], *, openssl: Callable[[], OpenSSL], password: Callable[[], str] = str
) -> list[Certificate]:
    """Return the certificates in a file of any kind, in its order; raises UnreadableError if there are none."""
    data = read_file(path)
    kind = kind_of(data)
    try:
        found = holding_of(data, kind, openssl=openssl, password=password).certificates if kind else []
    except UnreadableError as error:
        raise UnreadableError(f"{visible(fspath(path))}: {error.message}") from error
    if not found:
        raise UnreadableError(f"{visible(fspath(path))}: no certificate in it")
    return found


def blocks_of(data: bytes, kind: str, *, first_line: int = 1) -> tuple[list[PemBlock], list[PemBlock]]:
    """Return the blocks in a text, and those that openssl cannot read and that stand beside others that it can.

    Raises DecodeError with the line number at a damaged one.
    """
    blocks: list[PemBlock] = []
    damage: DecodeError | None = None
    if kind == "pem":
        try:
            blocks = list(pem_blocks(data, first_line=first_line))
        except DecodeError as error:
            damage = error
        if blocks and data.count(b"-----BEGIN ") == len(blocks):
            return blocks, []
    from opensslgen.x509.armour import armoured_blocks  # few files need it

    try:
        found = armoured_blocks(data, first_line=first_line)
    except DecodeError as error:
        if blocks:
            return blocks, []
        raise damage or error from None
    if damage is not None and not found:
        raise damage
    lines = {block.line for block in blocks}
    others = [block for block in found if block.line not in lines]
    # A name in a text beside PEM can imitate a block, so what openssl reads comes first.
    return (blocks, others) if blocks else (found, [])


def note_forms(holding: Holding, blocks: Sequence[PemBlock]) -> None:
    """Add what openssl cannot read about these blocks as they are written, once for each form."""
    forms = dict.fromkeys(block.form for block in blocks if block.form)
    if not forms:
        return
    from opensslgen.x509.armour import UNFIT

    for form in forms:
        first, *more = (block.line for block in blocks if block.form == form)
        text = f"line {first}{f' and {len(more)} more' if more else ''}: {form}"
        (holding.faults if form in UNFIT else holding.notes).append(text)


def _notes_on_others(blocks: Sequence[PemBlock]) -> Iterator[str]:
    for block in blocks:
        if kind := _der_kind(block.body):
            yield f"line {block.line}: {_NAMES[kind]} was not judged ({block.form or 'PEM'}); --each judges it"


def add(holding: Holding, block: PemBlock, data: bytes) -> None:
    """Add the content of a block of a PEM file; raises DecodeError if it cannot be read.

    What has a wrong label is read as what it is, with a note.
    """
    expected, actual = _expected(block.label), None
    if expected == "certificate":
        try:
            holding.certificates.append(decode_block(block))
        except DecodeError:
            actual = _der_kind(block.body)
            if actual in (None, expected):
                raise
    else:
        actual = _der_kind(block.body)
    if expected == "key" and (actual in (None, "key") or label_of_key(block, data) == ENCRYPTED):
        holding.keys.append((label_of_key(block, data), block.body))
    elif actual is not None:
        _add(holding, actual, block.body, line=block.line)
        if actual != expected and block.label:
            holding.faults.append(f"line {block.line}: {_mislabelled(actual, block.label)}")
    elif expected not in (None, "certificate"):
        _add(holding, expected, block.body, line=block.line)
    elif expected is None and "CERTIFICATE" in block.label:
        raise DecodeError(f"a block with the label {block.label} is not supported")


def _add(holding: Holding, kind: str, der: bytes, *, line: int | None = None) -> None:
    """Add what is in DER; raises DecodeError if it cannot be read."""
    if kind == "certificate":
        holding.certificates.append(decode(der))
    elif kind == "request":
        from opensslgen.x509.request import decode_request  # few files have one

        holding.requests.append(decode_request(der))
    elif kind == "key":
        holding.keys.append((key_label(der), der))
    elif kind == "crl":
        holding.crls.append((line, der))
    elif kind == "pkcs7":
        from .pkcs import signed_data  # few files are PKCS#7

        signed = signed_data(der)
        holding.certificates += signed.certificates
        holding.crls += [(line, each) for each in signed.crls]
        holding.notes += signed.notes
    else:
        raise DecodeError("this is a PKCS#12 file in base64: openssl base64 -d makes one of it that can be read")


def _mislabelled(kind: str, label: str) -> str:
    hint = {
        "certificate": "openssl reads it with the label CERTIFICATE",
        "request": "openssl reads it with the label CERTIFICATE REQUEST",
        "pkcs7": "openssl x509 cannot read it; openssl pkcs7 -print_certs prints its certificates",
        "crl": "openssl reads it with the label X509 CRL",
        "key": "openssl reads it with the label PRIVATE KEY",
    }
    return f"this is {_NAMES[kind]} with the label {label}: {hint[kind]}"


def is_key(block: PemBlock) -> bool:
    """Tell whether a block has the label of a private key."""
    return block.label.endswith("PRIVATE KEY")


def label_of_key(block: PemBlock, data: bytes) -> str:
    """Return the label of a private key in a PEM file: ENCRYPTED also if a header says so.

    Formats before PKCS#8 have a header for this (RFC 1421 section 4.6.1.1), and an encrypted key is not DER.
    """
    body = block.body
    is_der = body[:1] == b"\x30" and body[1:2] != b"\x80" and _inside(body, 0)[1] == len(body)
    return ENCRYPTED if not is_der and _has_encryption_header(data) else block.label


@lru_cache(maxsize=1)
def _has_encryption_header(data: bytes) -> bool:
    """Tell whether a header says that a key is encrypted; a file with many keys is searched once."""
    return b"Proc-Type: 4,ENCRYPTED" in data


def key_label(data: bytes) -> str:
    """Return the label that a key in DER would have in PEM."""
    start, end = _inside(data, 0)
    tags = _tags(data, start, end)
    if tags[0] == SEQUENCE:
        return ENCRYPTED
    return {SEQUENCE: "PRIVATE KEY", OCTET_STRING: "EC PRIVATE KEY", INTEGER: "RSA PRIVATE KEY"}[tags[1]]


def key_of(
    holding: Holding, subject: PublicKey | None, openssl: Callable[[], OpenSSL]
) -> tuple[PublicKey | None, tuple[str, ...]]:
    """Return the public key of the first private key, and notes if it is not known."""
    if not holding.keys:
        return None, ()
    if subject is None:
        return None, ("a private key: only who can read it was checked",)
    from opensslgen.openssl.command import OpenSSLError  # most files have no key

    label, der = holding.keys[0]
    if label == ENCRYPTED:
        return None, ("its private key is encrypted, so it was not compared with the certificate",)
    try:
        key = public_half(label, der) or ask_public_half(label, der, openssl())
    except OpenSSLError as error:
        return None, (f"its private key was not compared with the certificate: {error.message}",)
    if key.algorithm == "EC" and key.curve == subject.curve and len(key.der) != len(subject.der):
        return None, ("its private key has the point in another form, so it was not compared with the certificate",)
    return key, ()


def key_in_file(
    path: str, subject: PublicKey, *, openssl: Callable[[], OpenSSL], limit: int
) -> tuple[PublicKey | None, tuple[str, ...]]:
    """Return the public key of the private key in a file, which should be `subject`, and notes if it is not known.

    Raises UnreadableError.
    """
    found = content(File(path, named=True), limit=limit)
    kind = kind_of(found.data) if found else None
    if found is None or kind not in ("pem", "text", "key"):
        raise UnreadableError("no private key in it")
    return key_of(holding_of(found.data, kind, openssl=openssl, password=str), subject, openssl)
