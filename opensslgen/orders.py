"""Orders: what is wanted, parsed from what people type."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from . import keys, template
from .certificate import BasicConstraints, Certificate, Name, PublicKey
from .errors import UsageError
from .names import parse_host, parse_names
from .section import SERVER_USAGES, Section, extended_key_usages, key_usages
from .subject import parse_subject

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .keys import KeyType
    from .names import GeneralName
    from .subject import Subject

ROOT_DAYS = 3650
SERVER_DAYS = 820


@dataclass(frozen=True, kw_only=True)
class RootOrder:
    """A root that is wanted."""

    subject: Subject
    key_type: KeyType = keys.DEFAULT
    days: int = ROOT_DAYS
    encrypted: bool = False
    """Whether its key gets the passphrase that CA_PASSPHRASE names."""


@dataclass(frozen=True, kw_only=True)
class ServerOrder:
    """A server's certificate that is wanted."""

    names: tuple[GeneralName, ...]
    """As they were given, the main name first; files are named after it."""
    subject: Subject
    key_type: KeyType = keys.DEFAULT
    key_file: str | None = None
    """The user's own key, of the kind that `key_type` tells, instead of a new one."""
    days: int = SERVER_DAYS
    extended_key_usage: tuple[str, ...] = SERVER_USAGES
    key_usage: tuple[str, ...] | None = None
    """None: what suits the key."""
    template: str | None = None
    """The text of an extension file; None: ours."""
    p12: str | None = None
    """A key of P12_ENCRYPTIONS, or None for no PKCS#12 file."""

    @property
    def subject_alternative_names(self) -> tuple[GeneralName, ...]:
        """The names, each once."""
        return tuple(dict.fromkeys(self.names))

    @property
    def usages(self) -> tuple[str, ...]:
        """The key usages, by the kind of key if none were asked for."""
        return self.key_usage or self.key_type.key_usage

    @property
    def section(self) -> Section:
        """What fills the extension file."""
        return Section(names=self.names, key_usage=self.usages, extended_key_usage=self.extended_key_usage)

    def expected(self, *, not_before: datetime) -> Certificate:
        """Return the certificate that this will give, as far as it is known, to be held against the rules before."""
        usages = self.extended_key_usage
        return Certificate(
            der=b"",
            version=3,
            serial_number=1 << 126,
            signature_algorithm="sha256",
            signature_hash="sha256",
            issuer=Name(()),
            subject=Name(self.subject.attributes),
            not_before=not_before,
            not_after=not_before + timedelta(days=self.days),
            public_key=PublicKey(self.key_type.algorithm, self.key_type.bits, None, b""),
            subject_alternative_names=self.subject_alternative_names,
            extended_key_usage=usages or None,
            key_usage=frozenset(self.usages),
            basic_constraints=BasicConstraints(False, None),
            subject_key_identifier=None,
            authority_key_identifier=None,
        )


def root_order(
    *,
    common_name: str | None = None,
    organization: str | None = None,
    key_type: KeyType = keys.DEFAULT,
    days: int = ROOT_DAYS,
    encrypted: bool = False,
    **subject: str | None,
) -> RootOrder:
    """Return the order for a root; raises UsageError for a fault in its subject or key type.

    Its common name is by default unlike any other root's, as IP Office builds chains by it: the owner and the time.
    """
    owner = organization or socket.gethostname().partition(".")[0] or "opensslgen"
    time = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S}"
    return RootOrder(
        subject=parse_subject(
            common_name=common_name if common_name is not None else f"{owner[: 64 - 6 - len(time)]} root {time}",
            organization=organization,
            **subject,
        ),
        key_type=key_type,
        days=_lifetime(days),
        encrypted=encrypted,
    )


def server_order(
    name: str,
    *,
    san: Iterable[str] = (),
    common_name: str | None = None,
    key_type: KeyType = keys.DEFAULT,
    key_file: Path | None = None,
    days: int = SERVER_DAYS,
    extended_key_usage: Iterable[str] = (),
    key_usage: Iterable[str] = (),
    template_file: Path | None = None,
    p12: str | None = None,
    **subject: str | None,
) -> ServerOrder:
    """Return the order for a server's certificate; raises UsageError for a fault in a name, usage or subject."""
    main = parse_host(name)
    others = [other for text in san for other in parse_names(text)]
    if main in others:
        # People write the main name in the one-line form, too; there it is no repetition.
        others.remove(main)
    return ServerOrder(
        names=(main, *others),
        subject=parse_subject(common_name=main.value if common_name is None else common_name, **subject),
        key_type=key_type,
        key_file=None if key_file is None else str(key_file),
        days=_lifetime(days),
        extended_key_usage=extended_key_usages(extended_key_usage) or SERVER_USAGES,
        key_usage=key_usages(key_usage) or None,
        template=None if template_file is None else template.read(template_file),
        p12=p12,
    )


def _lifetime(days: int) -> int:
    """Return a number of days that gives dates which a certificate can hold."""
    if not 1 <= days <= 36500:
        raise UsageError(f"{days} days: write a number from 1 to 36500")
    return days
