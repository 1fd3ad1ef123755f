"""An audit as workflow commands, which GitHub Actions shows next to the lines of a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.text import visible

from .tally import worst_first

if TYPE_CHECKING:
    from opensslgen.audit.result import Result

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def github_entry(result: Result) -> str:
    """Return the findings on a result, a line each; empty if there are none."""
    name = visible(result.target)
    lines = [
        _line(result, _COMMANDS[finding.rule.severity], finding.rule.id, f"{name}: {visible(finding.message)}")
        for finding in worst_first(result.findings)
    ]
    if result.unreadable is not None:
        lines.append(_line(result, "error", "unreadable", f"{name}: {visible(result.unreadable)}"))
    return "".join(lines)


def _line(result: Result, command: str, title: str, message: str) -> str:
    origin = result.origin
    path, line = (origin.script, origin.line) if origin else (result.target, result.line)
    place = f"file={_escape(visible(path.removeprefix('./')), ':,')},line={line or 1}," if path else ""
    return f"::{command} {place}title={title}::{_escape(message)}\n"


def _escape(text: str, more: str = "") -> str:
    """Return text in which nothing ends the command (actions/toolkit, command.ts)."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
