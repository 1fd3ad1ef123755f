"""The totals of an audit, and its exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import MOST_PRINTED
from opensslgen.rules.rule import ERROR, NOTE, WARNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opensslgen.audit.result import Result
    from opensslgen.rules.rule import Finding

RANKS = {ERROR: 0, WARNING: 1, NOTE: 2}
"""The severities, worst first."""

COMPLIES, VIOLATES, UNREADABLE, KEY = "complies", "violates", "unreadable", "key"


class Tally(NamedTuple):
    """How many results there are of each verdict, and findings of each severity."""

    complies: int = 0
    violates: int = 0
    unreadable: int = 0
    """How many cannot be read, or cannot be told."""
    errors: int = 0
    warnings: int = 0
    notes: int = 0
    keys: int = 0
    """Private keys without a certificate, of which only who can read them is judged."""
    unknown: int = 0
    """How many of the unreadable were read, but do not say what a rule needs to know."""

    @property
    def results(self) -> int:
        """How many results there are of all verdicts."""
        return self.complies + self.violates + self.unreadable + self.keys

    @property
    def exit_code(self) -> int:
        """2 if anything cannot be read or judged, 1 if anything violates a rule, 2 if there are only keys, else 0."""
        if self.unreadable:
            return 2
        return 1 if self.violates else 2 if self.keys and not self.complies else 0

    def plus(self, other: Tally) -> Tally:
        """Return the sum."""
        return Tally(*map(int.__add__, self, other))


class Entry(NamedTuple):
    """The text of a result, and what it adds to the totals."""

    text: str
    tally: Tally


def verdict(result: Result) -> str:
    """Return "unreadable" (also if undetermined), "violates" if a finding is an error, "key", or "complies"."""
    if result.unreadable is not None:
        return UNREADABLE
    if any(finding.rule.severity == ERROR for finding in result.findings):
        return VIOLATES
    return KEY if result.kind == "key" else COMPLIES


def tally(result: Result) -> Tally:
    """Return what a result adds to the totals."""
    is_a = verdict(result)
    errors, warnings, notes = ([finding.rule.severity for finding in result.findings].count(each) for each in RANKS)
    return Tally(
        complies=is_a == COMPLIES,
        violates=is_a == VIOLATES,
        unreadable=is_a == UNREADABLE,
        errors=errors,
        warnings=warnings,
        notes=notes,
        keys=is_a == KEY,
        unknown=result.is_unknown,
    )


def entry(result: Result, *, write: Callable[[Result], str]) -> Entry:
    """Return the text of a result, by `write`, and what it adds to the totals."""
    text = write(result)
    if len(text) > MOST_PRINTED:
        why = f"more than {MOST_PRINTED >> 20} MiB to print"
        result = replace(result, findings=(), notes=(), certificate=None, path=(), unreadable=why)
        text = write(result)
    return Entry(text, tally(result))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings sorted by severity; those of one severity keep their order."""
    return sorted(findings, key=lambda finding: RANKS[finding.rule.severity])
