"""What became of the rows of an inventory, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opensslgen.text import visible

if TYPE_CHECKING:
    from opensslgen.batch.wanted import Outcome

HEAD = '{"version": 1, "rows": [\n'


def outcome_text(outcome: Outcome, *, quiet: bool) -> str:
    """Return a line for what was made or failed, with its notes; nothing for what was left alone."""
    name = visible(outcome.name)
    if outcome.state == "failed":
        return f"Error: line {outcome.line}, {name}: {visible(outcome.why)}\n"
    if outcome.state == "left" or quiet:
        return ""
    ends = f", until {outcome.not_after:%Y-%m-%d}" if outcome.not_after else ""
    lines = [f"{name}: {visible(outcome.why)}{ends}"]
    lines += [f"  note: {visible(note)}" for note in outcome.notes]
    return "\n".join(lines) + "\n"


def outcome_json(outcome: Outcome) -> str:
    """Return one element of the JSON's list."""
    return json.dumps(
        {
            "line": outcome.line,
            "name": outcome.name,
            "state": outcome.state,
            "why": outcome.why,
            "not_after": outcome.not_after and f"{outcome.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "notes": list(outcome.notes),
        }
    )


def tail_text(totals: dict[str, int], *, check: bool) -> str:
    """Return the sum."""
    made = f"{totals['made']} {'to be made' if check else 'made'}"
    return f"{made}, {totals['left']} left alone, {totals['failed']} failed\n"


def tail_json(totals: dict[str, int]) -> str:
    """Return the end of the JSON, with the sum."""
    return f"\n], {json.dumps(totals)[1:-1]}}}\n"
