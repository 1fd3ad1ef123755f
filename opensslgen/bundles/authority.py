"""Read the certificate, the chain and the key of a CA, in any format, recognised by content."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.pki.folder import around_ca
from opensslgen.plan import layout
from opensslgen.plan.adopt import Adoption, KeyFile
from opensslgen.plan.secrets import P12_PASSWORD
from opensslgen.rules.chain import issuers_among
from opensslgen.suggest import suggest
from opensslgen.text import visible
from opensslgen.x509.pem import pem_blocks

from .holding import certificates_of, is_key, key_label, kind_of, label_of_key
from .pkcs import has_private_key, leaf_first, uses_rc2
from .private_keys import ENCRYPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.x509.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What is needed to read encrypted files."""

    openssl: OpenSSL
    secret: Callable[[str], str]
    """Returns a secret by its name."""


def adoption(file: Path, *, key: Path | None, chain: Path | None, encrypt: bool, reader: Reader) -> Adoption:
    """Return the CA in a file: its certificate, perhaps those above it, and its key.

    `key` and `chain` are files with what the first file lacks. With `encrypt`, a key without a passphrase gets one.
    Raises UnreadableError if a file cannot be read, and UsageError if something is missing.
    """
    if file.is_dir():
        raise _about_folder(file)
    certificates = leaf_first(_certificates(file, reader))
    others = [*certificates[1:], *(_certificates(chain, reader) if chain else ())]
    key_file = _key_file(key or file, reader)
    if key_file is None:
        raise UsageError(f"{visible(str(key or file))}: no private key in it", hint=None if key else "add --key FILE")
    return Adoption(
        certificate=certificates[0],
        above=_above(certificates[0], others),
        key=key_file,
        encrypted=encrypt or key_file.encrypted,
    )


def _about_folder(path: Path) -> UsageError:
    """Return the error for a folder in place of a certificate: it may be a pki folder, as it is, or hold one."""
    if near := around_ca(path):
        return near
    certificate = next((path / name for name in layout.CAS if (path / name).is_file()), None)
    if certificate and any((path / name).is_file() for name in layout.CA_KEYS):
        return UsageError(f"{path} is a pki folder already", hint=f"use it as it is: {suggest('list', pki=path)}")
    key = path / f"{certificate.stem}.key" if certificate else None
    hint = suggest("adopt", str(certificate), "--key", str(key)) if key and key.is_file() else None
    return UsageError(f"{path} is a folder: name the file of the CA's certificate", hint=hint)


@contextmanager
def _name_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UnreadableError as error:
        raise UnreadableError(f"{visible(str(path))}: {error.message}") from error


def _certificates(path: Path, reader: Reader) -> list[Certificate]:
    return certificates_of(path, openssl=lambda: reader.openssl, password=lambda: reader.secret(P12_PASSWORD))


def _key_file(path: Path, reader: Reader) -> KeyFile | None:
    data = read_file(path)
    kind = kind_of(data)
    with _name_in_errors(path):
        if kind == "pkcs12":
            if not has_private_key(data, reader.openssl, reader.secret(P12_PASSWORD)):
                return None
            return KeyFile(path=str(path), form="pkcs12", legacy=uses_rc2(data))
        if kind == "key":
            label = key_label(data)
            return KeyFile(path=str(path), form="der", label=label, encrypted=label == ENCRYPTED)
        labels = [label_of_key(block, data) for block in pem_blocks(data) if is_key(block)] if kind == "pem" else []
    return KeyFile(path=str(path), form="pem", encrypted=labels[0] == ENCRYPTED) if labels else None


def _above(certificate: Certificate, others: list[Certificate]) -> tuple[Certificate, ...]:
    """Return the certificates above one, up to the root; raises Error if any is missing."""
    above = issuers_among(certificate, others)
    last = (certificate, *above)[-1]
    if not last.is_self_issued:
        raise Error(
            f"the certificate of {last.issuer or 'a CA without a name'}, which issued {last.subject}, is missing",
            hint="phones trust only the root: add --chain FILE, with the certificates up to the root",
        )
    return above
