"""Write the outcome of each row of an inventory, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opensslgen.text import rfc3339, visible

if TYPE_CHECKING:
    from opensslgen.batch.wanted import Outcome
    from opensslgen.orders.inventory import Row

HEAD = '{"version": 1, "rows": [\n'


def fault_text(row: Row, title: str) -> str:
    """Return what is wrong with a row of an inventory."""
    name = f", {row.name!a}" if row.name else ""
    return visible(f"{title}, line {row.line}{name}: {row.fault}")


def fault_json(row: Row) -> str:
    """Return the same as an element of the JSON list."""
    from opensslgen.batch.wanted import FAILED, Outcome

    return outcome_json(Outcome(row.line, row.name, FAILED, row.fault or ""))


def faults_text(faults: int, rows: int, title: str) -> str:
    """Return why nothing was issued."""
    errors = "have errors" if faults > 1 else "has an error"
    return f"{faults} of {rows} row{'s' if rows > 1 else ''} of {title} {errors}, so nothing was issued"


def outcome_text(outcome: Outcome, *, quiet: bool) -> str:
    """Return the lines for a certificate that was issued or failed, with its notes; nothing for one that was kept."""
    name = visible(outcome.name)
    if outcome.state == "failed":
        return f"Error: line {outcome.line}, {name}: {visible(outcome.why)}\n"
    if outcome.state == "left" or quiet:
        return ""
    expiry = f", expires {outcome.not_after.date()}" if outcome.not_after else ""
    lines = [f"{name}: {visible(outcome.why)}{expiry}"]
    lines += [f"  note: {visible(note)}" for note in outcome.notes]
    return "\n".join(lines) + "\n"


def outcome_json(outcome: Outcome) -> str:
    """Return an outcome as an element of the JSON list."""
    return json.dumps(
        {
            "line": outcome.line,
            "name": outcome.name,
            "state": outcome.state,
            "why": outcome.why,
            "not_after": outcome.not_after and rfc3339(outcome.not_after),
            "notes": list(outcome.notes),
        }
    )


def tail_text(totals: dict[str, int], *, check: bool) -> str:
    """Return the totals."""
    made = f"{totals['made']} {'to issue' if check else 'issued'}"
    return f"{made}, {totals['left']} unchanged, {totals['failed']} failed\n"


def tail_json(totals: dict[str, int], deployed: list[dict[str, object]] | None = None) -> str:
    """Return the end of the JSON, with the totals, and the deployments if rows ask for any."""
    more = {} if deployed is None else {"deployed": deployed}
    return f"\n], {json.dumps({**totals, **more})[1:-1]}}}\n"
