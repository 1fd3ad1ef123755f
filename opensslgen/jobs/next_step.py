"""The step that a pki folder needs next."""

from __future__ import annotations

from typing import NamedTuple

from opensslgen.pki.survey import Survey, crl_fault

from .due import due

DAYS = 30
"""What expires within so many days is due."""


class NextStep(NamedTuple):
    """What to do next, and why."""

    why: str
    arguments: tuple[str, ...]
    """Those of the opensslgen command that does it."""


def next_step(survey: Survey | None) -> NextStep:
    """Return the most urgent step for a folder, None for a folder that does not exist yet."""
    root = survey.root() if survey else None
    if survey is None or root is None:
        return NextStep("There is no certificate authority yet.", ("root", "--cn", "Example Ltd CA"))
    if root.state == "?":
        return NextStep(f"The CA's certificate cannot be read: {root.copy.fault}", ("audit", str(survey.folder.path)))
    if any(True for _ in due(survey, days=DAYS, now=survey.at)):
        return NextStep(f"Certificates expire within {DAYS} days, or have expired.", ("renew", "--within", str(DAYS)))
    fault = crl_fault(survey)
    if fault:
        return NextStep(fault, ("crl",))
    if not survey.current:
        return NextStep("There is a CA, and no certificate yet.", ("server", "pbx.example.com"))
    count = len(survey.current)
    in_use = f"{count} certificates are in use, and none is" if count > 1 else "1 certificate is in use, and it is not"
    return NextStep(f"{in_use} due for renewal.", ("trust",))
