"""The command that says why a phone refuses a server."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .command import Command
from .options import FORMAT, OPENSSL, PKI, Decimal, Output, together
from .say import print_json


@click.command(cls=Command)
@click.argument("host", metavar="HOST[:PORT]")
@together(
    PKI,
    click.option("--starttls", metavar="PROTOCOL", help="Use STARTTLS of this protocol: smtp, ldap, imap and others."),
    click.option("--servername", metavar="NAME", help="Name to ask for, instead of HOST."),
    click.option(
        "--timeout", type=Decimal(0.1, 3600), default=10.0, show_default=True, metavar="SECONDS",
        help="Wait at most SECONDS for each address of the server.",
    ),
    OPENSSL,
    FORMAT,
)  # fmt: skip
def why(
    *,
    host: str,
    pki: Path,
    starttls: str | None,
    servername: str | None,
    timeout: float,
    openssl: str | None,
    output: Output,
) -> None:
    """Find out why a phone refuses a server.

    \b
    opensslgen why pbx.example.com
    opensslgen why 10.0.0.5:5061
    opensslgen why mail.example.com:25 --starttls smtp --json

    It asks the server on every address, compares with the pki folder, and names the most likely cause first, with the
    command or the step that cures it. The port is 443 by default.

    Exit code: 0 if no fault was found, 1 if there is one, 2 if the server does not answer.
    """
    from datetime import datetime, timezone
    from functools import partial

    from opensslgen.audit import why as audit
    from opensslgen.audit.chosen import chosen_rules
    from opensslgen.audit.result import Settings
    from opensslgen.openssl.command import find
    from opensslgen.report.why import why_json, why_text

    target = audit.target_of(host, starttls=starttls, servername=servername)
    at = datetime.now(timezone.utc).replace(microsecond=0)
    settings = Settings(rules=chosen_rules().rules, at=at, openssl=partial(find, openssl))
    answer = audit.why(target, pki=pki, settings=settings, timeout=timeout)
    if output == "json":
        print_json(why_json(answer))
    else:
        click.echo(why_text(answer, pki=pki, at=at), nl=False)
    sys.exit(2 if answer.is_unknown else 1 if answer.is_refused else 0)
