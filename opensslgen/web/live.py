"""The check of a live server, on the page of a certificate."""

from __future__ import annotations

import dataclasses
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
    from opensslgen.openssl.command import OpenSSL

blueprint = Blueprint("live", __name__)

_TIMEOUT = 5.0
"""Seconds for the lookup of a name, and for each of its addresses."""


@blueprint.post("/certificates/<serial>/check")
def check(serial: str) -> str | tuple[str, int]:
    """Ask a server, and show what keeps phones from accepting it, and whether it sends this certificate.

    The text only ever names a server, never a file.
    """
    typed = request.form.get("host", "").strip()
    try:
        target = why.target_of(typed)
        with turn():
            answer = why.why(target, pki=this_config().pki, settings=_settings(), timeout=_TIMEOUT)
    except Error as error:
        return page(serial, problems={"check": Problem(error.message)}, host=typed), 422
    return page(serial, problems={}, host=typed, answer=answer)


def _settings() -> Settings:
    chosen = chosen_rules()
    return Settings(
        rules=chosen.rules,
        rules_by_kind=chosen.by_kind,
        at=datetime.now(timezone.utc).replace(microsecond=0),
        openssl=_openssl,
        jobs=1,
    )


def _openssl() -> OpenSSL:
    return dataclasses.replace(this_config().openssl(), timeout=_TIMEOUT)
