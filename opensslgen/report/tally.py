"""The totals of an audit, and its exit code."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import MOST_PRINTED
from opensslgen.rules.rule import ERROR, NOTE, WARNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from opensslgen.audit.result import Result
    from opensslgen.openssl.command import OpenSSL
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


def tally_folder(folder: Path, openssl: OpenSSL, *, jobs: int | None = None) -> Tally:
    """Audit a pki folder by the default rules, and return the totals; `jobs` are the processes that do it."""
    from opensslgen.audit.chosen import chosen_rules
    from opensslgen.audit.result import Settings
    from opensslgen.audit.targets import map_audit

    chosen = chosen_rules()
    now = datetime.now(timezone.utc).replace(microsecond=0)
    settings = Settings(rules=chosen.rules, rules_by_kind=chosen.by_kind, at=now, openssl=lambda: openssl, jobs=jobs)
    return functools.reduce(Tally.plus, map_audit([str(folder)], settings, then=tally), Tally())


def about_folder(audited: Tally) -> str:
    """Return the totals of the audit of a pki folder, as words in a sentence."""
    unclear = f", {audited.unreadable} cannot be read or judged" if audited.unreadable else ""
    return f"in its audit, {audited.complies} files comply, {audited.violates} violate the rules{unclear}"
