"""How commands end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Maybe:
    """The status of a command that may succeed or fail."""

    key: str
    """The same name for commands that certainly have the same status."""
    negated: bool = False


Status = int | Maybe


class LeaveError(Exception):
    """A command leaves the script, a function or a loop."""

    def __init__(self, kind: str, status: int = 0, levels: int = 1) -> None:
        """Take the command (exit, return, break, continue), its status, and the number of loops that it leaves."""
        super().__init__(kind)
        self.kind = kind
        self.status = status
        self.levels = levels


def negate(status: Status) -> Status:
    """Return the status of `! command`."""
    if isinstance(status, Maybe):
        return Maybe(status.key, not status.negated)
    return int(status == 0)
