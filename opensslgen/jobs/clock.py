"""Whether the clock of this machine can be right: without a battery, many boxes begin in 1970, 2000 or 2010."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.pki.folder import copy_of
from opensslgen.plan import layout
from opensslgen.plan.script import EARLIEST
from opensslgen.rules.profiles import RULES, rules_of
from opensslgen.rules.rule import Finding
from opensslgen.x509.certificate import Certificate, load

from .job import Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


_LONGEST_LINE = 1 << 16  # bytes
CLOCK = "clock"
"""The id of the rule."""


def refuse_wrong_clock(folder: Path | None, *, allow: Collection[str]) -> None:
    """Raise Violation if it is earlier than this release, or than the beginning of the folder's newest certificate."""
    rules_of((), allow)
    if CLOCK in allow:
        return
    now = datetime.now(timezone.utc)
    if why := clock_fault(folder, now):
        message = f"the clock of this machine says {now:%Y-%m-%d %H:%M:%S} UTC, which {why}"
        raise Violation("the clock is wrong, so nothing was made", [Finding(RULES[CLOCK], message)])


def clock_fault(folder: Path | None, now: datetime) -> str | None:
    """Return why this cannot be the time, as the end of a sentence; None if it can."""
    if now.date() < EARLIEST:
        return f"is before this version of opensslgen, of {EARLIEST:%Y-%m}"
    for certificate in _newest(folder) if folder else ():
        if now < certificate.not_before:
            return f"is before {certificate.not_before:%Y-%m-%d %H:%M:%S} UTC, when the newest certificate began"
    return None


def _newest(folder: Path) -> Iterator[Certificate]:
    """Yield the CA, and the certificate of the last line of the index."""
    with suppress(UnreadableError, OSError):
        yield load(folder / layout.CA)
    with suppress(UnreadableError, OSError):
        with (folder / layout.INDEX).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_LINE))
            fields = file.read().rstrip(b"\r\n").rpartition(b"\n")[2].split(b"\t")
        if len(fields) == 6 and (copy := copy_of(folder, fields[3].decode("ascii", "replace"))):
            yield load(copy)
