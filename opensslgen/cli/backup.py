"""The commands that back up a CA with its whole pki folder, and restore it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensslgen.errors import UnreadableError
from opensslgen.text import visible

from .command import Command
from .options import BACKUP_PASSPHRASE, FORMAT, OPENSSL, PKI, QUIET, Output, PathParameter, together
from .say import print_json

if TYPE_CHECKING:
    from .secrets import Secrets


@click.command(cls=Command)
@click.argument("archive", type=PathParameter(dir_okay=False))
@together(
    BACKUP_PASSPHRASE,
    PKI,
    OPENSSL,
    click.option("--force", is_flag=True, help="Replace an existing file; the old one is kept next to the new."),
    QUIET,
    FORMAT,
)
def backup(
    *, archive: Path, secrets: Secrets, pki: Path, openssl: str | None, force: bool, quiet: bool, output: Output
) -> None:
    """Back up the CA: the whole pki folder in one encrypted file.

    \b
    opensslgen backup office.backup
    opensslgen backup office.backup --backup-passphrase-file FILE

    The file holds everything, the keys included, and a passphrase protects it. The backup is restored into an empty
    directory and audited before it counts as made.
    """
    from opensslgen.jobs.backup import DECRYPT, back_up
    from opensslgen.jobs.job import root_of
    from opensslgen.openssl.provider import find
    from opensslgen.pki.store import Store
    from opensslgen.plan import secrets as names
    from opensslgen.report.tally import about_folder, tally_folder

    root_of(Store(pki))
    passphrase = secrets.get(names.BACKUP_PASSPHRASE, is_new=True)
    found = find(openssl)
    with back_up(Store(pki), archive, openssl=found, passphrase=passphrase, force=force) as made:
        audited = about_folder(tally_folder(made.restored, found))
    if output == "json":
        print_json({"archive": str(archive), "files": made.files, "kept": made.old and str(made.old)})
    elif not quiet:
        click.echo(f"Backed up {visible(str(pki))}: {made.files} files in {visible(str(archive))}")
        if made.old:
            click.echo(f"  old file kept as {visible(str(made.old))}")
        click.echo(f"Checked: restored into an empty folder, all files are the same; {audited}")
        command = DECRYPT.format(archive=shlex.quote(str(archive)))
        click.echo(f"Keep the file and the passphrase in two places. Without opensslgen, this opens it:\n  {command}")


@click.command(cls=Command)
@click.argument("archive", type=PathParameter(dir_okay=False))
@together(BACKUP_PASSPHRASE, PKI, OPENSSL, QUIET, FORMAT)
def restore(*, archive: Path, secrets: Secrets, pki: Path, openssl: str | None, quiet: bool, output: Output) -> None:
    """Restore a CA from a backup.

    \b
    opensslgen restore office.backup
    opensslgen restore office.backup --pki /etc/pki/office

    This machine may be another one. The folder must not exist yet, or be empty.
    """
    from opensslgen.jobs import backup as jobs
    from opensslgen.openssl.provider import find
    from opensslgen.plan import secrets as names
    from opensslgen.report.tally import about_folder, tally_folder

    found = find(openssl)
    if not archive.exists():
        raise UnreadableError(f"{archive}: no such file or directory")
    passphrase = secrets.get(names.BACKUP_PASSPHRASE, is_new=False)
    files = jobs.restore(archive, pki, openssl=found, passphrase=passphrase)
    if output == "json":
        print_json({"pki": str(pki), "files": files})
    elif not quiet:
        click.echo(f"Restored {files} files into {visible(str(pki))}; {about_folder(tally_folder(pki, found))}")
