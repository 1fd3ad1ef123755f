"""The command line: options become an order, a job is made of it, and run or printed as a script.

Commands import what they need when they run: `--help` must not wait for `sh`.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from opensslgen import __version__
from opensslgen.errors import Error

COMMANDS = {
    "server": "make.server",
    "client": "make.client",
    "self-signed": "make.self_signed",
    "root": "make.root",
    "intermediate": "make.intermediate",
    "adopt": "adopt.adopt",
    "sign": "sign.sign",
    "renew": "renew.renew",
    "trust": "trust.trust",
    "batch": "batch.batch",
    "list": "browse.list_",
    "show": "browse.show",
    "revoke": "revoke.revoke",
    "crl": "revoke.crl",
    "passwd": "revoke.passwd",
    "export": "export.export",
    "web": "web.web",
    "audit": "audit.audit",
    "rules": "audit.rules",
    "patch": "patch.patch",
    "ext": "patch.ext",
    "script": "script.script",
    "ansible": "ansible.ansible",
    "doctor": "machine.doctor",
    "completion": "machine.completion",
}
"""The commands in the order of need, each with its module and function here, imported when it is used."""


class Failure(click.ClickException):
    """An Error, said once, on stderr."""

    def __init__(self, error: Error) -> None:
        """Take the error."""
        super().__init__(error.message)
        self.error = error

    @property
    def exit_code(self) -> int:  # type: ignore[override] # click reads it once, from here
        """That of the error."""
        return self.error.exit_code

    def show(self, file: Any = None) -> None:
        """Print the error, the rules that were broken, and what to do."""
        from opensslgen.jobs.job import Violation
        from opensslgen.report.made import findings_text
        from opensslgen.text import visible_lines

        # A path comes from whoever made the file, and what openssl says holds what it has read.
        click.echo(f"Error: {visible_lines(self.error.message)}", err=True, file=file)
        if isinstance(self.error, Violation):
            click.echo(findings_text(self.error.findings), err=True, nl=False)
            ids = dict.fromkeys(finding.rule.id for finding in self.error.findings)
            click.echo(f"Hint: {' '.join(f'--allow {rule}' for rule in ids)} makes it all the same", err=True)
        if self.error.hint:
            click.echo(f"Hint: {visible_lines(self.error.hint)}", err=True)


class _Commands(click.Group):
    """Imports a command when it is asked for; the one place where an Error becomes a message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(".")
        command = getattr(import_module(f".{module}", __package__), function)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Error as error:
            raise Failure(error) from error

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            Failure(Error(f"cannot write the answer: {error.strerror}")).show()
            # What waits to be written is given up; Python would try once more at the end, and exit with 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="opensslgen")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Make TLS certificates that iPhones accept, by openssl commands that you can read and run.

    \b
    opensslgen server pbx.example.com --san IP:10.0.0.5     a root, if there is none, and a certificate
    opensslgen server pbx.example.com --script              print the same as a shell script
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> NoReturn:
    """Run the command line; a plain kill or a lost terminal cleans up like Ctrl-C, and no crash leaves a passphrase."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no ✓ is no reason to fail after all is done.
            stream.reconfigure(errors="replace")
    cli(prog_name="opensslgen")
    sys.exit(0)  # not reached: click exits
