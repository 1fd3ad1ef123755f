"""The extensions of certificates and requests (RFC 5280 section 4.2), and the values that rules use."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .ber import from_ber
from .der import (
    ASN1CRYPTO,
    BIT_STRING,
    BOOLEAN,
    CRYPTOGRAPHY,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DecodeError,
    anything,
    bit_string,
    boolean,
    deviate,
    each,
    element,
    end_of_value,
    fields,
    finish,
    integer,
    natural,
    object_identifier,
    read_at,
    sequence,
)
from .names import general_names
from .rare_extensions import CHECKS

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName

    from .der import Content

EXTENSIONS = {
    "subjectDirectoryAttributes": "2.5.29.9",
    "subjectKeyIdentifier": "2.5.29.14",
    "keyUsage": "2.5.29.15",
    "privateKeyUsagePeriod": "2.5.29.16",
    "subjectAltName": "2.5.29.17",
    "issuerAltName": "2.5.29.18",
    "basicConstraints": "2.5.29.19",
    "nameConstraints": "2.5.29.30",
    "crlDistributionPoints": "2.5.29.31",
    "certificatePolicies": "2.5.29.32",
    "policyMappings": "2.5.29.33",
    "authorityKeyIdentifier": "2.5.29.35",
    "policyConstraints": "2.5.29.36",
    "extendedKeyUsage": "2.5.29.37",
    "freshestCRL": "2.5.29.46",
    "inhibitAnyPolicy": "2.5.29.54",
    "authorityInfoAccess": "1.3.6.1.5.5.7.1.1",
    "subjectInfoAccess": "1.3.6.1.5.5.7.1.11",
    "tlsfeature": "1.3.6.1.5.5.7.1.24",
    "noCheck": "1.3.6.1.5.5.7.48.1.5",
    "ct_precert_scts": "1.3.6.1.4.1.11129.2.4.2",
    "ct_precert_poison": "1.3.6.1.4.1.11129.2.4.3",
    "certificateTemplate": "1.3.6.1.4.1.311.21.7",
    "admissions": "1.3.36.8.3.3",
    "nsCertType": "2.16.840.1.113730.1.1",
    "nsComment": "2.16.840.1.113730.1.13",
}
"""OIDs by openssl's short names."""

EXTENDED_KEY_USAGES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
"""Extended key usages by their OIDs, as openssl's config calls them."""
KEY_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
_CACHED_SIZE = 512
"""In bytes; longer extensions differ in nearly every certificate, so caching them is useless."""


class Extension(NamedTuple):
    """One extension of a certificate (RFC 5280 section 4.1)."""

    oid: str
    """Dotted."""
    critical: bool
    value: bytes
    """The content of the OCTET STRING."""


class BasicConstraints(NamedTuple):
    """Whether the subject is a certificate authority (RFC 5280 section 4.2.1.9)."""

    ca: bool
    path_length: int | None
    """How many CAs may follow below this one; None if there is no limit."""


class AuthorityKeyIdentifier(NamedTuple):
    """Which key signed the certificate (RFC 5280 section 4.2.1.1)."""

    key_identifier: bytes | None
    has_issuer: bool
    """Whether it names the issuer of the issuer."""
    has_serial: bool
    """Whether it has the serial number of the issuer."""


def read_extensions(data: bytes, at: int, end: int) -> tuple[tuple[Extension, ...], dict[str, Any]]:
    """Return the extensions between two offsets, at least one, and their values by OID; raises DecodeError."""
    if at == end:
        deviate("the list of extensions is empty", at)
    extensions: list[Extension] = []
    values: dict[str, Any] = {}
    while at < end:
        _, stop = element(data, at, end, SEQUENCE, "an extension")
        encoding = data[at:stop]
        extension, value = read_at(at, _cached_extension if stop - at <= _CACHED_SIZE else _extension, encoding)
        extensions.append(extension)
        values[extension.oid] = value
        if len(values) < len(extensions):
            raise DecodeError(f"the extension {extension.oid} appears twice", at)
        at = stop
    return tuple(extensions), values


def _extension(der: bytes) -> tuple[Extension, Any]:
    end = len(der)
    at, _ = element(der, 0, end, SEQUENCE, "an extension")
    first, at = element(der, at, end, OBJECT_IDENTIFIER, "the identifier of an extension")
    identifier = object_identifier(der, first, at)
    critical = False
    if at < end and der[at] == BOOLEAN:
        first, at = element(der, at, end, BOOLEAN, "the criticality of an extension")
        critical = boolean(der, first, at)
        if not critical:
            deviate("an extension has its default criticality written out", first, CRYPTOGRAPHY)
    first, at = element(der, at, end, OCTET_STRING, "the value of an extension")
    finish(at, end, "the value of an extension")
    extension = Extension(identifier, critical, der[first:at])
    reader = _READERS.get(identifier)
    if reader is None:
        return extension, None
    value = from_ber(extension.value, first)
    try:
        return extension, reader(der, first, at) if value is extension.value else reader(value, 0, len(value))
    except DecodeError as error:
        # No rule uses its value, and openssl prints it; a client that knows it must refuse it if critical.
        if identifier not in _UNASKED:
            raise
        deviate(
            f"the extension {identifier} cannot be read: {error.what}",
            first if error.offset is None else error.offset,
            CRYPTOGRAPHY,
            ASN1CRYPTO,
            grave=critical,
        )
        return extension, None


