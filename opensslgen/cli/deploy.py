"""The command that installs a certificate on a server or an appliance."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import click

from opensslgen import __version__
from opensslgen.errors import UsageError

from . import complete
from .command import InGroups
from .options import REPLACING, Running, file_option, grouped, not_empty, refuse, together
from .say import print_json, print_notes

if TYPE_CHECKING:
    from pathlib import Path

    from opensslgen.plan.targets import Target


class Placing(NamedTuple):
    """Where a certificate goes, as typed."""

    to: str | None
    target: Path | None
    destination: str | None
    settings: tuple[str, ...]
    host: str | None
    ssh: str
    sudo: bool

    def resolve(self) -> tuple[Target, str | None]:
        """Return the target, and the destination if one is named; raises UsageError and UnreadableError."""
        from opensslgen.plan import targets

        found = targets.where(self.to) if self.to else None
        if found and self.destination and found.destination and found.destination != self.destination:
            raise UsageError(f"--to names {found.destination}, and --on {self.destination}: use one of them")
        destination = self.destination or (found.destination if found else None)
        if self.target:
            if found and found != targets.where("local"):
                raise UsageError("use either --to or --target")
            return targets.read(self.target), destination
        if found is None:
            raise UsageError(
                "say what it goes to: --to TARGET or --target FILE", hint=f"there are {', '.join(targets.NAMES)}"
            )
        return found.loaded, destination


PLACING = grouped(
    Placing,
    click.option(
        "--to", callback=not_empty, metavar="TARGET[@HOST]", shell_complete=complete.target,
        help="Server or appliance: nginx, ip-office and others, see `opensslgen help deploy`.",
    ),
    file_option("--target", help="Your own description of a target, in place of --to."),
    click.option(
        "--on", "destination", callback=not_empty, metavar="HOST",
        help="Where it is: a destination of ssh such as root@web1, or local for this machine.",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE",
        help="Change a setting of the target, such as ports, wait, folder or the path of a file; repeat for more.",
    ),
    click.option(
        "--ask", "host", callback=not_empty, metavar="HOST",
        help="Host whose ports are asked for the certificate.  [default: that of --on]",
    ),
    click.option(
        "--ssh", default="ssh", show_default=True, callback=not_empty, metavar="COMMAND",
        help="OpenSSH's client, with options of yours.",
    ),
    click.option("--sudo", is_flag=True, help="Work as root there, by sudo, which must not ask for a password."),
)  # fmt: skip


@click.command(cls=InGroups)
@click.argument("name", metavar="NAME", shell_complete=complete.certificate)
@together(
    PLACING,
    click.option("--check", is_flag=True, help="Say what would change, and change nothing."),
    click.option("--undo", is_flag=True, help="Put back what was there before the last deployment."),
    REPLACING,
)
def deploy(name: str, placing: Placing, running: Running, *, check: bool, undo: bool) -> None:
    """Install a certificate on a server or an appliance.

    \b
    opensslgen deploy pbx.example.com --to nginx --on root@web1
    opensslgen deploy pbx.example.com --to ip-office --on root@pbx --set address=10.0.0.5
    opensslgen deploy pbx.example.com --to generic --on local --set reload="systemctl reload foo"
    opensslgen deploy pbx.example.com --to nginx --on root@web1 --check
    opensslgen deploy pbx.example.com --to nginx --script > deploy.sh

    It saves what is there, copies the files, activates them, and asks each port until it shows the new certificate and
    its whole chain. If a port does not, everything is put back, and the ports are asked again. It works through ssh
    with your keys and known_hosts, and needs a shell and openssl there. A second run changes nothing.

    --script prints a shell script for the appliance itself, which takes the files that `export --for` writes;
    --commands prints only what is done.

    Exit code: 0 if the certificate is in place and proved, 1 if not, 2 if it cannot be tried.
    """
    from opensslgen.deploy.order import prepare
    from opensslgen.plan.targets import changes

    target, destination = placing.resolve()
    store = running.store
    prepared = prepare(name, target, changes(placing.settings), store=store)
    if running.is_printed:
        from opensslgen.plan.deploy import as_commands, as_script

        refuse(f"has no effect with {running.printing}, which only prints", check=check, undo=undo)
        printed = as_commands if running.commands else as_script
        click.echo(printed(prepared.deployment, version=__version__), nl=False)
        return
    if check and undo:
        raise UsageError("use either --check or --undo")
    if destination is None:
        raise UsageError("say where it is: --on HOST, or --on local for this machine")
    from opensslgen.deploy.run import carrier
    from opensslgen.openssl.command import find
    from opensslgen.report.deploy import deployed_json, deployed_text

    openssl = find(running.openssl)
    carrying = carrier(
        prepared,
        destination,
        openssl=openssl,
        host=placing.host,
        ssh=tuple(_words(placing.ssh)),
        sudo=placing.sudo,
        say=lambda line: click.echo(line, err=True) if running.verbose else None,
    )
    outcome = carrying.undo() if undo else carrying.deploy(*prepared.contents(store, openssl), check=check)
    print_notes(outcome.notes, quiet=running.quiet)
    if running.as_json:
        print_json(deployed_json(outcome))
    elif not running.quiet:
        click.echo(deployed_text(outcome), nl=False)


def _words(command: str) -> list[str]:
    """Return the words of a command as a shell splits them; raises UsageError."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--ssh: {error}") from error
