"""An error, printed once, with what to do about it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from opensslgen.errors import Error

_ANYWAY = {"adopt": "adopt it", "trust": "use it", "ext": "print it"}
"""The action of commands that issue nothing."""


class Failure(click.ClickException):
    """An Error, printed on stderr as click prints its own."""

    def __init__(self, error: Error, *, as_json: bool = False) -> None:
        """Take the error; with `as_json` it is also printed on stdout, for the program that asked for JSON."""
        super().__init__(error.message)
        self._as_json = as_json
        self.error = error
        context = click.get_current_context(silent=True)
        # The context of a group has the name of the command that was called.
        self._command = context and (context.invoked_subcommand or context.info_name)

    @property
    def exit_code(self) -> int:  # type: ignore[override] # click reads it once, from here
        """The exit code of the error."""
        return self.error.exit_code

    def show(self, file: IO[str] | None = None) -> None:
        """Print the error, the broken rules, and what to do."""
        from opensslgen.jobs.job import Violation
        from opensslgen.report.made import findings_text
        from opensslgen.text import visible_lines

        if self._as_json:
            self._print_json()
        # Paths and the output of openssl may contain text of others.
        click.echo(f"Error: {visible_lines(self.error.message)}", err=True, file=file)
        if isinstance(self.error, Violation):
            click.echo(findings_text(self.error.findings), err=True, nl=False, file=file)
            ids = dict.fromkeys(finding.rule.id for finding in self.error.findings)
            anyway = _ANYWAY.get(self._command or "", "issue it")
            click.echo(f"Hint: to {anyway} anyway, add {' '.join(f'--allow {rule}' for rule in ids)}", err=True)
        if self.error.hint:
            click.echo(f"Hint: {visible_lines(self.error.hint)}", err=True, file=file)

    def _print_json(self) -> None:
        from opensslgen.jobs.job import Violation
        from opensslgen.report.made import violation_json

        from .say import print_json

        answer = violation_json(self.error) if isinstance(self.error, Violation) else {"error": self.error.message}
        print_json({**answer, "hint": self.error.hint, "exit_code": self.exit_code})
