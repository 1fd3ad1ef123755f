"""The command line: options become an order, the order becomes a job, and the job is run or printed as a script.

Commands import what they need when they run: `--help` must not wait for `sh`.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import resource
import signal
import sys
from importlib import import_module
from typing import NoReturn

import click

from opensslgen import __version__
from opensslgen.errors import Error

from .failure import Failure

COMMANDS = {
    "server": ("make.server", "Issue a certificate for a server."),
    "client": ("make.client", "Issue a certificate for a client: a SIP phone or a person."),
    "self-signed": ("make.self_signed", "Make a self-signed certificate for a server."),
    "root": ("make.root", "Make a root certificate and its key."),
    "intermediate": ("make.intermediate", "Issue a certificate for an intermediate CA."),
    "adopt": ("adopt.adopt", "Take over an existing root or intermediate CA."),
    "sign": ("sign.sign", "Sign a certificate request (CSR) that was made elsewhere."),
    "renew": ("renew.renew", "Renew certificates."),
    "trust": ("trust.trust", "Write the files that devices need to trust the root."),
    "batch": ("batch.batch", "Issue the certificates that an inventory lists."),
    "list": ("browse.list_", "List the certificates in a pki folder."),
    "show": ("browse.show", "Explain a certificate and which devices accept it."),
    "revoke": ("revoke.revoke", "Revoke a certificate."),
    "crl": ("revoke.crl", "Make the certificate revocation list (CRL)."),
    "passwd": ("revoke.passwd", "Change, set or remove the passphrase of the root's key."),
    "export": ("export.export", "Export a certificate for a server or an appliance."),
    "web": ("web.web", "Start the web interface."),
    "audit": ("audit.audit", "Check certificates, configs, scripts and servers."),
    "run": ("run.run", "Run your own script, and check the certificates it makes."),
    "rules": ("audit.rules", "List the rules that certificates are checked against."),
    "patch": ("patch.patch", "Patch gen_certs.sh so that iPhones accept its certificates."),
    "ext": ("patch.ext", "Print the extension section for a vendor's script."),
    "script": ("script.script", "Print a script for machines without Python, or for cron."),
    "ansible": ("ansible.ansible", "Write the Ansible collection for many appliances."),
    "doctor": ("doctor.doctor", "Check openssl, the pki folder and the clock of this machine."),
    "completion": ("completion.completion", "Print the completion script for a shell."),
}
"""The commands, the most used first: module and function in this package, and the first sentence of its help.

The sentences stand here so that `--help` need not import all commands, which would take as long as importing click.
"""


class _Commands(click.Group):
    """Imports a command when it is called; the one place where an Error becomes a message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name][0].split(".")
        command = getattr(import_module(f".{module}", __package__), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except Error as error:
            raise Failure(error) from error


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
    # What a command allocates is freed when it ends: looking for cycles would take a twentieth of its time.
    gc.set_threshold(100_000, 50, 50)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks ✓ is no reason to fail when the work is done.
            stream.reconfigure(errors="replace")
    try:
        cli(prog_name="opensslgen")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        Failure(Error(f"cannot write the output: {error.strerror}")).show()
        # Drop the buffered output: Python would try to write it at the end, and exit with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    sys.exit(0)  # not reached: click exits
