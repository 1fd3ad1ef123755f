"""Certificate requests (CSRs: PKCS #10, RFC 2986), decoded like certificates: small errors of form are accepted."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import Any

from opensslgen.budget import count_certificate
from opensslgen.errors import UnreadableError
from opensslgen.files.read import LARGEST_FILE, read_file
from opensslgen.text import visible

from .ber import read_tolerantly
from .certificate import Signed, extension_fields, read_algorithm, read_outermost, read_public_key, read_signature
from .der import (
    CRYPTOGRAPHY,
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DecodeError,
    deviate,
    element,
    finish,
    header,
    integer,
    is_der,
    object_identifier,
    well_formed,
)
from .extensions import Extension, read_extensions
from .names import read_name
from .pem import REQUEST_LABELS, pem_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Signed):
    """A certificate request (RFC 2986), with the extensions that it asks for."""


_EXTENSION_REQUESTS = ("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14")


def decode_request(der: bytes) -> Request:
    """Return the request (RFC 2986 section 4) in these bytes, which must contain nothing else; raises DecodeError.

    A deviation from DER with a single meaning is accepted and listed in `deviations`.
    """
    count_certificate()
    request, found = read_tolerantly(_decode, der)
    return replace(request, deviations=found) if found else request


def _decode(der: bytes) -> Request:
    start, stop = read_outermost(der, "a certificate request")
    at, end = element(der, start, stop, SEQUENCE, "what a request signs")
    algorithm, signature = read_signature(der, end, stop)
    name, hashed = read_algorithm(algorithm, end)
    first, last = element(der, at, end, INTEGER, "the version")
    version = integer(der, first, last) + 1
    if version not in (1, 2, 3):
        raise DecodeError(f"there is no version {version} of requests", first)
    if version > 1:
        # certbot and salt write 3, which is a version of certificates.
        deviate(f"a request is of version {version} instead of 1", first, CRYPTOGRAPHY)
    subject, at = read_name(der, last, end, "the subject")
    first, (_, at) = at, element(der, at, end, SEQUENCE, "the public key")
    public_key = read_public_key(der, first, at)
    if at == end:
        deviate("the attributes are missing", at)
        first = at
    else:
        first, at = element(der, at, end, 0xA0, "the attributes")
        finish(at, end, "the attributes")
    extensions, values = _requested_extensions(der, first, at)
    return Request(
        signature_algorithm=name,
        signature_hash=hashed,
        subject=subject,
        public_key=public_key,
        extensions=extensions,
        der=der,
        tbs=der[start:end],
        signature=signature,
        **extension_fields(values),
    )


def _requested_extensions(der: bytes, at: int, end: int) -> tuple[tuple[Extension, ...], dict[str, Any]]:
    """Return the extensions that a request's attributes ask for (RFC 2985 section 5.4.2)."""
    found: tuple[tuple[Extension, ...], dict[str, Any]] | None = None
    before = b""
    while at < end:
        start, stop = element(der, at, end, SEQUENCE, "an attribute")
        if der[at:stop] < before:
            deviate("the attributes are not in order", at)
        before = der[at:stop]
        first, last = element(der, start, stop, OBJECT_IDENTIFIER, "the type of an attribute")
        kind = object_identifier(der, first, last)
        first, last = element(der, last, stop, SET, "the values of an attribute")
        finish(last, stop, "an attribute")
        # RFC 2986 allows several values in general, but not for extensions, and other programs accept only one.
        finish(header(der, first, last)[2], last, "the value of an attribute")
        if kind in _EXTENSION_REQUESTS:
            if found:
                raise DecodeError("a request asks twice for extensions", at)
            start, _ = element(der, first, last, SEQUENCE, "the requested extensions")
            found = read_extensions(der, start, last)
        else:
            well_formed(der, first, last)
        at = stop
    return found or ((), {})


STDIN = "-"


def read_request(path: str | os.PathLike[str]) -> Request:
    """Return the only request in a file, PEM or DER, or on standard input; raises UnreadableError."""
    if path != STDIN:
        return parse_request(read_file(path), shown=visible(os.fspath(path)))
    data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise UnreadableError("standard input: larger than 16 MiB")
    return parse_request(data, shown="standard input")


def parse_request(data: bytes, *, shown: str = "the request") -> Request:
    """Return the only request in PEM or DER data; raises UnreadableError, which begins with `shown`."""
    try:
        return _decoded(data)
    except DecodeError as error:
        raise UnreadableError(f"{shown}: {error}") from error


def _decoded(data: bytes) -> Request:
    # A request is so long that the second byte of its DER cannot occur in a text.
    if is_der(data):
        return decode_request(data)
    blocks = [block for block in pem_blocks(data) if block.label in REQUEST_LABELS]
    if len(blocks) > 1:
        raise DecodeError(f"{len(blocks)} certificate requests in it, and only one can be signed at a time")
    if not blocks:
        raise DecodeError("no certificate request in it")
    try:
        return decode_request(blocks[0].body)
    except DecodeError as error:
        raise error.in_line(blocks[0].line) from None
