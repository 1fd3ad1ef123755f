"""The wrapper's records, one for each openssl call that makes a request or a certificate."""

from __future__ import annotations

import errno
import os
import re
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.config.reader import DEFAULT, Config, read_config
from opensslgen.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CERTIFICATE, REQUEST = "certificate", "request"
_FIELDS = 6
"""Fields of a record before the arguments."""
_STARTING = 5.0
"""Seconds that a wrapper may take from its record to its pipe."""
_PAUSE = 0.05


@dataclass(frozen=True, kw_only=True)
class Call:
    """One openssl call, as it was recorded."""

    arguments: tuple[str, ...]
    """Without "openssl", as the caller gave them; passphrases are masked."""
    cwd: str
    makes: str
    """CERTIFICATE or REQUEST."""
    out: str
    """The file it writes to, as the caller named it; empty: standard output."""
    source_option: str
    """"config" or "extfile": the source of the extensions."""
    source: str
    """The path of that file; empty: openssl's own config, or none."""
    source_text: str | None
    """Its content when openssl was called; None if it was not read."""
    changes: tuple[str, ...]
    """What was corrected."""
    status: int | None
    """The exit code; None: the call did not finish, or a signal ended it."""
    made: bytes
    """The certificate or request that was made."""

    @property
    def command(self) -> str:
        """The call as a shell command."""
        return shlex.join(["openssl", *self.arguments])

    def value(self, option: str) -> str | None:
        """Return the value of an option, named without its dash; the last one counts."""
        found = None
        for word, following in zip(self.arguments, (*self.arguments[1:], None), strict=True):
            name, equals, value = word.lstrip("-").partition("=")
            if word.startswith("-") and name == option:
                found = value if equals else following
        return found

    @property
    def section(self) -> str | None:
        """The name of the extension section that was applied; None: no section, or unknown."""
        named = self.value("extensions")
        if self.source_text is None:
            return named if self.source_option == "config" else None
        try:
            config = read_config(self.source_text + "\n")
        except UnreadableError:
            return named
        return named or _section_by_default(config, self)


def _section_by_default(config: Config, call: Call) -> str | None:
    if call.source_option == "extfile":
        entry = config.entry(DEFAULT, "extensions")
        return entry.value if entry else DEFAULT
    base = call.value("name") or call.value("section")
    if base is None:
        chosen = config.entry("ca", "default_ca") if call.arguments[0] == "ca" else None
        base = chosen.value if chosen else "req"
    entry = config.entry(base, "x509_extensions")
    return entry.value if entry else None


_SECRET = re.compile(r"(?<![\w-])pass:[^\s\"']+")


def mask_passphrases(words: Sequence[str]) -> tuple[str, ...]:
    """Replace the passphrases in a command, as the wrapper does in its records."""
    found: list[str] = []
    for word in words:
        is_secret = bool(found) and found[-1].startswith(("-pass", "--pass")) and "=" not in found[-1]
        is_named = word.startswith(("env:", "file:", "fd:")) or word == "stdin"
        found.append("***" if is_secret and not is_named else _SECRET.sub("pass:***", word))
    return tuple(found)


def read_calls(folder: Path) -> tuple[Call, ...]:
    """Return the calls that are recorded in a folder, in the order in which they began."""
    records = sorted(folder.glob("*.call"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return tuple(call for path in records if (call := _read_call(path)))


def read_unseen(folder: Path) -> tuple[str, ...]:
    """Return what the wrapper could not check, each as a sentence."""
    found = (path.read_text(encoding="utf-8", errors="replace").strip() for path in sorted(folder.glob("*.unseen")))
    return tuple(dict.fromkeys(found))


def _read_call(path: Path) -> Call | None:
    fields = [os.fsdecode(field) for field in path.read_bytes().split(b"\0")[:-1]]
    if len(fields) <= _FIELDS:
        return None
    _, cwd, makes, out, option, source = fields[:_FIELDS]
    config, status, made = (path.with_suffix(suffix) for suffix in (".config", ".status", ".made"))
    changes = path.with_suffix(".changes")
    ended = status.read_text(encoding="ascii", errors="replace").strip() if status.exists() else ""
    return Call(
        arguments=tuple(fields[_FIELDS:]),
        cwd=cwd,
        makes=makes,
        out=out,
        source_option=option,
        source=source,
        source_text=config.read_text(encoding="utf-8", errors="surrogateescape") if config.exists() else None,
        changes=tuple(changes.read_text(encoding="utf-8", errors="replace").splitlines()) if changes.exists() else (),
        # The shell uses 128 and more for commands that a signal ended.
        status=int(ended) if re.fullmatch("[0-9]{1,3}", ended) and int(ended) <= 128 else None,
        made=made.read_bytes() if made.exists() else b"",
    )


def wait_for_calls(folder: Path) -> None:
    """Wait until no recorded call is running: calls in the background may outlive their script."""
    while any(not path.with_suffix(".status").exists() and _is_running(path) for path in folder.glob("*.call")):
        time.sleep(_PAUSE)


def _is_running(path: Path) -> bool:
    """Tell whether the wrapper that wrote a record is running: only it holds its pipe open."""
    try:
        os.close(os.open(path.with_suffix(".alive"), os.O_WRONLY | os.O_NONBLOCK))
    except FileNotFoundError:
        return time.time() - path.stat().st_mtime < _STARTING
    except OSError as error:
        return error.errno != errno.ENXIO
    return True
