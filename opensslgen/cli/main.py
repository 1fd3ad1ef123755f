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
from itertools import pairwise
from typing import NoReturn

import click

from opensslgen import __version__
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.suggest import forget_options, is_archive
from opensslgen.text import meant, quote, visible

from .failure import Failure
from .say import print_json

GROUPS = {
    "Create": {
        "server": ("make.server", "Issue a certificate for a server."),
        "client": ("make.client", "Issue a certificate for a client: a SIP phone or a person."),
        "sign": ("sign.sign", "Sign a certificate request (CSR) that was made elsewhere."),
        "batch": ("batch.batch", "Issue the certificates that an inventory lists."),
        "self-signed": ("make.self_signed", "Make a self-signed certificate for a server."),
        "root": ("make.root", "Make a root certificate and its key."),
        "intermediate": ("make.intermediate", "Issue a certificate for an intermediate CA."),
        "adopt": ("adopt.adopt", "Take over an existing root or intermediate CA."),
        "web": ("web.web", "Start the web interface."),
    },
    "Maintain": {
        "list": ("browse.list_", "List the certificates in a pki folder."),
        "show": ("browse.show", "Explain a certificate and which devices accept it."),
        "renew": ("renew.renew", "Renew certificates."),
        "export": ("export.export", "Export a certificate for a server or an appliance."),
        "revoke": ("revoke.revoke", "Revoke a certificate."),
        "crl": ("revoke.crl", "Make the certificate revocation list (CRL)."),
        "passwd": ("revoke.passwd", "Change, set or remove the passphrase of the root's key."),
        "backup": ("backup.backup", "Back up the CA: the whole pki folder in one encrypted file."),
        "restore": ("backup.restore", "Restore a CA from a backup."),
    },
    "Phones": {
        "trust": ("trust.trust", "Write the files that devices need to trust the root."),
    },
    "Check": {
        "why": ("why.why", "Find out why a phone refuses a server."),
        "audit": ("audit.audit", "Check certificates, configs, scripts and servers."),
        "run": ("run.run", "Run your own script, and check the certificates it makes."),
        "rules": ("audit.rules", "List the rules that certificates are checked against."),
        "doctor": ("doctor.doctor", "Check openssl, the pki folder and the clock of this machine."),
    },
    "Elsewhere": {
        "deploy": ("deploy.deploy", "Install a certificate on a server or an appliance."),
        "script": ("script.script", "Print a script for machines without Python, or for cron."),
        "patch": ("patch.patch", "Patch gen_certs.sh so that iPhones accept its certificates."),
        "ext": ("patch.ext", "Print the extension section for a vendor's script."),
        "ansible": ("ansible.ansible", "Write the Ansible collection for many appliances."),
        "help": ("help.help_", "Show a page of the manual, or the help of a command."),
        "completion": ("completion.completion", "Print the completion script for a shell."),
    },
}
"""The commands by group, the most used first: module and function in this package, and the first sentence of its help.

The sentences stand here so that `--help` need not import all commands, which takes as long as importing click.
"""
COMMANDS = {name: where for commands in GROUPS.values() for name, (where, _) in commands.items()}

