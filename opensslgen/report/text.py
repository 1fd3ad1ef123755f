"""Write an audit as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.rules.rule import ERROR, NOTE, WARNING
from opensslgen.text import visible

from .tally import COMPLIES, KEY, UNREADABLE, VIOLATES, verdict, worst_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensslgen.audit.result import Result

    from .tally import Tally

_COLOURS = {ERROR: 31, WARNING: 33, NOTE: 36, COMPLIES: 32, VIOLATES: 31, UNREADABLE: 35, KEY: 36}
"""Red, yellow, cyan, green and magenta, as terminals number them."""
_WORDS = {
    COMPLIES: "complies",
    VIOLATES: "violates the rules",
    UNREADABLE: "cannot be read",
    KEY: "a private key, not a certificate",
}
_UNKNOWN = "cannot be told"


def text_entry(result: Result, *, colour: bool = False, quiet: bool = False, many: Sequence[str] = ()) -> str:
    """Return the verdict on a result, and its findings, worst first; with `quiet`, only if it does not comply.

    `many` are targets with many results, such as folders: of these, what complies without a warning is left out.
    """
    is_a = verdict(result)
    has_warning = any(finding.rule.severity != NOTE for finding in result.findings)
    if is_a in (COMPLIES, KEY) and (quiet or (_is_in(result.target, many) and not has_warning)):
        return ""
    where = visible(result.target) + (f":{result.line}" if result.line else "")
    lines = [f"{where}: {_paint(verdict_words(result), is_a, colour)}{_about(result)}"]
    if result.unreadable is not None:
        lines.append(f"  {visible(result.unreadable)}")
    for finding in worst_first(result.findings):
        severity = finding.rule.severity
        line = f"line {finding.line}: " if finding.line else ""
        lines += [
            f"  {_paint(severity, severity, colour)}: {line}{visible(finding.message)} [{finding.rule.id}]",
            f"    {finding.rule.reason} ({finding.rule.citation})",
        ]
    lines += [f"  {visible(note)}" for note in result.notes]
    return "\n".join(lines) + "\n"


def verdict_words(result: Result) -> str:
    """Return the verdict as people read it, such as "violates the rules"."""
    return _UNKNOWN if result.is_unknown else _WORDS[verdict(result)]


def _is_in(target: str, many: Sequence[str]) -> bool:
    return any(target == each or target.startswith(each if each.endswith("/") else f"{each}/") for each in many)


def _about(result: Result) -> str:
    certificate = result.certificate
    if certificate is None:
        return ""
    subject = visible(certificate.subject.common_name or (str(certificate.names[0]) if certificate.names else ""))
    return f" ({f'{subject}, ' if subject else ''}expires {certificate.not_after.date()})"


def _paint(text: str, kind: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if colour else text


def text_tail(tally: Tally, *, is_brief: bool = False) -> str:
    """Return the totals; `is_brief`: what complies may have been left out."""
    if not tally.results:
        return "nothing found to check\n"
    verdicts = f"{tally.complies} of {tally.results} comply, {tally.violates} violate the rules"
    for number, words in ((tally.unreadable - tally.unknown, _WORDS[UNREADABLE]), (tally.unknown, _UNKNOWN)):
        verdicts += f", {number} {words}" if number else ""
    if tally.keys:
        verdicts += f", {tally.keys} {'is a private key' if tally.keys == 1 else 'are private keys'}"
    counts = ", ".join(
        f"{count} {what}{'' if count == 1 else 's'}"
        for what, count in ((ERROR, tally.errors), (WARNING, tally.warnings), (NOTE, tally.notes))
    )
    more = "; -v also lists what complies, and what could not be checked of it" if is_brief else ""
    return f"{verdicts}: {counts}{more}\n"
