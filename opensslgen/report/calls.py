"""The certificates that a command made, as a table: each with the openssl call behind it and its section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.text import visible
from opensslgen.watch.scripts import line_of

from .tally import COMPLIES, VIOLATES, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensslgen.audit.result import Result
    from opensslgen.watch.run import Watched

_MARKS = {COMPLIES: "✓", VIOLATES: "✗"}
_HEADINGS = ("certificate", "extensions", "openssl command")
_WIDEST = 100
"""Characters of a command that are shown."""


def calls_table(results: Sequence[Result]) -> str:
    """Return a line for each certificate that was seen to be made; empty if there is none."""
    rows = [_row(result) for result in results if result.origin]
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in (("", *_HEADINGS), *rows)) for column in range(3)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip() + "\n"
        for row in (("", *_HEADINGS), *rows)
    )


def _row(result: Result) -> tuple[str, str, str, str]:
    origin = result.origin
    assert origin
    place = f"{visible(origin.script)}:{origin.line}: " if origin.script else ""
    section = "-" if origin.section is None else f"[{visible(origin.section)}]"
    return (_MARKS.get(verdict(result), "?"), visible(result.target), section, place + _cut(origin.command))


def corrections(watched: Watched) -> list[str]:
    """Return a line for each correction that reached a certificate."""
    return [
        f"{visible(call.out or 'standard output')}: {visible(change)}"
        for call in watched.calls
        if call.status == 0
        for change in call.changes
    ]


def failures(watched: Watched) -> str:
    """Return a line for each call that failed, and so made no certificate."""
    lines = []
    for call in watched.calls:
        if call.status:
            place = line_of(call, watched.scripts)
            where = f"{visible(place[0])}:{place[1]}: " if place else ""
            lines.append(f"!  {where}exited with {call.status} and made no {call.makes}: {_cut(call.command)}\n")
    return "".join(lines)


def _cut(command: str) -> str:
    command = visible(command)
    return command if len(command) <= _WIDEST else command[: _WIDEST - 1] + "…"


def command_line(argv: Sequence[str], exit_code: int) -> str:
    """Return how the command itself ended."""
    import signal

    ended = f"exited with {exit_code}" if exit_code >= 0 else f"was ended by {signal.Signals(-exit_code).name}"
    return f"The command itself ({visible(argv[0])}) {ended}.\n"
