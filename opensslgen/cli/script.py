"""The commands that print a script for a machine without Python."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from opensslgen import __version__

from .options import FOLDER, together


@click.group()
def script() -> None:
    """Print a shell script that does this tool's work where there is no Python, or what starts it each day.

    \b
    opensslgen script gen-certs > gen-certs.sh
    opensslgen script cron > /etc/cron.d/opensslgen
    """


@script.command("gen-certs")
def gen_certs() -> None:
    """Print a script that takes the place of the vendor's gen_certs.sh.

    \b
    opensslgen script gen-certs > gen-certs.sh
    sh gen-certs.sh server pbx.example.com --san IP:10.0.0.5
    sh gen-certs.sh -h

    It makes a root and server certificates in the same folder and form as `opensslgen server`, and checks what it is
    given as strictly. It needs a shell, openssl from 1.0.1 on, coreutils, grep and sed.
    """
    from opensslgen.gen_certs.replacement import gen_certs_script

    click.echo(gen_certs_script(version=__version__), nl=False)


_RENEWAL = together(
    FOLDER,
    click.option("--within", type=click.IntRange(0, 36500), default=30, show_default=True, help="Days before the end."),
    click.option("--hook", metavar="COMMAND", help="Run this after each, by /bin/sh."),
    click.option(
        "--passphrase-file", type=click.Path(path_type=Path), metavar="FILE", help="Of the root's key, if it has one."
    ),
)


@script.command()
@click.argument("unit", type=click.Choice(["service", "timer"]))
@_RENEWAL
def systemd(unit: str, **options: Any) -> None:
    """Print the systemd service, or the timer that starts it, which renews each day what ends soon.

    \b
    opensslgen script systemd service --hook "systemctl reload nginx" > /etc/systemd/system/opensslgen-renew.service
    opensslgen script systemd timer > /etc/systemd/system/opensslgen-renew.timer
    systemctl enable --now opensslgen-renew.timer
    """
    from opensslgen.jobs import schedule

    text = schedule.timer() if unit == "timer" else schedule.service(_renewal(options), folder=str(options["pki"]))
    click.echo(text, nl=False)


@script.command()
@_RENEWAL
@click.option("--user", default="root", show_default=True, help="Who runs it.")
def cron(user: str, **options: Any) -> None:
    """Print the line for /etc/cron.d that renews each night what ends soon.

    \b
    opensslgen script cron --hook "systemctl reload nginx" > /etc/cron.d/opensslgen
    """
    from opensslgen.jobs import schedule

    click.echo(schedule.crontab(_renewal(options), user=user), nl=False)


def _renewal(options: dict[str, Any]) -> list[str]:
    """Return the command that renews, with absolute paths."""
    found = shutil.which("opensslgen")
    program = [str(Path(found).absolute())] if found else [sys.executable, "-m", "opensslgen"]
    words = [*program, "renew", "--quiet", "--within", str(options["within"]), "--pki", str(options["pki"].absolute())]
    if options["passphrase_file"]:
        words += ["--passphrase-file", str(options["passphrase_file"].absolute())]
    return [*words, "--hook", options["hook"]] if options["hook"] else words
