"""Write why a phone refuses a server, as one screen for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.rules.rule import ERROR
from opensslgen.suggest import suggest
from opensslgen.text import listed, utc, visible, visible_lines
from opensslgen.trust.devices import DEVICES
from opensslgen.trust.mobileconfig import title
from opensslgen.trust.pages import steps

from .made import certificate_json, finding_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from opensslgen.audit.result import Result
    from opensslgen.audit.why import Cause, Why
    from opensslgen.x509.certificate import Certificate

_MOST = 4
"""Causes that fit on a screen."""
_MOST_NAMES = 6
_IPHONE = DEVICES[0]


def why_text(answer: Why, *, pki: Path, at: datetime) -> str:
    """Return the causes, the most likely one first, each with what to do, and then what the server sends."""
    good = f"{answer.target}: no fault was found in what the server sends"
    lines = list(_causes(answer)) if answer.causes else [good]
    if not answer.is_refused and answer.root is not None and answer.is_own_root:
        lines += _on_the_phone(answer.root, pki)
    for result in answer.results:
        if result.certificate is not None:
            lines += ["", *_sent(result, answer, result.certificate, pki=pki, at=at)]
    return visible_lines("\n".join(lines)) + "\n"


def _causes(answer: Why) -> Iterator[str]:
    first, *others = answer.causes
    if not answer.is_refused:
        yield f"{answer.target}: phones may refuse it: {_one_line(first)}"
    else:
        yield f"{answer.target}: {_one_line(first)}"
    yield from _steps(first)
    shown = {first.steps}
    for number, cause in enumerate(others[: _MOST - 1]):
        yield from ([] if number else ["Also:"])
        yield f"  {'' if cause.severity == ERROR else 'may matter: '}{_one_line(cause)}"
        if cause.steps not in shown:
            yield from _steps(cause)
        shown.add(cause.steps)
    if len(others) >= _MOST:
        yield f"and {len(others) - _MOST + 1} more: {suggest('audit', answer.target)}"


def _one_line(cause: Cause) -> str:
    where = f" (at {', '.join(cause.where)})" if cause.where else ""
    return visible(f"{cause.what}{where}")


def _steps(cause: Cause) -> Iterator[str]:
    for number, step in enumerate(cause.steps):
        yield f"  {'to fix it:' if not number else 'then:':<11}{visible(step)}"


def _on_the_phone(root: Certificate, pki: Path) -> Iterator[str]:
    yield "If an iPhone still refuses it, one of these steps may be missing; two of them are hidden in its settings:"
    for number, step in enumerate(steps(_IPHONE, root), 1):
        yield f"  {number}. {step}"
    yield f"To give the root to the phone: {suggest('trust', '--share', pki=pki)}"


def _sent(result: Result, answer: Why, certificate: Certificate, *, pki: Path, at: datetime) -> Iterator[str]:
    """Return what one address sends, line by line."""
    names = [str(name) for name in certificate.names]
    left = (certificate.not_after - at).days
    answered = result.answer
    rows = [
        ("root", _root(answer, pki)),
        ("names", listed(names, _MOST_NAMES) or "none"),
        (
            "valid",
            f"{utc(certificate.not_before, 'minutes')} to {utc(certificate.not_after, 'minutes')}:"
            f" {certificate.validity.days} days, {left} left",
        ),
        ("usage", ", ".join(certificate.extended_key_usage or ()) or "no extended key usage"),
        ("connection", f"{answered.protocol}, {answered.cipher}" if answered and answered.protocol else "not known"),
        ("clock", f"{utc(at, 'minutes')} on this machine"),
    ]
    yield f"{result.target}:"
    for note in result.notes:
        yield f"  {'' if note == result.sent else 'note: '}{note}"
    for what, text in rows:
        yield f"  {what:<11}{text}"
    yield "  unchecked  revocation at public CAs, and whether phones trust a public root"


def _root(answer: Why, pki: Path) -> str:
    if answer.root is None:
        return "not known"
    return f"{title(answer.root)}, {f'of {pki}' if answer.is_own_root else f'not of {pki}'}"


def why_json(answer: Why) -> dict[str, object]:
    """Return the same for a program."""
    return {
        "target": answer.target,
        "refused": answer.is_refused,
        "causes": [
            {
                "id": cause.id,
                "severity": cause.severity,
                "what": cause.what,
                "where": list(cause.where),
                "steps": list(cause.steps),
            }
            for cause in answer.causes
        ],
        "root": certificate_json(answer.root) if answer.root else None,
        "own_root": answer.is_own_root,
        "addresses": [_address_json(result) for result in answer.results],
    }


def _address_json(result: Result) -> dict[str, object]:
    answered = result.answer
    return {
        "target": result.target,
        "unreadable": result.unreadable,
        "protocol": answered.protocol if answered else None,
        "cipher": answered.cipher if answered else None,
        "certificate": certificate_json(result.certificate) if result.certificate else None,
        "chain": [str(each.subject) for each in result.path],
        "findings": [finding_json(finding) for finding in result.findings],
        "notes": list(result.notes),
    }
