"""The commands that take back: certificates, by a revocation list, and passphrases."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import Error, UsageError

from .options import NEW_PASSPHRASE_FILE, PASSPHRASE_FILE, REPLACING, is_printed, together
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.jobs.job import Job

_REASONS = (
    "keyCompromise", "superseded", "cessationOfOperation", "affiliationChanged", "CACompromise", "unspecified",
)  # fmt: skip


@click.command()
@click.argument("certificate", metavar="NAME|FILE|SERIAL")
@together(
    click.option(
        "--reason", type=click.Choice(_REASONS, case_sensitive=False), help="Why; the list tells it to everybody."
    ),
    click.option("-y", "--yes", is_flag=True, help="Do not ask."),
    PASSPHRASE_FILE,
    REPLACING,
)
def revoke(certificate: str, reason: str | None, yes: bool, **options: Any) -> None:
    """Revoke a certificate: its key has leaked, or nobody needs it any more.

    \b
    opensslgen revoke old-box.example.com
    opensslgen revoke pbx.example.com --reason keyCompromise --yes
    opensslgen revoke 4F9A03C1D2E85B77         by its serial number
    opensslgen revoke downloads/server.crt     a file, from anywhere

    A revocation cannot be taken back. So it is asked for on a terminal, and without one it needs --yes.

    The line in index.txt changes, and the files move to revoked/, where easy-rsa has them, so that the name is free for
    a new certificate. If there is a revocation list, a new one is made at once, good for as long as the last one; if
    not, `opensslgen crl` makes the first.
    """
    from opensslgen.jobs.revoke import revocation_job
    from opensslgen.pki.store import Store

    store = Store(options["pki"])
    asked = None
    if not is_printed(options) and not yes:
        if not sys.stdin.isatty():
            raise UsageError("a revocation cannot be taken back", hint="--yes does it without a question")
        store.finish()
        asked = revocation_job(certificate, store=store, reason=reason).done
        click.confirm(f"{asked.replace('Revoked', 'Revoke', 1)}?", abort=True, err=True)

    def prepare() -> Job:
        job = revocation_job(certificate, store=store, reason=reason)
        if asked not in (None, job.done):
            raise Error(f"{certificate} has become another certificate meanwhile, so nothing was revoked")
        return job

    do(prepare, options, None)


@click.command()
@together(
    click.option(
        "--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="Until the next one is due."
    ),
    PASSPHRASE_FILE,
    REPLACING,
)
def crl(days: int, **options: Any) -> None:
    """Make the revocation list, crl.pem and crl.der: what has been revoked, signed.

    \b
    opensslgen crl
    opensslgen crl --days 7
    17 3 * * 1 root opensslgen crl -q --pki /etc/pki/pbx      from cron, before the last one is out of date

    Who checks the list refuses every certificate once it is out of date; `opensslgen list` warns a week before. Clients
    find it where certificates say, if they were made with --crl-url http://…/crl.der, which has to be the one in DER.
    """
    from opensslgen.jobs.revoke import revocation_list_job
    from opensslgen.pki.store import Store

    store = Store(options["pki"])
    do(lambda: revocation_list_job(store=store, days=days), options, None)


@click.command()
@together(
    click.option("--remove", is_flag=True, help="Leave the key without a passphrase."),
    PASSPHRASE_FILE,
    NEW_PASSPHRASE_FILE,
    REPLACING,
)
def passwd(remove: bool, **options: Any) -> None:
    """Change, set or remove the passphrase of the root's key.

    \b
    opensslgen passwd                                        asks for the old one and twice for the new one
    opensslgen passwd --passphrase-file old --new-passphrase-file new
    opensslgen passwd --remove

    The file that the old passphrase opens is not kept. Its copies elsewhere, such as backups, go on opening by it.
    """
    from opensslgen.jobs.passphrase import passphrase_job
    from opensslgen.pki.store import Store

    if remove and options["new_passphrase_file"]:
        raise UsageError("--remove needs no --new-passphrase-file")
    store = Store(options["pki"])
    do(lambda: passphrase_job(store=store, remove=remove), options, None)
