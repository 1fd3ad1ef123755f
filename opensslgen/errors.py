"""Errors that users can correct; anything else is a bug and keeps its traceback."""

from __future__ import annotations


class Error(Exception):
    """What went wrong, in which file, in lower case; the user interfaces print it once, and exit with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Take the message and, only if it is sure to help, a hint that says what to do."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(Error):
    """The request cannot be fulfilled: a wrong name, option or combination."""

    exit_code = 2


class UnreadableError(Error):
    """An input cannot be read or decoded, so it is never called good."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, line: int | None = None) -> None:
        """Take what `Error` takes, and the line in question, from 1; leave the line out of the message."""
        super().__init__(message if line is None else f"line {line}: {message}", hint=hint)
        self.line = line
