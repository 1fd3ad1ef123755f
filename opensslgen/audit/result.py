"""What an audit is asked and what it answers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.names import parse_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from opensslgen.certificate import Certificate
    from opensslgen.openssl import OpenSSL
    from opensslgen.rules import Finding, Rule

LIMIT = 16 << 20
"""Bytes of a file that are read at most; with `each`, of one block in it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to judge; the same for all targets of one run."""

    rules: tuple[Rule, ...]
    """Those of the profiles that were named, less those that are allowed."""
    authority_rules: tuple[Rule, ...] | None = None
    """Those for a certificate that can only be an authority's, where no profile was named; None: the same."""
    at: datetime
    """The time of judgement, aware."""
    within: timedelta | None = None
    """Certificates that end within this time of `at` are a finding; None: none are."""
    each: bool = False
    """Judge every block of a bundle on its own, instead of its first certificate with the others as issuers."""
    limit: int = LIMIT
    sections: tuple[str, ...] = ()
    """Sections of a config that are judged besides those that it names itself."""
    password: Callable[[str], str] | None = None
    """Returns the password of a PKCS#12 file by its name; raises Error if there is none."""
    openssl: Callable[[], OpenSSL] | None = None
    """Finds openssl when a target needs it: PKCS#12, configs, live servers."""
    starttls: str | None = None
    """How servers given as host:port are asked for TLS; None: they speak it from the first byte."""
    servername: str | None = None
    """The server name that is sent in place of the host's."""
    timeout: float = 10.0
    """Seconds for looking up a server's name, and for talking to each of its addresses."""
    jobs: int | None = None
    """Processes that decode, and servers that are asked at once; None: as suits the machine."""

    def rules_for(self, certificate: Certificate) -> tuple[Rule, ...]:
        """Return the rules that a certificate found in a file is held to."""
        if self.authority_rules is None or not _is_authority(certificate):
            return self.rules
        return self.authority_rules


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an audit says of one thing; a target may hold several."""

    target: str
    """As it was given or found: a path, host:port, or - for standard input."""
    kind: str
    """"certificate", "request", "key", "config", "script", "server", or "file" if that cannot be told."""
    findings: tuple[Finding, ...] = ()
    unreadable: str | None = None
    """Why it could not be read; such a thing is never good."""
    line: int | None = None
    """Where in the file the thing begins, counted from 1."""
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()
    """What could not be looked at, and why."""


def _is_authority(certificate: Certificate) -> bool:
    """Tell whether a certificate says that it signs others, and has no name by which a client could know a server.

    CA:TRUE alone does not say so: `openssl req -x509` makes that of a server by default. When in doubt, as where
    the common name is a host's, it is held to what is asked of servers.
    """
    constraints = certificate.basic_constraints
    if not (constraints and constraints.ca and "keyCertSign" in (certificate.key_usage or ())):
        return False
    if any(name.kind in {"DNS", "IP"} for name in certificate.names):
        return False
    with suppress(UsageError):
        host = parse_host(certificate.subject.common_name or "")
        return host.kind == "DNS" and "." not in host.value
    return True
