"""Decode certificates from DER; openssl's printed text is never parsed.

A deviation from DER with a single meaning is accepted and kept with the certificate, so that the rules can report it.
Anything else is a DecodeError.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from opensslgen.budget import count_certificate
from opensslgen.errors import UnreadableError
from opensslgen.files.read import LARGEST_FILE, read_file
from opensslgen.text import visible

from .ber import read_tolerantly
from .der import (
    BIT_STRING,
    CRYPTOGRAPHY,
    GNUTLS,
    GO,
    INTEGER,
    JAVA,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    UTF8_STRING,
    DecodeError,
    Deviation,
    anything,
    bit_string,
    deviate,
    element,
    finish,
    inside,
    integer,
    is_der,
    members,
    object_identifier,
    octets,
    read_at,
    string,
    structure,
    time,
    well_formed,
    whole,
)
from .extensions import EXTENSIONS, AuthorityKeyIdentifier, BasicConstraints, Extension, read_extensions
from .names import Name, read_name
from .pem import PemBlock, pem_blocks
from .public_keys import PublicKey, decode_public_key, signature_algorithm

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from opensslgen.names.constraints import NameConstraints
    from opensslgen.names.general import GeneralName


CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
"""The labels of PEM blocks that openssl reads as certificates."""


@dataclass(frozen=True, slots=True, kw_only=True, init=False, eq=False, repr=False)  # both kinds have their own
class Signed:
    """What a certificate and a certificate request have in common."""

    signature_algorithm: str
    """As openssl prints it, such as "sha256WithRSAEncryption" or "ecdsa-with-SHA256"; otherwise the dotted OID."""
    signature_hash: str | None
    """Such as "sha256"; None if unknown, or if the algorithm has no hash, such as Ed25519."""
    subject: Name
    public_key: PublicKey
    subject_alternative_names: tuple[GeneralName, ...] | None = None
    """None if the extension is missing; the same holds for the fields below."""
    extended_key_usage: tuple[str, ...] | None = None
    """openssl's short names such as "serverAuth"; otherwise dotted OIDs."""
    key_usage: frozenset[str] | None = None
    """openssl's short names such as "keyCertSign"."""
    basic_constraints: BasicConstraints | None = None
    subject_key_identifier: bytes | None = None
    authority_key_identifier: AuthorityKeyIdentifier | None = None
    name_constraints: NameConstraints | None = None
    crl_urls: tuple[str, ...] | None = None
    """Where to download the CRL."""
    extensions: tuple[Extension, ...] = ()
    """All extensions in their order, including the ones above."""
    der: bytes = field(default=b"", repr=False)
    """The whole; empty if it is not issued yet, as are the next two fields."""
    tbs: bytes = field(default=b"", repr=False)
    """The part that is signed."""
    signature: bytes = field(default=b"", repr=False)
    deviations: tuple[Deviation, ...] = ()
    """Where it is not DER but could be read."""

    @property
    def names(self) -> tuple[GeneralName, ...]:
        """The subject alternative names; empty if the extension is missing."""
        return self.subject_alternative_names or ()

    def is_critical(self, extension: str) -> bool:
        """Tell whether it has the extension with this OID or short name, marked as critical."""
        identifier = EXTENSIONS.get(extension, extension)
        return any(each.critical and each.oid == identifier for each in self.extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Signed):
    """A certificate (RFC 5280 section 4.1): decoded, or planned and not issued yet."""

    serial_number: int
    """May be negative."""
    issuer: Name
    not_before: datetime
    """The first second of its validity, in UTC."""
    not_after: datetime
    """The last second of its validity, in UTC."""
    version: int = 3
    """1, 2 or 3; a higher number only together with a deviation."""

    @property
    def validity(self) -> timedelta:
        """The time from `not_before` to `not_after`."""
        return self.not_after - self.not_before

    def ends_soon(self, within: timedelta, *, now: datetime) -> bool:
        """Tell whether it is due for renewal, as `due_from` defines it."""
        return now >= self.due_from(within)

    def due_from(self, within: timedelta) -> datetime:
        """Return when it is due for renewal: a time before it expires, but not before the last third of its validity.

        Without the second condition, certificates with a short validity would be renewed again and again.
        """
        return self.not_after - min(within, self.validity / 3)

    @property
    def is_authority(self) -> bool:
        """Whether it is a CA: basicConstraints has CA:TRUE (RFC 5280 section 4.2.1.9)."""
        return bool(self.basic_constraints and self.basic_constraints.ca)

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name, byte for byte."""
        return self.subject.der == self.issuer.der and self.subject.attributes == self.issuer.attributes

    @property
    def is_self_signed(self) -> bool:
        """Whether it is self-issued, and does not name another key as the signer's (RFC 5280 section 4.2.1.1)."""
        signer = self.authority_key_identifier and self.authority_key_identifier.key_identifier
        return self.is_self_issued and (signer is None or signer == self.subject_key_identifier)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the DER, in upper-case hex with colons, as openssl prints it."""
        return fingerprint_of(self.der)

    @property
    def serial_hex(self) -> str:
        """The serial number in upper-case hex with an even number of digits, as `openssl x509 -serial` prints it."""
        digits = f"{abs(self.serial_number):X}"
        return ("-" if self.serial_number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate in DER, in upper-case hex with colons, as openssl prints it."""
    import hashlib

    return hashlib.sha256(der).digest().hex(":").upper()


