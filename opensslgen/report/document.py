"""Write an audit as JSON, which schema/audit.schema.json describes.

It is pure ASCII, as JSON escapes all other characters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opensslgen.text import rfc3339

from .made import certificate_json, finding_json
from .tally import Tally, verdict, worst_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from opensslgen.audit.result import Result


VERSION = 1
"""Increases when a field is removed or changes its meaning; fields may be added at any time."""


def json_head(
    *, version: str, at: datetime, profiles: Sequence[str], command: Mapping[str, object] | None = None
) -> str:
    """Return the text before the results; `command` is what was run and watched."""
    head = {
        "version": VERSION,
        "generator": {"name": "opensslgen", "version": version},
        "at": rfc3339(at),
        "profiles": list(profiles),
        **({"command": command} if command else {}),
    }
    return json.dumps(head)[:-1] + ', "results": [\n'


def json_entry(result: Result, *, at: datetime) -> str:
    """Return a result on one line."""
    return json.dumps(_result_json(result, at))


def _result_json(result: Result, at: datetime) -> dict[str, object]:
    certificate = result.certificate
    return {
        "target": result.target,
        "kind": result.kind,
        "line": result.line,
        "verdict": verdict(result),
        "unreadable": result.unreadable,
        "unknown": result.is_unknown,
        "findings": [finding_json(finding) | {"line": finding.line} for finding in worst_first(result.findings)],
        "notes": list(result.notes),
        "certificate": certificate and certificate_json(certificate),
        "days_left": (certificate.not_after - at).days if certificate else None,
        **({"origin": result.origin._asdict()} if result.origin else {}),
    }


def json_tail(tally: Tally) -> str:
    """Return the text after the results."""
    totals = {"results": tally.results, **tally._asdict()}
    return f'\n], "totals": {json.dumps(totals)}, "exit_code": {tally.exit_code}}}\n'
