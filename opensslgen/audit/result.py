"""What an audit is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.rules.profiles import rules_of
from opensslgen.rules.roles import AUTHORITY, CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime, timedelta

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.rules.rule import Finding, Rule
    from opensslgen.x509.certificate import Certificate

_NOTES = {
    AUTHORITY: "judged as an authority, by profile root; --profile apple judges it as a server",
    CLIENT: "judged as a client's, by profile client, as its usage is clientAuth alone; --profile apple judges it as a"
    " server",
}
LIMIT = 16 << 20
"""Bytes of a file that are read at most; with `each`, of one block in it."""


def rules_by_kind(allowed: Collection[str] = ()) -> dict[str, tuple[Rule, ...]]:
    """Return the rules for what is known to be no server's."""
    return {AUTHORITY: rules_of(["root"], allowed), CLIENT: rules_of(["client"], allowed)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to judge; the same for all targets of one run."""

    rules: tuple[Rule, ...]
    """Those of the profiles that were named, less those that are allowed."""
    rules_by_kind: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    """Those for an AUTHORITY and for a CLIENT, where no profile was named; empty: the same for all."""
    at: datetime
    """The time of judgement, aware."""
    within: timedelta | None = None
    """Certificates that end within this time of `at` are a finding; None: none are."""
    each: bool = False
    """Judge every block of a bundle on its own, instead of its first certificate with the others as issuers."""
    limit: int = LIMIT
    sections: tuple[str, ...] = ()
    """Sections of a config that are judged besides those that it names itself."""
    roots: tuple[Certificate, ...] = ()
    """The roots that devices trust, to which every chain has to lead; empty: any root will do, and is named."""
    password: Callable[[str], str] | None = None
    """Returns the password of a PKCS#12 file by its name; raises Error if there is none."""
    openssl: Callable[[], OpenSSL] | None = None
    """Finds openssl when a target needs it: signatures, PKCS#12, configs, live servers."""
    starttls: str | None = None
    """How servers given as host:port are asked for TLS; None: they speak it from the first byte."""
    servername: str | None = None
    """The server name that is sent in place of the host's."""
    timeout: float = 10.0
    """Seconds for looking up a server's name, and for talking to each of its addresses."""
    jobs: int | None = None
    """Processes that decode, and servers that are asked at once; None: as suits the machine."""

    def find_openssl(self) -> OpenSSL:
        """Return the openssl to ask; raises OpenSSLError if none is of use."""
        if self.openssl:
            return self.openssl()
        from opensslgen.openssl.command import find

        return find()

    def password_of(self, target: str) -> str:
        """Return the password of a PKCS #12 file; "" if nobody was asked for one."""
        return self.password(target) if self.password else ""

    def rules_for(self, kind: str | None) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
        """Return the rules that a certificate or request of this kind is held to, and a note if they are not `rules`.

        The kind is AUTHORITY, CLIENT, or None for a server's and for whatever is not known to be another.
        """
        if kind is None or kind not in self.rules_by_kind:
            return self.rules, ()
        return self.rules_by_kind[kind], (_NOTES[kind],)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The openssl call that made a certificate, as `opensslgen run` has seen it."""

    command: str
    """As a line of shell; passphrases are masked."""
    script: str | None
    """The script that the call is written in, if it was found there."""
    line: int | None
    """The line of the script, from 1."""
    section: str | None
    """The section of extensions that was applied; None: no section, or it cannot be known."""
    changes: tuple[str, ...]
    """What was corrected."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an audit says of one thing; a target may hold several."""

    target: str
    """As it was given or found: a path, host:port, or - for standard input."""
    kind: str
    """"certificate", "request", "key", "config", "script", "server", "folder" or "index" of an authority, or "file"."""
    findings: tuple[Finding, ...] = ()
    unreadable: str | None = None
    """Why it could not be read, or judged; such a thing is never good."""
    is_unknown: bool = False
    """Whether it was read, and `unreadable` says what a rule needs to know that it does not say."""
    line: int | None = None
    """Where in the file the thing begins, counted from 1."""
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()
    """What could not be looked at, and why."""
    origin: Origin | None = None
    """The call that made it, where that was seen."""
    path: tuple[Certificate, ...] = ()
    """The certificates above it by which it was judged, its issuer first."""
