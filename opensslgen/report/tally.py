"""The totals of an audit, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opensslgen.rules.rule import ERROR, NOTE, WARNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opensslgen.audit.result import Result
    from opensslgen.rules.rule import Finding

RANKS = {ERROR: 0, WARNING: 1, NOTE: 2}
"""The severities, worst first."""

COMPLIES, VIOLATES, UNREADABLE, KEY = "complies", "violates", "unreadable", "key"


class Tally(NamedTuple):
    """How many results there are of each kind, and findings of each severity."""

    complies: int = 0
    violates: int = 0
    unreadable: int = 0
    errors: int = 0
    warnings: int = 0
    notes: int = 0
    keys: int = 0
    """Private keys without a certificate, of which no more is judged than who can read them."""

    @property
    def results(self) -> int:
        """How many things were judged or could not be read."""
        return self.complies + self.violates + self.unreadable + self.keys

    @property
    def exit_code(self) -> int:
        """2 if anything could not be read, else 1 if anything violates a rule, else 0; 2 for nothing but keys."""
        if self.unreadable:
            return 2
        return 1 if self.violates else 2 if self.keys and not self.complies else 0

    def plus(self, other: Tally) -> Tally:
        """Return the sum."""
        return Tally(*map(int.__add__, self, other))


class Entry(NamedTuple):
    """A result as it is written."""

    text: str
    tally: Tally


def verdict(result: Result) -> str:
    """Return "unreadable", "violates" if it has a finding that is an error, "key" for a private key, or "complies"."""
    if result.unreadable is not None:
        return UNREADABLE
    if any(finding.rule.severity == ERROR for finding in result.findings):
        return VIOLATES
    return KEY if result.kind == "key" else COMPLIES


def tally(result: Result) -> Tally:
    """Return what one result adds to the totals."""
    is_a = verdict(result)
    severities = [finding.rule.severity for finding in result.findings]
    counts = (severities.count(severity) for severity in RANKS)
    return Tally(is_a == COMPLIES, is_a == VIOLATES, is_a == UNREADABLE, *counts)._replace(keys=is_a == KEY)


def entry(result: Result, *, write: Callable[[Result], str]) -> Entry:
    """Return a result as `write` writes it, with what it adds to the totals."""
    return Entry(write(result), tally(result))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by severity, and within one severity in their order."""
    return sorted(findings, key=lambda finding: RANKS[finding.rule.severity])
