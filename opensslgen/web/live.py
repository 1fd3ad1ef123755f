"""The check of a live server, on the page of a certificate."""

from __future__ import annotations

import dataclasses
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from flask import Blueprint, request

from opensslgen.audit import why
from opensslgen.audit.chosen import chosen_rules
from opensslgen.audit.result import Settings
from opensslgen.errors import Error

from .auditing import turn
from .browsing import page
from .config import this_config
from .fields import Problem

if TYPE_CHECKING:
    from .config import Config

blueprint = Blueprint("live", __name__)

_TIMEOUT = 5.0
"""Seconds for the lookup of a name, and for each of its addresses."""
_SECONDS = 30.0
"""Seconds after which no other address is asked."""


@blueprint.post("/certificates/<serial>/check")
def check(serial: str) -> str | tuple[str, int]:
    """Ask a server, and show what keeps phones from accepting it, and whether it sends this certificate.

    The text only ever names a server, never a file.
    """
    config, typed = this_config(), request.form.get("host", "").strip()
    if not typed:
        return page(serial, problems={"check": Problem("type a server, such as pbx.example.com:443")}), 422
    try:
        target = why.target_of(typed)
        with turn() as has_turn:
            if not has_turn:
                raise Error("others are checking: try again in a moment")
            until = time.monotonic() + _SECONDS
            answer = why.why(target, pki=config.pki, settings=_settings(config), timeout=_TIMEOUT, until=until)
    except Error as error:
        return page(serial, problems={"check": Problem(error.message)}, host=typed), 422
    return page(serial, problems={}, host=typed, answer=answer)


def _settings(config: Config) -> Settings:
    # Other threads ask for it as well.
    openssl = dataclasses.replace(config.openssl(), timeout=_TIMEOUT)
    chosen = chosen_rules()
    return Settings(
        rules=chosen.rules,
        rules_by_kind=chosen.by_kind,
        at=datetime.now(timezone.utc).replace(microsecond=0),
        openssl=lambda: openssl,
        jobs=1,
    )
