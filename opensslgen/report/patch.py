"""Report what was done to a vendor's script, or is missing in it, as text for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from opensslgen.errors import Error
    from opensslgen.gen_certs.patch import Edit, Outcome, Restoration


@dataclass(frozen=True)
class Answer:
    """The report on one script."""

    text: str
    fields: dict[str, object] = field(default_factory=dict)
    """The same for a program."""
    edits: int = 0
    """How many edits were made, or are missing."""


def patched_answer(path: Path, outcome: Outcome, *, diff: str | None = None) -> Answer:
    """Return which edits were made, and where the original is; with a diff, for a script of any kind."""
    edits = outcome.patch.edits
    text = f"{path}: has both edits already\n" if diff is None else f"{path}: complies, so nothing was changed\n"
    if edits and diff is not None:
        text = f"{path}: edited; the original is {outcome.backup}\n{diff}"
    elif edits:
        text = f"{path}: edited; the original is {outcome.backup}\n{_lines((e.line, e.new.strip()) for e in edits)}"
    text += "".join(f"  note: {note}\n" for note in outcome.patch.notes)
    backup = None if outcome.backup is None else str(outcome.backup)
    return Answer(text, {**_fields(path, edits), "backup": backup, "notes": outcome.patch.notes}, len(edits))


def checked_answer(path: Path, edits: tuple[Edit, ...], *, complete: str = "has both edits") -> Answer:
    """Return which edits are missing; `complete` is what there is to say if there are none."""
    state = f"{len(edits)} edit{'s are' if len(edits) > 1 else ' is'} missing" if edits else complete
    text = f"{path}: {state}\n{_lines((edit.line, edit.reason) for edit in edits)}"
    return Answer(text, _fields(path, edits), len(edits))


def diff_answer(path: Path, edits: tuple[Edit, ...], diff: str) -> Answer:
    """Return what would change."""
    return Answer(diff, {**_fields(path, edits), "diff": diff}, len(edits))


def restored_answer(path: Path, outcome: Restoration) -> Answer:
    """Return where the script was restored from."""
    text = f"{path}: restored from {outcome.backup}\n"
    if outcome.kept:
        text += f"  the script that was there is now {outcome.kept}\n"
    return Answer(text, {"file": str(path), "restored_from": str(outcome.backup)})


def failed_answer(path: Path, error: Error) -> Answer:
    """Return why nothing was done; the text is empty, as the error is printed by itself."""
    return Answer("", {"file": str(path), "error": error.message, "hint": error.hint})


def _lines(lines: Iterable[tuple[int, str]]) -> str:
    return "".join(f"  line {line}: {text}\n" for line, text in lines)


def _fields(path: Path, edits: tuple[Edit, ...]) -> dict[str, object]:
    edited = [{"line": edit.line, "old": edit.old, "new": edit.new, "reason": edit.reason} for edit in edits]
    return {"file": str(path), "edits": edited}
