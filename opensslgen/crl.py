"""Revocation lists, as far as their dates: when one was made, and until when it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .der import GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME, DecodeError, element, time, whole
from .distinguished import visible
from .errors import UnreadableError
from .pem import pem_blocks, read_file

if TYPE_CHECKING:
    import os
    from datetime import datetime

LABELS = ("X509 CRL",)
"""The label of PEM blocks that openssl takes for revocation lists."""


@dataclass(frozen=True, slots=True)
class Dates:
    """When a revocation list (RFC 5280 section 5.1) was made, and when the next one is due."""

    this_update: datetime
    next_update: datetime | None
    """None if it does not say."""


def dates(path: str | os.PathLike[str]) -> Dates:
    """Return the dates of the revocation list in a PEM or DER file; raises UnreadableError."""
    data = read_file(path)
    try:
        if data[:1] == b"\x30" and data[1:2] >= b"\x80":
            return decode_dates(data)
        for block in pem_blocks(data):
            if block.label in LABELS:
                return decode_dates(block.body)
    except DecodeError as error:
        raise UnreadableError(f"{visible(str(path))}: {error}") from error
    raise UnreadableError(f"{visible(str(path))}: no revocation list in it")


def decode_dates(der: bytes) -> Dates:
    """Return the dates of the revocation list that the bytes are; raises DecodeError.

    What comes after the dates is not looked at, nor is the signature checked.
    """
    start, stop = whole(der, SEQUENCE, "a revocation list")
    at, end = element(der, start, stop, SEQUENCE, "what a revocation list signs")
    if at < end and der[at] == INTEGER:
        _, at = element(der, at, end, INTEGER, "the version")
    _, at = element(der, at, end, SEQUENCE, "the signature algorithm")
    _, at = element(der, at, end, SEQUENCE, "the issuer")
    this_update, at = time(der, at, end, "the time of this update")
    next_update = None
    if at < end and der[at] in (UTC_TIME, GENERALIZED_TIME):
        next_update, at = time(der, at, end, "the time of the next update")
    return Dates(this_update, next_update)
