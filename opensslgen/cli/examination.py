"""Is this machine fit to make certificates? openssl, the folder, the clock."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error
from opensslgen.openssl import command
from opensslgen.pki.store import Store

if TYPE_CHECKING:
    from pathlib import Path

RELEASED = datetime(2026, 11, 1, tzinfo=timezone.utc)
"""No clock that is right shows an earlier time than that of this release."""


class Answer(NamedTuple):
    """One thing that was looked at."""

    question: str
    good: bool | None
    """None: neither good nor bad, but worth knowing."""
    answer: str


def examine(pki: Path, path: str | None) -> list[Answer]:
    """Return what was found of openssl, of the pki folder and of the clock."""
    return [*_openssl(path), _folder(pki), _clock(pki)]


def _openssl(path: str | None) -> list[Answer]:
    try:
        found = command.find(path)
    except Error as error:
        return [Answer("openssl", False, error.message)]
    return [
        Answer("openssl", True, f"{found.path}: {found.banner}"),
        *(
            Answer(meaning, None, "yes" if found.can(name) else "no")
            for name, meaning in {"-not_before": "backdating", "-copy_extensions": "one-process issue"}.items()
        ),
    ]


def _folder(pki: Path) -> Answer:
    nearest = pki.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not os.path.isdir(nearest):  # noqa: PTH112 - Path.is_dir raises where the folder above cannot be looked into
        return Answer("pki folder", False, f"{nearest} is not a folder")
    there = "" if nearest == pki.absolute() else " (not there yet)"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Answer("pki folder", False, f"{pki}{there}: {nearest} is not writable")
    return Answer("pki folder", True, f"{pki}{there} is writable")


def _clock(pki: Path) -> Answer:
    now = datetime.now(timezone.utc)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    if now < RELEASED:
        return Answer(
            "clock", False, f"{shown} is before this release of opensslgen: certificates would begin too early"
        )
    try:
        root = Store(pki).issuer()
    except Error as error:
        return Answer("clock", False, f"{shown}; cannot be held against the root: {error.message}")
    if root and now < root.not_before:
        return Answer("clock", False, f"{shown} is before the root begins ({root.not_before:%Y-%m-%d %H:%M} UTC)")
    if root and now > root.not_after:
        return Answer("clock", False, f"{shown} is after the root ended ({root.not_after:%Y-%m-%d %H:%M} UTC)")
    return Answer("clock", True, shown)
