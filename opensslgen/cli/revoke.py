"""The commands that revoke certificates, make the CRL, and change passphrases."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from opensslgen.errors import Error, UsageError
from opensslgen.pki.index import REASONS

from . import complete
from .command import Command
from .options import PASSPHRASE, PASSPHRASES, REPLACING, NumberParameter, Running, together
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.jobs.job import Job

    from .secrets import Secrets


class ReasonParameter(click.Choice):  # type: ignore[type-arg, unused-ignore] # generic since click 8.2
    """A reason in any case; click would list the reasons in lower case."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Return the message for a reason that does not exist."""
        return f"{str(value)!r} is not one of {', '.join(REASONS)}."


@click.command(cls=Command)
@click.argument("certificate", metavar="NAME|FILE|SERIAL", shell_complete=complete.certificate_or_file)
@together(
    click.option(
        "--reason",
        type=ReasonParameter(REASONS, case_sensitive=False),
        metavar="REASON",
        help=f"Reason, which the CRL makes public: {', '.join(REASONS[:-1])} or {REASONS[-1]}.",
    ),
    click.option("-y", "--yes", is_flag=True, help="Do not ask."),
    PASSPHRASE,
    REPLACING,
)
def revoke(certificate: str, reason: str | None, yes: bool, secrets: Secrets, running: Running) -> None:
    """Revoke a certificate.

    \b
    opensslgen revoke old-box.example.com
    opensslgen revoke pbx.example.com --reason keyCompromise --yes
    opensslgen revoke 4F9A03C1D2E85B77         by its serial number
    opensslgen revoke downloads/server.crt     any file

    You cannot undo this, so the command asks first. Without a terminal, it needs --yes.

    The entry in index.txt changes, and the files move to revoked/, as easy-rsa moves them, so that the name is free for
    a new certificate. If there is a CRL, a new one is made at once, valid for as many days as the last one. If there is
    none, make the first one with `opensslgen crl`.
    """
    from opensslgen.jobs.revoke import revocation_job

    store, secret = running.store, secrets.for_pki(running.pki, running.openssl)
    asked = None
    if not running.is_printed and not yes:
        if not sys.stdin.isatty():
            raise UsageError("a revocation cannot be undone", hint="to revoke without being asked, add --yes")
        store.finish()
        asked = revocation_job(certificate, store=store, reason=reason).question
        secret.unlock()
        click.confirm(str(asked), abort=True, err=True)

    def prepare() -> Job:
        job = revocation_job(certificate, store=store, reason=reason)
        if asked not in (None, job.question):
            raise Error(f"{certificate} is another certificate now, so nothing was revoked")
        return job

    do(prepare, running, secret=secret)


@click.command(cls=Command)
@together(
    click.option(
        "--days", type=NumberParameter(1, 3650), default=30, show_default=True, help="Days until the CRL expires."
    ),
    PASSPHRASE,
    REPLACING,
)
def crl(days: int, secrets: Secrets, running: Running) -> None:
    """Make the certificate revocation list (CRL).

    \b
    opensslgen crl
    opensslgen crl --days 7
    17 3 * * 1 root opensslgen crl -q --pki /etc/pki/pbx      in a crontab, to renew the CRL before it expires

    The files are crl.pem and crl.der. Once the CRL has expired, clients that check it refuse every certificate;
    `opensslgen list` warns a week before. Clients find the CRL if the certificates were issued with --crl-url
    http://…/crl.der. The file there must be DER.
    """
    from opensslgen.jobs.revoke import revocation_list_job

    store = running.store
    do(lambda: revocation_list_job(store=store, days=days), running, secrets=secrets)


@click.command(cls=Command)
@together(
    click.option("--remove", is_flag=True, help="Remove the passphrase."),
    PASSPHRASES,
    REPLACING,
)
def passwd(remove: bool, secrets: Secrets, running: Running) -> None:
    """Change, set or remove the passphrase of the root's key.

    \b
    opensslgen passwd                                        ask for the old one, and twice for the new one
    opensslgen passwd --passphrase-file old --new-passphrase-file new
    opensslgen passwd --remove

    The key file with the old passphrase is not kept. Copies elsewhere, such as backups, still open with the old one.
    """
    from opensslgen.jobs.passphrase import passphrase_job

    if remove and secrets.new_passphrase_file:
        raise UsageError("--new-passphrase-file cannot be used with --remove")
    store = running.store
    do(lambda: passphrase_job(store=store, remove=remove), running, secrets=secrets)
