"""Timers for renewal: systemd units, and a line for cron."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.plan import layout, template
from opensslgen.suggest import program_anywhere
from opensslgen.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensslgen.pki.store import Store


def renewal_command(
    *,
    pki: Path,
    within: int,
    deploy_hook: str | None = None,
    post_hook: str | None = None,
    passphrase_file: Path | None = None,
    p12_password_file: Path | None = None,
    openssl: str | None = None,
) -> list[str]:
    """Return the command that renews certificates that expire within so many days, with absolute paths."""
    words = [*program_anywhere(), "renew", "--quiet", "--within", str(within), "--pki", str(pki.absolute())]
    for option, value in (
        ("--passphrase-file", passphrase_file and str(passphrase_file.absolute())),
        ("--p12-password-file", p12_password_file and str(p12_password_file.absolute())),
        ("--openssl", str(Path(openssl).absolute()) if openssl and os.sep in openssl else openssl),
        ("--deploy-hook", deploy_hook),
        ("--post-hook", post_hook),
    ):
        if value:
            words += [option, value]
    return words


def missing_secrets(store: Store, *, has_passphrase: bool, has_p12_password: bool) -> list[str]:
    """Return notes about what the command needs but has not got, so that it would fail when nobody is there."""
    notes = []
    if not has_passphrase and store.issuer() is not None and store.ca_key_is_encrypted():
        notes.append(f"{store.path / store.ca_key} has a passphrase, so renewals fail without --passphrase-file FILE")
    found = [path.name for path in sorted((store.path / layout.PRIVATE).glob("*.p12"))]
    if found and not has_p12_password:
        names = ", ".join(map(visible, found[:5])) + (", …" if len(found) > 5 else "")
        notes.append(f"to make {names} again, renewals need --p12-password-file FILE, and fail without it")
    return notes


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
