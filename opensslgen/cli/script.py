"""The commands that print a script for a machine without Python, and what starts a renewal each day."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import click

from opensslgen import __version__

from .command import Group
from .options import HOOKS, OPENSSL, PASSPHRASE_AND_P12_PASSWORD, PKI, NumberParameter, grouped, together
from .say import print_notes
from .secrets import Secrets


@click.group(cls=Group)
def script() -> None:
    """Print a script for machines without Python, or for cron.

    \b
    opensslgen script gen-certs > gen-certs.sh
    opensslgen script cron > /etc/cron.d/opensslgen
    """


@script.command("gen-certs")
def gen_certs() -> None:
    """Print a script that replaces the vendor's gen_certs.sh.

    \b
    opensslgen script gen-certs > gen-certs.sh
    sh gen-certs.sh server pbx.example.com --san IP:10.0.0.5
    sh gen-certs.sh -h

    It makes roots and server certificates in the same pki folder as `opensslgen server`, and is as strict about its
    input. It needs a shell, openssl 1.0.1 or later, coreutils, grep and sed.
    """
    from opensslgen.gen_certs.replacement import gen_certs_script

    click.echo(gen_certs_script(version=__version__), nl=False)


@script.command()
def wrapper() -> None:
    """Print a wrapper that corrects certificates on their way.

    \b
    mkdir /opt/opensslgen && opensslgen script wrapper > /opt/opensslgen/openssl && chmod 755 /opt/opensslgen/openssl
    PATH=/opt/opensslgen:$PATH /opt/Avaya/scripts/gen_certs.sh

    Installed as `openssl` in a directory that comes first in the PATH, it corrects the extended key usage, validity
    and digest of the server certificates that a script makes, and logs that. The script stays as it is, also after an
    upgrade. It needs a shell, awk, cat and sed.
    """
    from opensslgen.watch.wrapper import wrapper_script

    click.echo(wrapper_script(), nl=False)


class Renewal(NamedTuple):
    """What the daily renewal does, as typed."""

    pki: Path
    within: int
    deploy_hook: str | None
    post_hook: str | None
    openssl: str | None
    secrets: Secrets

    def command(self) -> list[str]:
        """Return the command that renews, and say what it lacks."""
        from opensslgen.jobs.schedule import missing_secrets, renewal_command
        from opensslgen.pki.store import Store

        passphrase, password = self.secrets.passphrase_file, self.secrets.p12_password_file
        lacking = missing_secrets(
            Store(self.pki), has_passphrase=passphrase is not None, has_p12_password=password is not None
        )
        print_notes(lacking, quiet=False)
        return renewal_command(
            pki=self.pki,
            within=self.within,
            deploy_hook=self.deploy_hook,
            post_hook=self.post_hook,
            passphrase_file=passphrase,
            p12_password_file=password,
            openssl=self.openssl or os.environ.get("OPENSSLGEN_OPENSSL"),
        )


_RENEWAL = together(
    PKI,
    click.option(
        "--within", type=NumberParameter(0, 36500), default=30, show_default=True, metavar="DAYS",
        help="Renew certificates that expire within DAYS.",
    ),
    HOOKS,
    PASSPHRASE_AND_P12_PASSWORD,
    OPENSSL,
    grouped(Renewal),
)  # fmt: skip


@script.command()
@click.argument("unit", type=click.Choice(["service", "timer"]))
@_RENEWAL
def systemd(unit: str, renewal: Renewal) -> None:
    """Print a systemd service that renews certificates, or the timer that starts it each day.

    \b
    opensslgen script systemd service --post-hook "systemctl reload nginx" > /etc/systemd/system/opensslgen.service
    opensslgen script systemd timer > /etc/systemd/system/opensslgen.timer
    systemctl enable --now opensslgen.timer
    """
    from opensslgen.jobs import schedule

    text = schedule.timer() if unit == "timer" else schedule.service(renewal.command(), folder=str(renewal.pki))
    click.echo(text, nl=False)


@script.command()
@_RENEWAL
@click.option("--user", default="root", show_default=True, help="User that runs the command.")
def cron(renewal: Renewal, user: str) -> None:
    """Print a line for /etc/cron.d that renews certificates each night.

    \b
    opensslgen script cron --post-hook "systemctl reload nginx" > /etc/cron.d/opensslgen
    """
    from opensslgen.jobs import schedule

    click.echo(schedule.crontab(renewal.command(), user=user), nl=False)
