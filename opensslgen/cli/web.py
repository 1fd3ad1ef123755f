"""The command that starts the form."""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import Error, UsageError

from .options import FOLDER, FORMAT, OPENSSL, PASSPHRASE_FILE, first_line, from_web, together

if TYPE_CHECKING:
    from ssl import SSLContext

PORT = 8820
LEAST_PASSWORD = 12
"""Characters."""


@click.command()
@together(
    FOLDER,
    OPENSSL,
    click.option("--address", default="127.0.0.1", show_default=True, metavar="IP", help="Listen on this address."),
    click.option(
        "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="And this port; 0: any free one."
    ),
    click.option(
        "--password-file", type=click.Path(path_type=Path), metavar="FILE",
        help="Let in by a password, its first line, and not by the link.",
    ),
    click.option(
        "--name", metavar="NAME", help="The certificate for TLS, by a name of it in the folder.  [default: the address]"
    ),
    PASSPHRASE_FILE,
    click.option("-v", "--verbose", is_flag=True, help="Show each openssl command as it runs."),
    click.option("-q", "--quiet", is_flag=True, help="Print the link and errors only."),
    FORMAT,
)  # fmt: skip
def web(**options: Any) -> None:
    """Offer a form in the browser that makes certificates, lists and audits them, and gives out the root.

    \b
    opensslgen web
    ssh -t -L 8820:127.0.0.1:8820 box opensslgen web      from another machine
    opensslgen web --address 10.0.0.9 --password-file FILE --name form.example.com

    It prints a link that opens the form once, in one browser. On another address than this machine's own it wants a
    password, and speaks TLS with a certificate that the folder's root has issued. Ctrl-C stops it, after what it is
    just making is finished.
    """
    serving = from_web("serve")
    import ipaddress
    import secrets

    from opensslgen.openssl.command import find
    from opensslgen.plan.secrets import CA_PASSPHRASE, SECRETS, fit_secret
    from opensslgen.web.app import Config, create_app

    address = _address(options["address"])
    openssl = functools.cache(lambda: find(options["openssl"]))
    openssl()
    password = _password(options["password_file"])
    context, names = None, {"localhost", "127.0.0.1", "::1", address}
    if not ipaddress.ip_address(address).is_loopback:
        if password is None:
            raise UsageError(
                f"{address} can be reached by others, so a password is needed", hint="give --password-file FILE"
            )
        context, names = _tls(options, address)
    elif options["name"]:
        raise UsageError("--name goes with --address only: on this machine alone there is no TLS")
    passphrase = os.environ.get(CA_PASSPHRASE)
    if options["passphrase_file"]:
        passphrase = first_line(options["passphrase_file"], SECRETS[CA_PASSPHRASE])
    sock = serving.listening(address, options["port"])
    port = sock.getsockname()[1]
    token = None if password else secrets.token_urlsafe(32)
    scheme = "https" if context else "http"
    config = Config(
        pki=options["pki"],
        openssl=openssl,
        hosts=_hosts(names, port, standard=443 if context else 80),
        token=token,
        password=password,
        secure=context is not None,
        secrets={CA_PASSPHRASE: fit_secret(CA_PASSPHRASE, passphrase)} if passphrase else {},
        on_command=(lambda line: click.echo(line, err=True)) if options["verbose"] else lambda _: None,
    )
    host = f"{_in_url(options['name'] or address)}:{port}"

    url = f"{scheme}://{host}/" + (f"enter?token={token}" if token else "login")

    def ready() -> None:
        click.echo(json.dumps({"url": url, "once": token is not None}) if options["output"] == "json" else url)
        say("This link opens the form, once. Ctrl-C stops it." if token else "Ctrl-C stops it.")
        sys.stdout.flush()

    def say(text: str) -> None:
        if not options["quiet"]:
            click.echo(text, err=True)

    serving.serve_form(create_app(config), sock, context=context, ready=ready)
    say("Stopped.")


def _address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text.strip("[]")))
    except ValueError:
        raise UsageError(f"{text!r} is no IP address of this machine: write one such as 10.0.0.9") from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _hosts(names: set[str], port: int, *, standard: int) -> frozenset[str]:
    """Return what a browser may send as Host: it leaves out the port that the scheme has by itself."""
    hosts = {f"{_in_url(name)}:{port}" for name in names}
    return frozenset(hosts | ({_in_url(name) for name in names} if port == standard else set()))


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    password = first_line(path, "password")
    if len(password) < LEAST_PASSWORD:
        raise UsageError(f"the password in {path} is shorter than {LEAST_PASSWORD} characters")
    return password


def _tls(options: dict[str, Any], address: str) -> tuple[SSLContext, set[str]]:
    """Return the TLS settings, and the names by which browsers may ask."""
    import ipaddress

    from opensslgen.openssl.command import find
    from opensslgen.pki import lookup
    from opensslgen.pki.folder import Folder
    from opensslgen.plan.layout import CA_CHAIN
    from opensslgen.web.tls import context_of

    if ipaddress.ip_address(address).is_unspecified and not options["name"]:
        raise UsageError(
            f"{address} is every address of this machine, and no certificate is for that",
            hint="give --name NAME, of a certificate for TLS by which browsers ask: opensslgen server NAME",
        )
    name = options["name"] or address
    folder = Folder(options["pki"])
    root = folder.root.certificate if folder.root else None
    try:
        if root is None:
            raise Error(f"{options['pki']} has no root")
        found = lookup.stored(folder, name)
    except Error as error:
        hint = f"make one: opensslgen server {name}" + (
            "" if name == address or ipaddress.ip_address(address).is_unspecified else f" --san IP:{address}"
        )
        raise Error(f"TLS needs a certificate for {name}: {error.message}", hint=hint) from error
    names = {other.value for other in found.certificate.names if other.kind in {"DNS", "IP"}}
    above = folder.path / CA_CHAIN
    return context_of(found, authority=root, above=above, openssl=find(options["openssl"])), names
