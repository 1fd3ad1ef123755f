"""The command that starts the web interface."""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import click

from opensslgen.plan.secrets import CA_PASSPHRASE, SECRETS, fit_secret

from .command import InGroups
from .extra import needs_web
from .options import FORMAT, OPENSSL, PASSPHRASE, PKI, VERBOSE, NumberParameter, Output, file_option, grouped, together
from .run_job import command_printer
from .secrets import Secrets, first_line

PORT = 8820


class Listening(NamedTuple):
    """Where the web interface listens, and how it lets people in, as typed."""

    address: str
    port: int
    password_file: Path | None
    name: str | None


@click.command(cls=InGroups)
@together(
    PKI,
    OPENSSL,
    grouped(
        Listening,
        click.option("--address", default="127.0.0.1", show_default=True, metavar="IP", help="Listen on this address."),
        click.option(
            "--port", type=NumberParameter(0, 65535), default=PORT, show_default=True, metavar="N",
            help="Listen on this port; 0: any free one.",
        ),
        file_option("--password-file", help="Ask for a password, the first line of FILE, instead of printing a link."),
        click.option(
            "--name", metavar="NAME",
            help="Use the certificate in the pki folder for this name.  [default: the address]",
        ),
    ),
    PASSPHRASE,
    VERBOSE,
    click.option("-q", "--quiet", is_flag=True, help="Print only the link and errors."),
    FORMAT,
)  # fmt: skip
def web(
    *,
    pki: Path,
    openssl: str | None,
    listening: Listening,
    secrets: Secrets,
    verbose: bool,
    quiet: bool,
    output: Output,
) -> None:
    """Start the web interface.

    \b
    opensslgen web
    ssh -t -L 8820:127.0.0.1:8820 box opensslgen web      from another machine
    opensslgen web --address 10.0.0.9 --password-file FILE --name form.example.com

    You can issue, list and audit certificates in a browser, and download the root. It prints a link that works once, in
    one browser. On any address but 127.0.0.1 and ::1, it needs a password and uses TLS, with a certificate issued by
    the root in the pki folder. Ctrl-C stops it after the jobs in progress.
    """
    from secrets import token_urlsafe

    with needs_web():
        from opensslgen.web import entrance as front
        from opensslgen.web.app import create_app
        from opensslgen.web.config import Config
        from opensslgen.web.form_server import serve_form
        from opensslgen.web.http_server import open_listener
    from opensslgen.openssl.provider import find

    address = front.parse_address(listening.address)
    found = functools.cache(lambda: find(openssl))
    file = listening.password_file
    password = None if file is None else front.fit_password(first_line(file, "password"))
    entrance = front.entrance(address, name=listening.name, has_password=password is not None, pki=pki, openssl=found())
    passphrase = _passphrase(secrets)
    sock = open_listener(address, listening.port)
    port = sock.getsockname()[1]
    token = None if password else token_urlsafe(32)
    config = Config(
        pki=pki,
        openssl=found,
        hosts=entrance.hosts(port),
        token=token,
        password=password,
        secure=entrance.context is not None,
        secrets={CA_PASSPHRASE: fit_secret(CA_PASSPHRASE, passphrase)} if passphrase else {},
        on_command=command_printer(verbose=verbose),
    )
    url = entrance.url(port) + (f"enter?token={token}" if token else "login")

    def ready() -> None:
        click.echo(json.dumps({"url": url, "once": token is not None}) if output == "json" else url)
        say("This link works once. Ctrl-C stops the web interface." if token else "Ctrl-C stops the web interface.")
        sys.stdout.flush()

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    serve_form(create_app(config), sock, context=entrance.context, ready=ready)
    say("Stopped.")


def _passphrase(secrets: Secrets) -> str | None:
    """Return the passphrase of the root's key, if it is in a file or in the environment; else the form asks for it."""
    if secrets.passphrase_file:
        return first_line(secrets.passphrase_file, SECRETS[CA_PASSPHRASE])
    return os.environ.get(CA_PASSPHRASE)
