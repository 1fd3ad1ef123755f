"""The web interface as a WSGI application, and its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.pki.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flask import Flask

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
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets that nobody has to type, by the names that plans have for them."""
    on_command: Callable[[str], None] = lambda _: None
    """Gets each openssl command as it runs."""

    @property
    def store(self) -> Store:
        """The pki folder."""
        return Store(self.pki)


def create_app(config: Config) -> Flask:
    """Return the WSGI application."""
    from flask import Flask

    from . import auditing, browsing, changing, gate, making, pages, roots

    app = Flask("opensslgen.web", static_folder=None, template_folder=None)
    app.request_class = pages.Request
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = UPLOAD_LIMIT
    app.config["MAX_FORM_PARTS"] = 100
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.extensions["opensslgen"] = config
    pages.furnish(app)
    gate.guard(app, config)
    for part in (making, browsing, changing, roots, auditing):
        app.register_blueprint(part.blueprint)
    return app
