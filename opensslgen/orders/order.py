"""Orders: what is wanted, parsed from what people type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.names.constraints import UNLIMITED, NameConstraints, parse_constraints
from opensslgen.names.general import GeneralName, file_name, parse_host, parse_names, parse_url, refuse_stand_in
from opensslgen.names.subject import Subject, parse_subject
from opensslgen.text import quote, refuse_hidden
from opensslgen.x509 import key_types
from opensslgen.x509.certificate import Certificate
from opensslgen.x509.extensions import BasicConstraints
from opensslgen.x509.names import Name
from opensslgen.x509.public_keys import PublicKey

from .kinds import SERVER, Kind, ProfileName
from .usages import extended_key_usages, key_usages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from opensslgen.x509.key_types import KeyType


ROOT_DAYS = 3650
INTERMEDIATE_DAYS = 1825
LEAF_DAYS = 820


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What both kinds of orders have."""

    subject: Subject
    key_type: KeyType = key_types.DEFAULT
    crl_url: str | None = None
    public_key: PublicKey | None = None
    """The key of a request or of the user's file, of the type `key_type`; None: a new key."""
    sets_subject: bool = False
    """Whether the certificate gets `subject` in place of the request's."""


@dataclass(frozen=True, kw_only=True)
class AuthorityOrder(_Order):
    """An order for a root or an intermediate."""

    days: int = ROOT_DAYS
    encrypted: bool = False
    """Whether its key gets a passphrase: CA_PASSPHRASE for a root, NEW_PASSPHRASE for an intermediate."""
    path_length: int | None = None
    """How many CAs may be below it in a chain; None: any number."""
    constraints: NameConstraints = UNLIMITED
    stem: str = "ca"
    """The stem of its file names."""

    @property
    def profile(self) -> ProfileName:
        """The profile that its certificate must comply with."""
        return ProfileName.ROOT

    @property
    def basic_constraints(self) -> str:
        """As an extension file has them, but for `critical`."""
        return "CA:TRUE" if self.path_length is None else f"CA:TRUE,pathlen:{self.path_length}"

    def to_certificate(self, *, not_before: datetime) -> Certificate:
        """Return the certificate that this order will give, as far as it is known, to judge it before it is made."""
        return replace(
            _expected(self, not_before),
            key_usage=frozenset({"keyCertSign", "cRLSign"}),
            basic_constraints=BasicConstraints(True, self.path_length),
        )


@dataclass(frozen=True, kw_only=True)
class LeafOrder(_Order):
    """An order for a server's or a client's certificate."""

    kind: Kind
    names: tuple[GeneralName, ...]
    """As they were typed, the main name first."""
    stem: str
    """Of its files."""
    key_file: str | None = None
    """The user's private key, of the type `key_type`, instead of a new one."""
    days: int = LEAF_DAYS
    extended_key_usage: tuple[str, ...] = SERVER.extended_key_usage
    key_usage: tuple[str, ...] | None = None
    """None: the usual ones for the key type."""
    template: str | None = None
    """The text of an extension file; None: ours."""
    p12: str | None = None
    """A key of P12_ENCRYPTIONS, or None for no PKCS#12 file."""
    request: str | None = None
    """The request with its `public_key`, in PEM."""

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.names[0].value if self.names else self.subject.common_name or self.stem

    @property
    def profile(self) -> ProfileName:
        """The profile that its certificate must comply with."""
        return self.kind.profile

    @property
    def subject_alternative_names(self) -> tuple[GeneralName, ...]:
        """The names, each once."""
        return tuple(dict.fromkeys(self.names))

    @property
    def usages(self) -> tuple[str, ...]:
        """The key usages, by the kind of key if none were asked for.

        A self-signed certificate has none by default. OpenSSL before 1.1, and LibreSSL, accept one as its own issuer
        only without key usages, or with keyCertSign, which RFC 5280 section 4.2.1.9 leaves to CAs.
        """
        return self.key_usage or (() if self.kind.is_self_signed else self.key_type.key_usage)

    def to_certificate(self, *, not_before: datetime) -> Certificate:
        """Return the certificate that this order will give, as far as it is known, to judge it before it is made."""
        return replace(
            _expected(self, not_before),
            subject_alternative_names=self.subject_alternative_names,
            extended_key_usage=self.extended_key_usage or None,
            key_usage=frozenset(self.usages) or None,
            basic_constraints=BasicConstraints(False, None),
        )


def _expected(order: AuthorityOrder | LeafOrder, not_before: datetime) -> Certificate:
    """Return the fields of the certificate for an order, without extensions."""
    return Certificate(
        serial_number=1 << 126,
        signature_algorithm="sha256",
        signature_hash="sha256",
        issuer=Name(()),
        subject=Name(order.subject.attributes),
        not_before=not_before,
        not_after=not_before + timedelta(days=order.days),
        public_key=order.public_key or PublicKey(order.key_type.algorithm, order.key_type.bits, None, b""),
    )


