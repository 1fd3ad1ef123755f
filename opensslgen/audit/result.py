"""What an audit is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
