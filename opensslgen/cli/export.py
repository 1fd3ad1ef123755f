"""The command that exports a certificate in the files that servers and appliances need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensslgen.errors import UsageError

from . import complete
from .command import InGroups
from .options import P12_PASSWORD, RUNNING, Running, not_empty, together
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.plan.export import Form

    from .secrets import Secrets

# Spelled out, as the help must not wait for the recipes; a test holds them against one another.
FORMATS = ("p12", "p12-compat", "pem", "chain", "der", "key", "jks")
RECEIVERS = (
    *("ip-office", "nginx", "apache", "haproxy", "asterisk", "kamailio", "postfix", "dovecot", "synology", "unifi"),
    *("proxmox", "mikrotik", "opnsense", "vodia", "generic"),
)


@click.command(cls=InGroups)
@click.argument("name", metavar="NAME", shell_complete=complete.certificate)
@together(
    click.option("--as", "form", type=click.Choice(FORMATS), help="Format of the file."),
    click.option(
        "--for",
        "receiver",
        type=click.Choice(RECEIVERS),
        metavar="TARGET",
        help="Server or appliance that takes the files, as listed above.",
    ),
    click.option(
        "--out", callback=not_empty, metavar="FILE|DIR/", help="Where to write; - is standard output.  [default: .]"
    ),
    P12_PASSWORD,
    RUNNING,
)
def export(
    *, name: str, form: str | None, receiver: str | None, out: str | None, secrets: Secrets, running: Running
) -> None:
    """Export a certificate for a server or an appliance.

    \b
    opensslgen export pbx.example.com --for ip-office
    opensslgen export pbx.example.com --for nginx --out /etc/nginx/tls
    opensslgen export pbx.example.com --as chain --out - | openssl x509 -noout -subject
    opensslgen export ca --as der

    \b
    --for ip-office   NAME.p12, with everything: import it in the security settings
          nginx       NAME.key, NAME-fullchain.pem: ssl_certificate_key, ssl_certificate
          apache      the same two: SSLCertificateKeyFile, SSLCertificateFile
          haproxy     NAME-haproxy.pem, certificates and key in one: bind … crt
          asterisk    NAME.key, NAME-fullchain.pem, NAME-ca.pem: priv_key_file, cert_file, ca_list_file
          kamailio    the same three: private_key, certificate, ca_list
          postfix     NAME.key, NAME-fullchain.pem: smtpd_tls_key_file, smtpd_tls_cert_file
          dovecot     the same two: ssl_key, ssl_cert
          synology    NAME.key, NAME.crt, NAME-ca.crt: three fields of Control Panel > Security > Certificate
          unifi       NAME-unifi.p12 with the alias unifi: keytool -importkeystore into the controller's keystore
          proxmox     NAME.key, NAME-fullchain.pem: pvenode cert set
          mikrotik    NAME.key, NAME.crt: /certificate import
          opnsense    NAME.key, NAME-fullchain.pem: System > Trust > Certificates
          vodia       NAME-vodia.pem, with everything: paste it into the certificate page
          generic     NAME.key, NAME-fullchain.pem, NAME-ca.pem

    `opensslgen deploy` also installs them.

    A full chain does not contain the root, which clients already have; --as chain does. Files with a key can
    only be read by you.
    """
    from opensslgen.jobs.destination import Destination
    from opensslgen.jobs.export import export_job, export_order, export_text
    from opensslgen.pki import lookup
    from opensslgen.pki.folder import Folder
    from opensslgen.plan.export import FORMATS as FORMS
    from opensslgen.plan.issue import P12_ENCRYPTIONS
    from opensslgen.plan.targets import target

    if bool(form) == bool(receiver):
        raise UsageError("use either --as or --for")
    wanted = FORMS[form] if form else target(receiver or "").form
    makes_p12 = any(piece.form in P12_ENCRYPTIONS for piece in wanted.pieces)
    if secrets.p12_password_file and not makes_p12:
        raise UsageError(f"--p12-password-file cannot be used with {f'--as {form}' if form else f'--for {receiver}'}")
    folder, file = _place(out, wanted)
    found = lookup.find(Folder(running.pki), name)
    order = export_order(found, store=running.store, form=wanted, file=file)
    into = Destination(folder)
    if out == "-":
        click.echo(export_text(order, into=into), nl=False)
        return
    if running.is_printed and any(char.isspace() for piece in order.pieces for char in order.target(piece)):
        raise UsageError("a script cannot write a file whose name has a space", hint="choose another name with --out")
    do(lambda: export_job(order, into=into), running, secrets=secrets, into=into)


def _place(out: str | None, form: Form) -> tuple[Path, str | None]:
    """Return the folder, and the name if one file is named; raises UsageError if there is no such folder."""
    if out is None or out == "-":
        return Path(), None
    path = Path(out)
    if not path.is_dir() and not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a folder")
    is_file = len(form.pieces) == 1 and not path.is_dir() and not out.endswith("/")
    return (path.parent, path.name) if is_file else (path, None)