def root_order(
    *,
    common_name: str | None = None,
    organization: str | None = None,
    key_type: KeyType = key_types.DEFAULT,
    days: int = ROOT_DAYS,
    encrypted: bool = False,
    permit: Iterable[str] = (),
    exclude: Iterable[str] = (),
    host: str | None = None,
    **subject: str | None,
) -> AuthorityOrder:
    """Return the order for a root; raises UsageError for a fault in its subject, key type or limits.

    `host` is the name of the server that it is made for, of which `root_name` makes its default common name.
    """
    return AuthorityOrder(
        subject=parse_subject(
            common_name=root_name(organization, host=host) if common_name is None else common_name,
            organization=organization,
            **subject,
        ),
        key_type=key_type,
        days=lifetime(days),
        encrypted=encrypted,
        constraints=parse_constraints(permit=permit, exclude=exclude),
    )


def root_name(organization: str | None, *, host: str | None = None) -> str:
    """Return the default common name of a root, which every phone shows: the organization, or HOST CA.

    The host is that of the first certificate, or this machine.
    """
    if organization and organization.strip():
        return organization
    import socket  # only a new CA is named after its host

    called = (host or "").removeprefix("*.") or socket.gethostname().partition(".")[0] or "opensslgen"
    while len(called) > _LONGEST_HOST and "." in called:
        called = called.partition(".")[2]
    return f"{called[:_LONGEST_HOST]} CA"


_LONGEST_HOST = 61
"""Characters; with " CA" a common name has 64 at most."""


def intermediate_order(
    name: str,
    *,
    common_name: str | None = None,
    key_type: KeyType = key_types.DEFAULT,
    days: int = INTERMEDIATE_DAYS,
    path_length: int | None = 0,
    encrypted: bool = False,
    permit: Iterable[str] = (),
    exclude: Iterable[str] = (),
    crl_url: str | None = None,
    **subject: str | None,
) -> AuthorityOrder:
    """Return the order for an intermediate, whose files are named after `name`; raises UsageError for any fault."""
    return AuthorityOrder(
        subject=parse_subject(common_name=name if common_name is None else common_name, **subject),
        key_type=key_type,
        days=lifetime(days),
        encrypted=encrypted,
        path_length=path_length,
        constraints=parse_constraints(permit=permit, exclude=exclude),
        stem=file_stem(name.strip()),
        crl_url=None if crl_url is None else parse_url(crl_url),
    )


def leaf_order(
    name: str,
    *,
    kind: Kind = SERVER,
    san: Iterable[str] = (),
    common_name: str | None = None,
    key_type: KeyType = key_types.DEFAULT,
    key_file: Path | None = None,
    days: int = LEAF_DAYS,
    extended_key_usage: Iterable[str] = (),
    key_usage: Iterable[str] = (),
    template: str | None = None,
    p12: str | None = None,
    crl_url: str | None = None,
    **subject: str | None,
) -> LeafOrder:
    """Return the order for a server's or client's certificate; raises UsageError for a fault in any part of it."""
    if kind.demanded == "serverAuth":
        refuse_stand_in(name)
    main = main_names(name, kind)
    others = [other for text in san for other in parse_names(text)]
    for one in main:
        if one in others:
            # In the one-line form people also write the main name; that is not a repetition.
            others.remove(one)
    called = main[0].value if main else name.strip()
    return LeafOrder(
        kind=kind,
        names=(*main, *others),
        subject=parse_subject(common_name=called if common_name is None else common_name, **subject),
        stem=file_stem(called),
        key_type=key_type,
        key_file=None if key_file is None else str(key_file),
        days=lifetime(days),
        extended_key_usage=extended_key_usages(extended_key_usage) or kind.extended_key_usage,
        key_usage=key_usages(key_usage) or None,
        template=template,
        p12=p12,
        crl_url=None if crl_url is None else parse_url(crl_url),
    )


def file_stem(name: str, *, hint: str | None = None) -> str:
    """Return the stem of a certificate's file names; its name need not be a host's.

    Raises UsageError for a name that no file can have; the default hint is to use --cn.
    """
    try:
        return file_name(name.replace(" ", "_"))
    except UsageError as error:
        hint = hint or f"choose a short name for the files, and write the name in full as --cn {quote(name)}"
        raise UsageError(error.message, hint=hint) from error


def main_names(name: str, kind: Kind) -> tuple[GeneralName, ...]:
    """Return the main name as an alternative name, or nothing if it cannot be one.

    A server has a host name or an address; raises UsageError for any other. A client can have any name: a mail
    address or a host name with a dot in it is also its alternative name.
    """
    if kind.demanded == "serverAuth":
        return (parse_host(name),)
    refuse_hidden(name)
    if "." not in name and ":" not in name:
        return ()
    try:
        return parse_names(name)[:1] if "@" in name else (parse_host(name),)
    except UsageError:
        return ()


def lifetime(days: int) -> int:
    """Return the number of days; raises UsageError if a certificate cannot be valid that long."""
    if not 1 <= days <= 36500:
        raise UsageError(f"{days} days: write a number from 1 to 36500")
    return days
