"""How commands end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Maybe:
    """The status of a command that may succeed or fail."""

    key: str
    """The same for commands that certainly end in the same way."""
    negated: bool = False


Status = int | Maybe


class LeaveError(Exception):
    """The script, a function or a loop is left."""

    def __init__(self, kind: str, status: int = 0, levels: int = 1) -> None:
        """Take which command leaves it (exit, return, break, continue), its status, and how many loops it leaves."""
        super().__init__(kind)
        self.kind = kind
        self.status = status
        self.levels = levels


def negated(status: Status) -> Status:
    """Return the status of `! command`."""
    if isinstance(status, Maybe):
        return Maybe(status.key, not status.negated)
    return int(status == 0)
