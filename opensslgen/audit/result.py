"""The settings and the results of an audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import MOST_SECONDS
from opensslgen.rules.roles import AUTHORITY, CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from opensslgen.names.general import GeneralName
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.openssl.s_client import Answer
    from opensslgen.rules.rule import Finding, Rule
    from opensslgen.x509.certificate import Certificate

_NOTES = {
    AUTHORITY: "judged as a CA, by profile root; --profile apple judges it as a server",
    CLIENT: "judged as a client, by profile client, because its only usage is clientAuth; --profile apple judges it as"
    " a server",
}
LIMIT = 16 << 20
"""Maximum size of a file in bytes; with `each`, of one block in it."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Settings:
    """How to judge; the same for all targets of one run."""

    rules: tuple[Rule, ...]
    """The rules of the profiles, without the allowed ones."""
    rules_by_kind: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    """The rules for an AUTHORITY and for a CLIENT, if no profile was named; empty: the same rules for all."""
    at: datetime
    """The time for which validity is judged, with a time zone."""
    within: timedelta | None = None
    """A certificate that expires within this time after `at` is a finding; None: no such finding."""
    each: bool = False
    """Judge every block of a bundle on its own, instead of its first certificate with the others as issuers."""
    limit: int = LIMIT
    sections: tuple[str, ...] = ()
    """Sections of a config to judge, in addition to those that the config itself names."""
    roots: tuple[Certificate, ...] = ()
    """The roots that devices trust, to which every chain has to lead; empty: accept any root, and name it in a note."""
    password: Callable[[str], str] | None = None
    """Returns the password of a PKCS#12 file by its name; raises Error without a password."""
    openssl: Callable[[], OpenSSL] | None = None
    """Finds openssl when a target needs it: signatures, PKCS#12, configs, live servers."""
    starttls: str | None = None
    """The STARTTLS protocol for servers given as host:port; None: TLS from the first byte."""
    servername: GeneralName | None = None
    """The name that certificates have to be valid for; servers are asked for it instead of the host."""
    timeout: float = 10.0
    """Seconds for looking up a server's name, and for talking to each of its addresses."""
    time_limit: float = MOST_SECONDS
    """Seconds of CPU for each file or block."""
    jobs: int | None = None
    """Processes that decode, and servers that are asked at once; None: chosen by the number of CPUs."""

    def find_openssl(self) -> OpenSSL:
        """Return the openssl to use; raises OpenSSLError if there is no usable one."""
        if self.openssl:
            return self.openssl()
        from opensslgen.openssl.command import find

        return find()

    def password_of(self, target: str) -> str:
        """Return the password of a PKCS#12 file; "" if there is no way to ask for it."""
        return self.password(target) if self.password else ""

    def rules_for(self, kind: str | None) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
        """Return the rules for a certificate or request of this kind, and a note if they are not `rules`.

        The kind is AUTHORITY, CLIENT, or None for servers and unknown kinds.
        """
        if kind is None or kind not in self.rules_by_kind:
            return self.rules, ()
        return self.rules_by_kind[kind], (_NOTES[kind],)


class Origin(NamedTuple):
    """The openssl call that made a certificate, as `opensslgen run` saw it."""

    command: str
    """As a line of shell; passphrases are masked."""
    script: str | None
    """The script that contains the call, if it was found."""
    line: int | None
    """The line of the script, from 1."""
    section: str | None
    """The extension section that was applied; None: no section, or unknown."""
    changes: tuple[str, ...]
    """What was corrected."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """The verdict on one thing; a target may contain several."""

    target: str
    """The name by which it was found: a path, host:port, or - for standard input."""
    kind: str
    """"certificate", "request", "key", "crl", "config", "script", "server", "folder" or "index" of a CA, or "file"."""
    findings: tuple[Finding, ...] = ()
    unreadable: str | None = None
    """Why it could not be read or judged; such a thing never complies."""
    is_unknown: bool = False
    """Whether it was read, but lacks something that a rule needs to know; `unreadable` says what."""
    line: int | None = None
    """Where in the file the thing begins, counted from 1."""
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()
    """What could not be checked, and why."""
    origin: Origin | None = None
    """The openssl call that made it, if that was seen."""
    path: tuple[Certificate, ...] = ()
    """The chain above it that was judged with it, its issuer first."""
    answer: Answer | None = None
    """What a live server answered."""
    sent: str | None = None
    """The one of the notes that describes the chain which a live server sent."""
