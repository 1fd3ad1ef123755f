"""The passphrase of the CA's key: check it, or change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.files.read import read_file
from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.x509.pem import pem

from .job import Job, issuer_of, root_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store
    from opensslgen.plan.adopt import KeyFile

TRIES = 3
"""How often somebody may type a passphrase."""


def passphrase_job(*, store: Store, remove: bool = False) -> Job:
    """Return the job; raises Error without a CA, and UsageError if there is no passphrase to remove."""
    from opensslgen.plan.adopt import change_passphrase  # most who ask for a passphrase do not change it

    root_of(store)
    issuer = issuer_of(store)
    key = store.path / store.ca_key
    if remove and not issuer.encrypted:
        raise UsageError(f"{key} has no passphrase")
    done = "Removed" if remove else "Changed" if issuer.encrypted else "Set"
    note = "copies of the old file elsewhere, such as backups, still open with the old passphrase"
    return Job(
        name=str(key),
        done=f"{done} the passphrase of the CA's key",
        plan=change_passphrase(issuer, remove=remove),
        notes=(note,),
        checks=("the new file opens, and its key is that of the certificate",),
    )


def wrong_passphrase(key: Path | str) -> Error:
    """Return the error for a passphrase that does not open a key."""
    return Error(f"this is not the passphrase of {key}")


def opens_key(passphrase: str, store: Store, openssl: OpenSSL) -> bool:
    """Tell whether this is the passphrase of the CA's key; raises OpenSSLError if openssl cannot be run."""
    command = ["pkey", "-in", str((store.path / store.ca_key).absolute()), "-passin", f"env:{CA_PASSPHRASE}", "-noout"]
    return openssl.run(command, secrets={CA_PASSPHRASE: passphrase}, check=False).exit_code == 0


def opens_file(passphrase: str, key: KeyFile, openssl: OpenSSL) -> bool:
    """Tell whether this is the passphrase of a key in PEM or DER that somebody wants to adopt; raises Error."""
    data = read_file(key.path)
    # As text: openssl 1.0 and 1.1 read no encrypted key in DER here.
    text = pem(key.label, data).encode() if key.form == "der" else data
    command = ["pkey", "-passin", f"env:{CA_PASSPHRASE}", "-noout"]
    return openssl.run(command, stdin=text, secrets={CA_PASSPHRASE: passphrase}, check=False).exit_code == 0


class PkiSecrets:
    """The secrets of the jobs in a pki folder: each is asked for once, and the CA's passphrase is checked at once."""

    def __init__(
        self,
        ask: Callable[[str], str],
        store: Store,
        openssl: Callable[[], OpenSSL],
        *,
        tries: int = 1,
        on_wrong: Callable[[Error], None] = lambda _: None,
    ) -> None:
        """Take a function that returns a secret by its name; with `tries`, it can be asked again for a passphrase.

        `on_wrong` gets the error of each try but the last.
        """
        self._ask, self._store, self._openssl = ask, store, openssl
        self._tries, self._on_wrong = tries, on_wrong
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """Return a secret by its name; raises Error if there is none."""
        if name not in self._known:
            self._known[name] = self._ask(name)
        return self._known[name]

    def unlock(self) -> None:
        """Ask for the passphrase of the CA's key, if it has one; raises Error if it is wrong, or there is none."""
        if CA_PASSPHRASE in self._known or self._store.issuer() is None or not self._store.ca_key_is_encrypted():
            return
        self._known[CA_PASSPHRASE] = right_passphrase(
            lambda: self._ask(CA_PASSPHRASE),
            lambda passphrase: opens_key(passphrase, self._store, self._openssl()),
            key=self._store.path / self._store.ca_key,
            tries=self._tries,
            on_wrong=self._on_wrong,
        )


def right_passphrase(
    ask: Callable[[], str],
    is_right: Callable[[str], bool],
    *,
    key: Path | str,
    tries: int = 1,
    on_wrong: Callable[[Error], None] = lambda _: None,
) -> str:
    """Return the passphrase that opens a key; raises Error after so many wrong ones."""
    for left in reversed(range(tries)):
        passphrase = ask()
        if is_right(passphrase):
            return passphrase
        if left:
            on_wrong(wrong_passphrase(key))
    raise wrong_passphrase(key)
