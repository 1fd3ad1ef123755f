"""The command that puts a certificate into the files that servers and appliances take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import UsageError
from opensslgen.plan import export as recipes

from .options import P12_PASSWORD_FILE, RUNNING, together
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.jobs.destination import Destination
    from opensslgen.plan.export import Export, Form

# Spelled out, as the help must not wait for the recipes; a test holds them against one another.
FORMATS = ("p12", "p12-compat", "pem", "chain", "der", "key")
RECEIVERS = ("ip-office", "vodia", "synology", "unifi", "nginx", "asterisk", "kamailio")


@click.command()
@click.argument("name", metavar="NAME")
@together(
    click.option("--as", "form", type=click.Choice(FORMATS), help="In which form."),
    click.option("--for", "receiver", type=click.Choice(RECEIVERS), help="For whom; see below."),
    click.option("--out", metavar="FILE|DIR/", help="Where to; - is standard output.  [default: .]"),
    P12_PASSWORD_FILE,
    RUNNING,
)
def export(name: str, form: str | None, receiver: str | None, out: str | None, **options: Any) -> None:
    """Put a certificate, those above it and its key into the files that a server or an appliance takes.

    \b
    opensslgen export pbx.example.com --for ip-office
    opensslgen export pbx.example.com --for nginx --out /etc/nginx/tls
    opensslgen export pbx.example.com --as chain --out - | openssl x509 -noout -subject
    opensslgen export ca --as der

    \b
    --for ip-office   NAME.p12, everything: import it in the security settings
          vodia       NAME-vodia.pem, everything: paste it into the certificate page
          synology    NAME.key, NAME.crt, NAME-ca.crt: three fields of Control Panel > Security > Certificate
          unifi       NAME-unifi.p12 with the alias unifi: keytool -importkeystore into the controller's keystore
          nginx       NAME.key, NAME-fullchain.pem: ssl_certificate_key, ssl_certificate
          asterisk    NAME.key, NAME-fullchain.pem, NAME-ca.pem: priv_key_file, cert_file, ca_list_file
          kamailio    the same three: private_key, certificate, ca_list

    A full chain has no root in it, as clients have that; --as chain has. Files with a key in them can be read by you
    alone.
    """
    from opensslgen.jobs.destination import Destination
    from opensslgen.jobs.export import export_job, export_order
    from opensslgen.pki import lookup
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.store import Store

    if bool(form) == bool(receiver):
        raise UsageError("say either --as or --for, and one of them")
    wanted = recipes.FORMATS[form] if form else recipes.RECEIVERS[receiver or ""]
    folder, file = _place(out, wanted)
    found = lookup.find(Folder(options["pki"]), name)
    order = export_order(found, store=Store(options["pki"]), form=wanted, file=file)
    into = Destination(folder)
    if out == "-":
        _print(order, into)
        return
    if options["script"] and any(character.isspace() for piece in order.pieces for character in order.target(piece)):
        raise UsageError("a script takes no blank in a file's name: name it with --out")
    do(lambda: export_job(order, into=into), options, None, into=into)


def _place(out: str | None, form: Form) -> tuple[Path, str | None]:
    """Return the folder, and the name if one file is named; raises UsageError if there is no such folder."""
    if out is None or out == "-":
        return Path(), None
    path = Path(out)
    if not path.is_dir() and not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder")
    is_file = len(form.pieces) == 1 and not path.is_dir() and not out.endswith("/")
    return (path.parent, path.name) if is_file else (path, None)


def _print(order: Export, into: Destination) -> None:
    """Print the one file that there is to print; raises UsageError for a secret or what is no text."""
    from opensslgen.jobs.export import export_job

    (piece, *more) = order.pieces
    if more or piece.holds_key or piece.form != "pem":
        raise UsageError("only --as pem and --as chain go to standard output: no key, and nothing that is no text")
    export_job(order, into=into)
    click.echo("".join(order.text(part) for part in order.contents(piece)), nl=False)
