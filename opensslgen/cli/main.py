"""The command line: options become an order, the order becomes a job, and the job is run or printed as a script.

Commands import what they need when they run: `--help` must not wait for `sh`.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import sys
import time
from importlib import import_module
from typing import NoReturn

import click

from opensslgen import __version__
from opensslgen.errors import Error

from .failure import Failure

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
    "run": "run.run",
    "rules": "audit.rules",
    "patch": "patch.patch",
    "ext": "patch.ext",
    "script": "script.script",
    "ansible": "ansible.ansible",
    "doctor": "doctor.doctor",
    "completion": "completion.completion",
}
"""The commands, the most used first, each with its module and function in this package."""


class _Commands(click.Group):
    """Imports a command when it is called; the one place where an Error becomes a message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(".")
        command = getattr(import_module(f".{module}", __package__), function)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            _refuse_late_clock()
            return super().invoke(ctx)
        except Error as error:
            raise Failure(error) from error


def _refuse_late_clock() -> None:
    """Raise Error in a year to which no days can be added, neither in Python nor in a certificate."""
    try:
        is_late = time.time() > _LATEST
    except OverflowError:  # after 2262
        is_late = True
    if is_late:
        raise Error("the clock of this machine says that it is after the year 2200", hint="set the clock")


_LATEST = 230 * 365.2425 * 86400  # seconds since 1970


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="opensslgen")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Issue TLS certificates that iPhones and other strict clients accept, for appliances whose built-in certificates
    they reject. The work is done by openssl commands that you can read and run.

    \b
    opensslgen server pbx.example.com --san IP:10.0.0.5     a certificate, and a root if there is none yet
    opensslgen server pbx.example.com --script              print a shell script that does the same
    """  # noqa: D205 - two short sentences
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> NoReturn:
    """Run the command line; SIGTERM and SIGHUP clean up like Ctrl-C, and a crash dumps no core with a passphrase."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks ✓ is no reason to fail when the work is done.
            stream.reconfigure(errors="replace")
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # until here, it ended the process
    try:
        cli(prog_name="opensslgen")
    except KeyboardInterrupt:
        os.write(2, b"\nAborted!\n")
        sys.exit(1)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            # Without click, as it might have to open a file for this.
            os.write(2, f"Error: {error.strerror}: allow more with ulimit -n\n".encode())
            sys.exit(1)
        if error.errno != errno.ENOSPC:
            raise
        Failure(Error(f"cannot write the output: {error.strerror}")).show()
        # Drop the buffered output: Python would try to write it at the end, and exit with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    sys.exit(0)  # not reached: click exits