_cached_extension = lru_cache(maxsize=512)(_extension)


def _subject_alternative_names(data: bytes, at: int, end: int) -> tuple[GeneralName, ...]:
    start, stop = element(data, at, end, SEQUENCE, "the list of names")
    end_of_value(stop, end, "the list of names")
    return general_names(data, start, stop)


def _extended_key_usage(data: bytes, at: int, end: int) -> tuple[str, ...]:
    start, stop = element(data, at, end, SEQUENCE, "a list")
    end_of_value(stop, end, "a list")
    if start == stop:
        deviate("the extended key usage is empty", start, CRYPTOGRAPHY)
    usages = each(data, start, stop, OBJECT_IDENTIFIER, object_identifier)
    return tuple([EXTENDED_KEY_USAGES.get(usage, usage) for usage in usages])


def _key_usage(data: bytes, at: int, end: int) -> frozenset[str]:
    start, stop = element(data, at, end, BIT_STRING, "the key usage")
    end_of_value(stop, end, "the key usage")
    unused, first = bit_string(data, start, stop)
    content = bytearray(data[first:stop].ljust(2, b"\0"))
    if stop > first:
        content[stop - first - 1] &= 0xFF << unused  # unused bits have no meaning
    bits = int.from_bytes(content[:2], "big") >> 7
    usages = frozenset([usage for position, usage in enumerate(KEY_USAGES) if bits & (0x100 >> position)])
    if "keyAgreement" not in usages and not usages.isdisjoint(("encipherOnly", "decipherOnly")):
        # RFC 5280 section 4.2.1.3 leaves these two undefined then.
        deviate("the key usage restricts keyAgreement without having it", start, CRYPTOGRAPHY)
    return usages


def _basic_constraints(data: bytes, at: int, end: int) -> BasicConstraints:
    start, stop = element(data, at, end, SEQUENCE, "the basic constraints")
    end_of_value(stop, end, "the basic constraints")
    ca, path_length = fields(data, start, stop, (BOOLEAN, boolean, True), (INTEGER, natural, True))
    if ca is False:
        deviate("basicConstraints has its default CA:FALSE written out", at, CRYPTOGRAPHY)
    if path_length is not None and not ca:
        deviate("basicConstraints has a path length, but not CA:TRUE", at, CRYPTOGRAPHY)
    return BasicConstraints(bool(ca), path_length)


def _subject_key_identifier(data: bytes, at: int, end: int) -> bytes:
    start, stop = element(data, at, end, OCTET_STRING, "the subject key identifier")
    end_of_value(stop, end, "the subject key identifier")
    return data[start:stop]


def _issuer_names(data: bytes, start: int, stop: int) -> bool:
    general_names(data, start, stop)
    return True


def _authority_key_identifier(data: bytes, at: int, end: int) -> AuthorityKeyIdentifier:
    key, issuer, serial = sequence(
        data, at, end, (0x80, anything, True), (0xA1, _issuer_names, True), (0x82, integer, True)
    )
    if (issuer is None) != (serial is None):
        deviate("the authority key identifier has only one of issuer and serial number", at, CRYPTOGRAPHY)
    return AuthorityKeyIdentifier(key, issuer is not None, serial is not None)


_READERS: dict[str, Content] = {
    **{EXTENSIONS[name]: check for name, check in CHECKS.items()},
    EXTENSIONS["subjectAltName"]: _subject_alternative_names,
    EXTENSIONS["extendedKeyUsage"]: _extended_key_usage,
    EXTENSIONS["keyUsage"]: _key_usage,
    EXTENSIONS["basicConstraints"]: _basic_constraints,
    EXTENSIONS["subjectKeyIdentifier"]: _subject_key_identifier,
    EXTENSIONS["authorityKeyIdentifier"]: _authority_key_identifier,
}

_UNASKED = frozenset(EXTENSIONS[name] for name in CHECKS) - {EXTENSIONS["nameConstraints"]}
"""Extensions on which no rule depends."""

PRINTED_USAGES = {
    "serverAuth": "TLS Web Server Authentication",
    "clientAuth": "TLS Web Client Authentication",
    "codeSigning": "Code Signing",
    "emailProtection": "E-mail Protection",
    "timeStamping": "Time Stamping",
    "OCSPSigning": "OCSP Signing",
    "anyExtendedKeyUsage": "Any Extended Key Usage",
}
"""Extended key usages that all versions of openssl print alike."""
