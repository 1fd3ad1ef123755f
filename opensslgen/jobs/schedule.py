"""Timers for renewal: systemd units, and a line for cron."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.plan import template

if TYPE_CHECKING:
    from collections.abc import Sequence


def renewal_command(*, pki: Path, within: int, hook: str | None, passphrase_file: Path | None) -> list[str]:
    """Return the command that renews certificates that expire within so many days, with absolute paths."""
    found = shutil.which("opensslgen")
    program = [str(Path(found).absolute())] if found else [sys.executable, "-m", "opensslgen"]
    words = [*program, "renew", "--quiet", "--within", str(within), "--pki", str(pki.absolute())]
    if passphrase_file:
        words += ["--passphrase-file", str(passphrase_file.absolute())]
    return [*words, "--hook", hook] if hook else words


def service(command: Sequence[str], *, folder: str) -> str:
    """Return the systemd service that runs a command; raises UsageError for words that a unit cannot contain."""
    words = " ".join(map(_systemd_word, command))
    # In a description a percent sign also begins a specifier.
    return template.fill(
        template.shipped("renew.service"), {"COMMAND": words, "FOLDER": _printable(folder).replace("%", "%%")}
    )


def timer() -> str:
    """Return the systemd timer that starts the service of the same name each day."""
    return template.shipped("renew.timer")


def crontab(command: Sequence[str], *, user: str = "root") -> str:
    """Return the line for /etc/cron.d that runs a command each night; raises UsageError for words it cannot hold."""
    line = _printable(shlex.join(command)).replace("%", "\\%")
    values = {"MINUTE": "17", "HOUR": "3", "USER": user, "COMMAND": line}
    return template.fill(template.shipped("renew.cron"), values)


def _systemd_word(word: str) -> str:
    """Return a word of ExecStart= as systemd.syntax(7) and systemd.service(5) have it quoted."""
    doubled = _printable(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return doubled if re.fullmatch(r"[A-Za-z0-9@+=:,./_-]+", doubled) else f'"{doubled}"'


def _printable(text: str) -> str:
    if not text.isprintable():
        raise UsageError("a line of cron, or of a systemd unit, cannot contain control characters")
    return text
