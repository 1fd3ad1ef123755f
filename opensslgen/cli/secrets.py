"""Passphrases and passwords: from a file, from the environment, or typed at the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.plan.secrets import BACKUP_PASSPHRASE, CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS, fit_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opensslgen.errors import Error
    from opensslgen.jobs.passphrase import PkiSecrets

_OPTIONS = {
    CA_PASSPHRASE: "--passphrase-file",
    NEW_PASSPHRASE: "--new-passphrase-file",
    P12_PASSWORD: "--p12-password-file",
    BACKUP_PASSPHRASE: "--backup-passphrase-file",
}
"""The option that names the file of a secret, for each secret that a plan can name."""


class MissingSecretError(UsageError):
    """A secret is needed, and nobody can be asked for it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the {SECRETS[name]} is needed", hint=f"use {_OPTIONS[name]} FILE or set {name}")
        self.name = name


class Secrets(NamedTuple):
    """The files that hold secrets, as named by the options; a command has the fields that it has options for."""

    passphrase_file: Path | None = None
    new_passphrase_file: Path | None = None
    p12_password_file: Path | None = None
    backup_passphrase_file: Path | None = None

    def file(self, name: str) -> Path | None:
        """Return the file of a secret, by the name that plans have for the secret."""
        return {
            CA_PASSPHRASE: self.passphrase_file,
            NEW_PASSPHRASE: self.new_passphrase_file,
            P12_PASSWORD: self.p12_password_file,
            BACKUP_PASSPHRASE: self.backup_passphrase_file,
        }[name]

    def has(self, name: str) -> bool:
        """Tell whether a secret is in a file or in the environment, so that nobody has to type it."""
        return bool(self.file(name) or os.environ.get(name))

    @property
    def has_passphrase(self) -> bool:
        """Whether there is a passphrase for the root's key."""
        return self.has(CA_PASSPHRASE)

    def refuse_unused_password(self, *, is_used: bool) -> None:
        """Raise UsageError for the file of a password where no PKCS#12 file is made."""
        if self.p12_password_file and not is_used:
            raise UsageError(
                "--p12-password-file has no effect, because no PKCS#12 file is made",
                hint="to make one, add --p12 or --p12-compat",
            )

    def get(self, name: str, *, is_new: bool) -> str:
        """Return a secret; a new one is typed twice. Raises UsageError if it is missing and nobody can be asked."""
        what, file = SECRETS[name], self.file(name)
        if file:
            return fit_secret(name, first_line(file, what))
        if os.environ.get(name):
            return fit_secret(name, os.environ[name])
        if not sys.stdin.isatty():
            raise MissingSecretError(name)
        return fit_secret(name, click.prompt(what.capitalize(), hide_input=True, confirmation_prompt=is_new, err=True))

    def asked(self, is_new: Callable[[str], bool]) -> Callable[[str], str]:
        """Return a function that returns a secret by its name."""
        return lambda name: self.get(name, is_new=is_new(name))

    def for_pki(self, pki: Path, openssl: str | None = None) -> PkiSecrets:
        """Return the same for a job in a pki folder: only the passphrase of a CA key that exists is not new."""
        from opensslgen.jobs.passphrase import PkiSecrets
        from opensslgen.openssl.command import find
        from opensslgen.pki.store import Store

        store = Store(pki)
        return PkiSecrets(
            self.asked(lambda name: name != CA_PASSPHRASE or not (store.path / store.ca_key).exists()),
            store,
            lambda: find(openssl),
            tries=self.tries,
            on_wrong=print_error,
        )

    @property
    def tries(self) -> int:
        """How often the passphrase of a key can be asked for."""
        from opensslgen.jobs.passphrase import TRIES

        return TRIES if sys.stdin.isatty() and not self.has_passphrase else 1


def print_error(error: Error) -> None:
    """Print an error after which the same is asked again."""
    from opensslgen.text import visible

    click.echo(f"Error: {visible(error.message)}", err=True)


def password_of_file(file: Path | None, name: str) -> str:
    """Return the password of a PKCS#12 file that is read: from a file, the environment, or the terminal."""
    if file:
        return first_line(file, "password of the PKCS#12 file")
    if P12_PASSWORD in os.environ:
        return os.environ[P12_PASSWORD]
    if not sys.stdin.isatty():
        raise UsageError(f"its password is needed: use --p12-password-file FILE or set {P12_PASSWORD}")
    from opensslgen.text import visible

    return str(click.prompt(f"Password of {visible(name)}", hide_input=True, err=True, default="", show_default=False))


def first_line(path: Path, what: str) -> str:
    """Return a file's first line without its line end, as openssl's `file:` reads it, and without a carriage return."""
    try:
        with path.open("rb") as file:
            return file.readline(4096).rstrip(b"\r\n").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"cannot read the {what} from {path}: {getattr(error, 'strerror', 'not UTF-8')}"
        ) from error