_FIELDS = {
    "subject_alternative_names": EXTENSIONS["subjectAltName"],
    "extended_key_usage": EXTENSIONS["extendedKeyUsage"],
    "key_usage": EXTENSIONS["keyUsage"],
    "basic_constraints": EXTENSIONS["basicConstraints"],
    "subject_key_identifier": EXTENSIONS["subjectKeyIdentifier"],
    "authority_key_identifier": EXTENSIONS["authorityKeyIdentifier"],
    "name_constraints": EXTENSIONS["nameConstraints"],
    "crl_urls": EXTENSIONS["crlDistributionPoints"],
}
# Real certificates are a hundred times smaller; a few bytes of DER become a large object in memory.
_LARGEST = 1024 * 1024  # bytes
# RFC 5280 section 4.1.2.2 allows 20; Python refuses to print more than 4300 digits.
_LONGEST_SERIAL = 1024  # bytes
_HIGHEST_VERSION = 16
"""A higher number was not meant as a version."""


def decode(der: bytes) -> Certificate:
    """Return the certificate (RFC 5280 section 4.1) in these bytes, which contain nothing else; raises DecodeError.

    A deviation from DER with a single meaning is accepted and listed in `deviations`.
    """
    count_certificate()
    certificate, found = read_tolerantly(_decode, der)
    # openssl verifies the signature of what was there, not of what it was read as.
    return replace(certificate, deviations=found, der=der) if found else certificate


def _decode(der: bytes) -> Certificate:
    start, stop = read_outermost(der, "a certificate")
    at, end = element(der, start, stop, SEQUENCE, "what a certificate signs")
    tbs = der[start:end]
    algorithm, signature = read_signature(der, end, stop)
    version = 1
    if at < end and der[at] == 0xA0:
        first, at = element(der, at, end, 0xA0, "the version")
        version = _version(der, first, at)
    first, at = element(der, at, end, INTEGER, "the serial number")
    if at - first > _LONGEST_SERIAL:
        raise DecodeError("the serial number is longer than 1024 bytes", first)
    serial_number = integer(der, first, at)
    first, (_, at) = at, element(der, at, end, SEQUENCE, "the inner signature algorithm")
    name, hashed = read_algorithm(der[first:at], first)
    if der[first:at] != algorithm:
        # The outer algorithm is not signed, so only the inner one counts (RFC 5280 section 4.1.1.2).
        if read_algorithm(algorithm, end) == (name, hashed):
            deviate("the certificate writes its signature algorithm in two ways", first, GO)
        else:
            deviate("the certificate names two different signature algorithms", first, GO, JAVA, GNUTLS, grave=True)
    issuer, at = read_name(der, at, end, "the issuer")
    first, last = element(der, at, end, SEQUENCE, "the validity")
    not_before, first = time(der, first, last, "the start of the validity")
    not_after, first = time(der, first, last, "the end of the validity")
    finish(first, last, "the validity")
    subject, at = read_name(der, last, end, "the subject")
    first, (_, at) = at, element(der, at, end, SEQUENCE, "the public key")
    public_key = read_public_key(der, first, at)
    extensions: tuple[Extension, ...] = ()
    values: dict[str, Any] = {}
    if at < end:
        if version < 3 and der[at] == 0xA3:
            deviate(f"a certificate of version {version} has extensions", at, JAVA, GNUTLS, grave=True)
        for tag in (0x81, 0x82):
            if at < end and der[at] == tag:
                if version == 1:
                    deviate("a certificate of version 1 has unique identifiers", at, grave=True)
                first, at = element(der, at, end, tag, "a unique identifier")
                bit_string(der, first, at)
        if at < end:
            first, last = element(der, at, end, 0xA3, "the extensions")
            finish(last, end, "the extensions")
            first, at = element(der, first, last, SEQUENCE, "the extensions")
            finish(at, last, "the extensions")
            extensions, values = read_extensions(der, first, at)
    return Certificate(
        serial_number=serial_number,
        signature_algorithm=name,
        signature_hash=hashed,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        public_key=public_key,
        extensions=extensions,
        version=version,
        der=der,
        tbs=tbs,
        signature=signature,
        **extension_fields(values),
    )


