"""Write an audit as one line for Nagios, Icinga and others (Monitoring Plugins Development Guidelines)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opensslgen.rules.rule import ERROR, WARNING
from opensslgen.text import visible

from .tally import KEY, verdict, worst_first

if TYPE_CHECKING:
    from datetime import datetime

    from opensslgen.audit.result import Result

NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""The states, by their exit codes."""
_WORSE = (0, 1, 3, 2)
"""From good to bad: CRITICAL is worse than UNKNOWN."""


class Status(NamedTuple):
    """The state of one result, or of the worst of many."""

    state: int = 0
    message: str = ""
    days: int | None = None
    """Whole days until the certificate expires, or the first one of many."""
    results: int = 0

    def plus(self, other: Status) -> Status:
        """Return the combined state."""
        days = [each for each in (self.days, other.days) if each is not None]
        worst = max(self, other, key=Status._badness)
        return Status(worst.state, worst.message, min(days, default=None), self.results + other.results)

    def _badness(self) -> tuple[bool, int, float]:
        return bool(self.results), _WORSE[self.state], -float("inf") if self.days is None else -self.days


def status(result: Result, *, at: datetime, warning: int | None, critical: int | None) -> Status:
    """Return the state of a result; fewer days than `warning` or `critical` are that state."""
    days = (result.certificate.not_after - at).days if result.certificate else None
    where = result.target + (f":{result.line}" if result.line else "")
    if verdict(result) == KEY and not result.findings:
        return Status(0, f"{where}: a private key, not a certificate")  # it has no verdict
    doubt = "cannot be told" if result.is_unknown else "cannot be read"
    left = f"{days} days left" if days is not None else "complies" if result.unreadable is None else f"the rest {doubt}"
    findings = worst_first(result.findings)
    severities = {finding.rule.severity for finding in findings}
    state = 2 if ERROR in severities else 1 if WARNING in severities else 0
    message = f"{findings[0]}, {left}" if state else left
    if result.unreadable is not None and state < 2:
        return Status(3, f"{where}: {doubt}: {result.unreadable}", days, 1)
    if days is not None:
        state = max(state, 2 if critical is not None and days < critical else 0)
        state = max(state, 1 if warning is not None and days < warning else 0)
    return Status(state, f"{where}: {message}", days, 1)


def nagios_line(worst: Status, *, warning: int | None, critical: int | None) -> str:
    """Return the line for the worst result, with the fewest days left as performance data."""
    if not worst.results:
        worst = Status(3, "nothing found to check")
    # Text after a bar would be performance data.
    message = visible(worst.message).replace("|", "¦")
    among = f" (worst of {worst.results})" if worst.results > 1 else ""
    limits = ";".join("" if limit is None else f"{limit}:" for limit in (warning, critical))
    data = f" | days_left={worst.days};{limits}" if worst.days is not None else ""
    return f"CERTIFICATES {NAMES[worst.state]} - {message}{among}{data}\n"


def state_of(worst: Status) -> int:
    """Return the exit code: 0, 1, 2 or, if there are no results, 3."""
    return worst.state if worst.results else 3
