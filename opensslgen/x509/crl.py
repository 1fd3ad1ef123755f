"""Certificate revocation lists (CRLs, RFC 5280 section 5), decoded from DER; small errors of form are accepted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from opensslgen.errors import UnreadableError
from opensslgen.files.read import read_file
from opensslgen.text import visible

from .ber import read_tolerantly
from .der import (
    BIT_STRING,
    CRYPTOGRAPHY,
    ENUMERATED,
    GENERALIZED_TIME,
    INTEGER,
    SEQUENCE,
    UTC_TIME,
    DecodeError,
    Deviation,
    big_natural,
    deviate,
    element,
    finish,
    integer,
    is_der,
    natural,
    octets,
    time,
    whole,
)
from .extensions import Extension, read_extensions
from .names import Name, read_name
from .pem import pem_blocks

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from datetime import datetime

    Answer = TypeVar("Answer")

LABELS = ("X509 CRL",)
"""The label of PEM blocks that openssl reads as CRLs."""

REASONS = {
    0: "unspecified",
    1: "keyCompromise",
    2: "CACompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    6: "certificateHold",
    8: "removeFromCRL",
    9: "privilegeWithdrawn",
    10: "AACompromise",
}
"""The reasons for a revocation by their numbers (RFC 5280 section 5.3.1), as `openssl ca` calls them."""

_NUMBER, _REASON = "2.5.29.20", "2.5.29.21"


class Dates(NamedTuple):
    """When a CRL (RFC 5280 section 5.1) was issued, and when the next one is due."""

    this_update: datetime
    next_update: datetime | None
    """None if the CRL does not have this date."""


class Revocation(NamedTuple):
    """One revoked certificate."""

    serial_number: int
    at: datetime
    """In UTC."""
    reason: str | None
    """One of REASONS; None if the CRL gives no reason."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A whole CRL; its signature is not checked."""

    issuer: Name
    dates: Dates
    revocations: tuple[Revocation, ...]
    """In their order."""
    number: int | None
    extensions: tuple[Extension, ...]
    deviations: tuple[Deviation, ...] = ()
    """Where it is not DER but could be read."""
    der: bytes = field(default=b"", repr=False)


def dates(path: str | os.PathLike[str]) -> Dates:
    """Return the dates of the CRL in a PEM or DER file; raises UnreadableError."""
    return _read(path, decode_dates)


def load(path: str | os.PathLike[str]) -> RevocationList:
    """Return the CRL in a PEM or DER file; raises UnreadableError."""
    return _read(path, decode)


def _read(path: str | os.PathLike[str], decoded: Callable[[bytes], Answer]) -> Answer:
    data = read_file(path)
    try:
        if is_der(data):
            return decoded(data)
        for block in pem_blocks(data):
            if block.label in LABELS:
                return decoded(block.body)
    except DecodeError as error:
        raise UnreadableError(f"{visible(str(path))}: {error}") from error
    raise UnreadableError(f"{visible(str(path))}: no CRL in it")


def decode_dates(der: bytes) -> Dates:
    """Return the dates of the CRL in these bytes; raises DecodeError.

    Nothing after the dates is read, and the signature is not checked.
    """
    return read_tolerantly(_decode_dates, der)[0]


def _decode_dates(der: bytes) -> Dates:
    start, stop = whole(der, SEQUENCE, "a CRL")
    at, end = element(der, start, stop, SEQUENCE, "what a CRL signs")
    if at < end and der[at] == INTEGER:
        _, at = element(der, at, end, INTEGER, "the version")
    _, at = element(der, at, end, SEQUENCE, "the signature algorithm")
    _, at = element(der, at, end, SEQUENCE, "the issuer")
    return _dates(der, at, end)[0]


def _dates(der: bytes, at: int, end: int) -> tuple[Dates, int]:
    this_update, at = time(der, at, end, "the time of this update")
    next_update = None
    if at < end and der[at] in (UTC_TIME, GENERALIZED_TIME):
        next_update, at = time(der, at, end, "the time of the next update")
    return Dates(this_update, next_update), at


def decode(der: bytes) -> RevocationList:
    """Return the CRL in these bytes, which must contain nothing else; raises DecodeError.

    A deviation from DER with a single meaning is accepted and listed in `deviations`.
    """
    revocation_list, found = read_tolerantly(_decode, der)
    return replace(revocation_list, deviations=found, der=der)


def _decode(der: bytes) -> RevocationList:
    start, stop = whole(der, SEQUENCE, "a CRL")
    at, end = element(der, start, stop, SEQUENCE, "what a CRL signs")
    first, (_, last) = end, element(der, end, stop, SEQUENCE, "the signature algorithm")
    outer = der[first:last]
    first, last = element(der, last, stop, BIT_STRING, "the signature")
    octets(der, first, last)
    finish(last, stop, "a CRL")
    version = 1
    if at < end and der[at] == INTEGER:
        first, at = element(der, at, end, INTEGER, "the version")
        version = natural(der, first, at) + 1
        if version != 2:
            raise DecodeError("a CRL is neither of version 1, which is not written out, nor of 2", first)
    first, (_, at) = at, element(der, at, end, SEQUENCE, "the inner signature algorithm")
    if der[first:at] != outer:
        raise DecodeError("the CRL names two different signature algorithms", first)
    issuer, at = read_name(der, at, end, "the issuer")
    of, at = _dates(der, at, end)
    revocations: tuple[Revocation, ...] = ()
    if at < end and der[at] == SEQUENCE:
        first, at = element(der, at, end, SEQUENCE, "the revoked certificates")
        revocations = tuple(_revocations(der, first, at, version))
    extensions: tuple[Extension, ...] = ()
    if at < end:
        if version == 1:
            raise DecodeError("a CRL of version 1 has extensions", at)
        first, at = element(der, at, end, 0xA0, "the extensions")
        first, last = element(der, first, at, SEQUENCE, "the extensions")
        finish(last, at, "the extensions")
        extensions, _ = read_extensions(der, first, last)
    finish(at, end, "what a CRL signs")
    written = next((extension.value for extension in extensions if extension.oid == _NUMBER), None)
    number = None if written is None else big_natural(written, *whole(written, INTEGER, "the list's number"))
    return RevocationList(issuer, of, revocations, number, extensions)


def _revocations(der: bytes, at: int, end: int, version: int) -> list[Revocation]:
    found = []
    while at < end:
        start, stop = element(der, at, end, SEQUENCE, "a revoked certificate")
        first, last = element(der, start, stop, INTEGER, "the serial number")
        serial_number = integer(der, first, last)
        revoked_at, last = time(der, last, stop, "the time of a revocation")
        reason = None
        if last < stop:
            if version == 1:
                raise DecodeError("a CRL of version 1 has extensions", last)
            first, last = element(der, last, stop, SEQUENCE, "the extensions of a revocation")
            reason = _reason(read_extensions(der, first, last)[0], first)
        finish(last, stop, "a revoked certificate")
        found.append(Revocation(serial_number, revoked_at, reason))
        at = stop
    return found


def _reason(extensions: tuple[Extension, ...], at: int) -> str | None:
    for extension in extensions:
        if extension.oid == _REASON:
            value = extension.value
            code = natural(value, *whole(value, ENUMERATED, "the reason of a revocation"))
            if code not in REASONS:
                deviate(f"a revocation has the reason {code}, which does not exist", at, CRYPTOGRAPHY)
            return REASONS.get(code)
    return None
