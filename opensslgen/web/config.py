"""The settings of the web interface, and where a request finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import current_app

from opensslgen.pki.store import Store
from opensslgen.report.overview import Briefs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opensslgen.openssl.command import OpenSSL

UPLOAD_LIMIT = 1 << 20
"""Bytes of a request's body that are read at most."""
LOGIN_LIMIT = 4 << 10
"""The same before somebody has a session; a password needs no more."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of the web interface."""

    pki: Path
    openssl: Callable[[], OpenSSL]
    hosts: frozenset[str]
    """The Host headers that are accepted, with the port unless it is the default of the scheme."""
    token: str | None = None
    """Opens the first session; None if there is a password."""
    password: str | None = field(default=None, repr=False)
    secure: bool = False
    """Whether browsers use TLS."""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Secrets that nobody has to type, by the names that plans have for them."""
    on_command: Callable[[str], None] = lambda _: None
    """Gets each openssl command as it runs."""
    patience: float = 0.1
    """Seconds that the answer to a confirmation waits for the job, before it shows its progress."""
    briefs: Briefs = field(default_factory=Briefs, repr=False)
    """What was read of the folder's certificates."""

    @property
    def store(self) -> Store:
        """The pki folder."""
        return Store(self.pki)


def this_config() -> Config:
    """Return the settings of the form."""
    config = current_app.extensions["opensslgen"]
    assert isinstance(config, Config)
    return config
