"""The errors that users can mend; anything else is a bug and keeps its traceback."""

from __future__ import annotations


class Error(Exception):
    """What went wrong, in which file, in lower case; the faces print it once and exit with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Take the message and, only when it is sure, a hint that says what to do."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(Error):
    """What was asked for cannot be done: a bad name, option or combination."""

    exit_code = 2


class UnreadableError(Error):
    """An input that cannot be read or decoded, and so is never called good."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None, line: int | None = None) -> None:
        """Take what `Error` takes, and the line that it is about, from 1; the message does not repeat the line."""
        super().__init__(message if line is None else f"line {line}: {message}", hint=hint)
        self.line = line