def extension_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of extensions, by OID, as fields of `Signed`."""
    return {name: values.get(identifier) for name, identifier in _FIELDS.items()}


def _version(der: bytes, start: int, stop: int) -> int:
    """Return the version from its explicit field."""
    first, last = element(der, start, stop, INTEGER, "the version")
    finish(last, stop, "the version")
    version = integer(der, first, last) + 1
    if not 1 <= version <= _HIGHEST_VERSION:
        raise DecodeError("a certificate is of none of the versions 1, 2 and 3", start)
    if version == 1:
        deviate("version 1 is written out, which is the default", start, CRYPTOGRAPHY)
    elif version == 2:
        deviate("the certificate is of version 2, which nobody uses", start, CRYPTOGRAPHY)
    elif version > 3:
        deviate(
            f"the certificate is of version {version}, which does not exist", start, CRYPTOGRAPHY, GO, JAVA, grave=True
        )
    return version


def read_outermost(der: bytes, what: str) -> tuple[int, int]:
    """Return the offsets where the content of the whole structure begins and ends; raises DecodeError."""
    if len(der) > _LARGEST:
        raise DecodeError(f"{what} is larger than 1 MiB")
    return whole(der, SEQUENCE, what)


def read_signature(der: bytes, at: int, end: int) -> tuple[bytes, bytes]:
    """Return the AlgorithmIdentifier and the signature, which follow the signed part."""
    _, last = element(der, at, end, SEQUENCE, "the signature algorithm")
    first, stop = element(der, last, end, BIT_STRING, "the signature")
    finish(stop, end, "the signature")
    return der[at:last], octets(der, first, stop)


def read_algorithm(encoding: bytes, at: int) -> tuple[str, str | None]:
    """Return the name and the hash of the signature algorithm at `at`; raises DecodeError."""
    return read_at(at, signature_algorithm, encoding)


def read_public_key(der: bytes, start: int, stop: int) -> PublicKey:
    """Return the public key between two offsets; raises DecodeError."""
    return read_at(start, decode_public_key, der[start:stop])


def decode_block(block: PemBlock) -> Certificate:
    """Return the certificate in a PEM block with one of `CERTIFICATE_LABELS`; raises DecodeError."""
    body = block.body
    if block.label == "TRUSTED CERTIFICATE":
        _, stop = element(body, 0, len(body), SEQUENCE, "a certificate")
        if stop < len(body):
            _check_trust(body, stop, len(body))
        body = body[:stop]
    return decode(body)


_check_trust = inside(
    "a structure",
    structure(
        (SEQUENCE, members(OBJECT_IDENTIFIER, object_identifier), True),
        (0xA0, members(OBJECT_IDENTIFIER, object_identifier), True),
        (UTF8_STRING, string(UTF8_STRING), True),
        (OCTET_STRING, anything, True),
        (0xA1, well_formed, True),
    ),
)
"""Raises DecodeError unless this is the trust data that openssl adds to a certificate (X509_CERT_AUX)."""


def load(path: str | os.PathLike[str], *, limit: int = LARGEST_FILE) -> Certificate:
    """Return the first certificate in a PEM file, or the certificate in a DER file; raises UnreadableError."""
    return next(load_all(path, limit=limit))


def load_all(path: str | os.PathLike[str], *, limit: int = LARGEST_FILE) -> Iterator[Certificate]:
    """Yield the certificates in a PEM file, or the one in a DER file; raises UnreadableError if there is none."""
    data = read_file(path, limit=limit)
    found = False
    try:
        if is_der(data):
            yield decode(data)
            return
        for block in pem_blocks(data):
            if block.label in CERTIFICATE_LABELS:
                try:
                    certificate = decode_block(block)
                except DecodeError as error:
                    raise error.in_line(block.line) from None
                found = True
                yield certificate
    except DecodeError as error:
        raise UnreadableError(f"{visible(str(path))}: {error}") from error
    if not found:
        raise UnreadableError(f"{visible(str(path))}: no certificate in it")