_EASY_RSA, _MKCERT, _STEP = "easy-rsa", "mkcert", "step"
_FOREIGN = {
    "init-pki": (_EASY_RSA, "root"),
    "build-ca": (_EASY_RSA, "root"),
    "build-server-full": (_EASY_RSA, "server NAME"),
    "build-client-full": (_EASY_RSA, "client NAME"),
    "build-serverClient-full": (_EASY_RSA, "server NAME"),
    "gen-req": (_EASY_RSA, "server NAME --csr-only"),
    "sign-req": (_EASY_RSA, "sign FILE"),
    "gen-crl": (_EASY_RSA, "crl"),
    "revoke-issued": (_EASY_RSA, "revoke NAME"),
    "revoke-expired": (_EASY_RSA, "revoke SERIAL"),
    "revoke-renewed": (_EASY_RSA, "revoke SERIAL"),
    "show-cert": (_EASY_RSA, "show NAME"),
    "show-ca": (_EASY_RSA, "show ca"),
    "show-crl": (_EASY_RSA, "audit pki/crl.pem"),
    "show-expire": (_EASY_RSA, "list --within 90"),
    "show-revoke": (_EASY_RSA, "list --all"),
    "verify-cert": (_EASY_RSA, "show NAME"),
    "export-p12": (_EASY_RSA, "export NAME --as p12"),
    "set-pass": (_EASY_RSA, "passwd"),
    "import-req": (_EASY_RSA, "sign FILE"),
    "update-db": (_EASY_RSA, "list"),
    "-install": (_MKCERT, "trust"),
    "-uninstall": (_MKCERT, "help backup"),
    "-CAROOT": (_MKCERT, "show ca"),
    "-csr": (_MKCERT, "sign FILE"),
    "-client": (_MKCERT, "client NAME"),
    "-pkcs12": (_MKCERT, "server NAME --p12"),
    "ca": (_STEP, "server NAME"),
    "certificate": (_STEP, "server NAME"),
    "certonly": ("certbot", "server NAME"),
    "certificates": ("certbot", "list"),
    "update": ("certbot", "renew --within 30"),
    "req": ("openssl", "server NAME --csr-only"),
    "x509": ("openssl", "show FILE"),
    "verify": ("openssl", "audit FILE --root pki/ca.crt"),
    "s_client": ("openssl", "audit HOST:443"),
    "pkcs12": ("openssl", "export NAME --as p12"),
    "csr": (_STEP, "server NAME --csr-only"),
    "version": ("openssl", "doctor"),
}
"""What people type who know another tool: that tool, and our command for the same."""


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands by group."""
        widest = max(map(len, COMMANDS))
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(f"{name:{widest}}", about) for name, (_, about) in commands.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what only another tool knows, before its letters are taken for options."""
        if args and args[0] in _FOREIGN and args[0] not in COMMANDS:
            tool, ours = _FOREIGN[args[0]]
            hint = f"what {tool} calls '{args[0]}' is here: opensslgen {ours}"
            raise Failure(UsageError(f"there is no command '{args[0]}'", hint=hint))
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        name = args[0]
        ctx.meta[_AS_JSON] = _asks_for_json(args)
        if name not in COMMANDS and not name.startswith("-"):
            close = meant(name, COMMANDS)
            hint = f"did you mean: opensslgen {close}" if close else "opensslgen --help lists the commands"
            if name == ctx.info_name:
                from shlex import join  # only for this mistake

                hint = f"write {name} once: {join(args)}"
            raise Failure(UsageError(f"there is no command {quote(name, always=True)}", hint=hint))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            _refuse_late_clock()
            return super().invoke(ctx)
        except Error as error:
            raise Failure(error, as_json=ctx.meta.get(_AS_JSON, False)) from error
        except PermissionError as error:
            # A folder of another user: the message is the same wherever it was met.
            closed = UnreadableError(f"{visible(str(error.filename))}: permission denied")
            raise Failure(closed, as_json=ctx.meta.get(_AS_JSON, False)) from error
        except click.UsageError as error:
            if ctx.meta.get(_AS_JSON):
                print_json({"error": error.format_message(), "hint": None, "exit_code": error.exit_code})
            raise


_AS_JSON = "opensslgen.as_json"


def _asks_for_json(args: list[str]) -> bool:
    """Tell whether a command line asks for JSON, even if the rest of it is wrong."""
    ours = args[: args.index("--")] if "--" in args else args
    return "--json" in ours or "--format=json" in ours or ("--format", "json") in pairwise(ours)


def _refuse_late_clock() -> None:
    """Raise Error in a year to which no days can be added, neither in Python nor in a certificate."""
    try:
        is_late = time.time() > _LATEST
    except OverflowError:  # after 2262
        is_late = True
    if is_late:
        raise Error("the clock of this machine says that it is after the year 2200", hint="set the clock")


_LATEST = 230 * 365.2425 * 86400  # seconds since 1970


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the version; one file, such as opensslgen.pyz, also tells which libraries it contains."""
    if not wanted:
        return
    click.echo(f"opensslgen, version {__version__}")
    if is_archive():
        from importlib.metadata import distributions

        found = sorted((each.name.lower(), each.version) for each in distributions(path=[sys.argv[0]]))
        libraries = [f"{name} {version}" for name, version in found if name != "opensslgen"]
        if libraries:
            click.echo(f"contains {', '.join(libraries)}")
    ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Issue TLS certificates that iPhones and other strict clients accept, for appliances whose built-in certificates
    they reject. The work is done by openssl commands that you can read and run.

    \b
    opensslgen root --cn "Example Ltd CA"                a certificate authority
    opensslgen server pbx.example.com --san IP:10.0.0.5  a certificate
    opensslgen server pbx.example.com --script           the same as a script
    opensslgen help                                      the manual
    """  # noqa: D205 - two short sentences
    forget_options()
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from .guide import guide

            click.echo(guide())
        else:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)


def _open_closed_streams() -> None:
    """Open the null device in place of the standard streams that the caller has closed.

    The next file, perhaps a key, would take the number of one, and what is printed would be written into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        if number == 0:
            sys.stdin = os.fdopen(0)
        elif number == 1:
            sys.stdout = os.fdopen(1, "w")
        else:
            sys.stderr = os.fdopen(2, "w")
    os.close(number)


def main() -> NoReturn:
    """Run the command line; SIGTERM and SIGHUP clean up like Ctrl-C, and a crash dumps no core with a passphrase."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup
            signal.signal(number, lambda received, _: sys.exit(128 + received))
    _open_closed_streams()
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
        if "temporary directory" in (error.strerror or ""):
            hint = "set TMPDIR to a folder that you can write to"
            Failure(Error("no folder for temporary files can be written", hint=hint)).show()
            sys.exit(1)
        if error.errno != errno.ENOSPC:
            raise
        Failure(Error(f"cannot write the output: {error.strerror}")).show()
        # Drop the buffered output: Python would try to write it at the end, and exit with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    sys.exit(0)  # not reached: click exits
