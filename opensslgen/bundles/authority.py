"""What people have of an authority, in any of the forms in which it comes: recognised by content, and put in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.plan.adopt import Adoption, KeyFile
from opensslgen.plan.secrets import P12_PASSWORD
from opensslgen.rules.chain import issuers_among
from opensslgen.text import visible
from opensslgen.x509.der import DecodeError
from opensslgen.x509.pem import pem_blocks

from .holding import certificates_in, holding_of, is_key, key_label, kind_of, label_of_key
from .pkcs import has_private_key, leaf_first, uses_rc2
from .private_keys import ENCRYPTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.x509.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What it takes to look into encrypted files."""

    openssl: OpenSSL
    secret: Callable[[str], str]
    """As in `Authority`."""


def adoption(file: Path, *, key: Path | None, chain: Path | None, encrypt: bool, reader: Reader) -> Adoption:
    """Return the authority that is in a file: a certificate, perhaps with those above it, and its key.

    `key` and `chain` name files with what is not in it; with `encrypt` a key without a passphrase gets one. Raises
    UnreadableError for what cannot be read, and UsageError if something is missing.
    """
    certificates = leaf_first(_certificates(file, reader))
    others = [*certificates[1:], *(_certificates(chain, reader) if chain else ())]
    key_file = _key_file(key or file, reader)
    if key_file is None:
        raise UsageError(
            f"{visible(str(key or file))}: no private key in it", hint=None if key else "name its file with --key FILE"
        )
    return Adoption(
        certificate=certificates[0],
        above=_above(certificates[0], others),
        key=key_file,
        encrypted=encrypt or key_file.encrypted,
    )


def _certificates(path: Path, reader: Reader) -> list[Certificate]:
    data = read_file(path)
    kind = kind_of(data)
    found: list[Certificate] = []
    try:
        if kind == "pem":
            found = [each for block in pem_blocks(data) for each in certificates_in(block)]
        elif kind in ("certificate", "pkcs7", "pkcs12"):
            holding = holding_of(
                data, kind, openssl=lambda: reader.openssl, password=lambda: reader.secret(P12_PASSWORD)
            )
            found = holding.certificates
    except DecodeError as error:
        raise UnreadableError(f"{visible(str(path))}: {error}") from error
    except UnreadableError as error:
        raise UnreadableError(f"{visible(str(path))}: {error.message}") from error
    if not found:
        raise UnreadableError(f"{visible(str(path))}: no certificate in it")
    return found


def _key_file(path: Path, reader: Reader) -> KeyFile | None:
    data = read_file(path)
    kind = kind_of(data)
    if kind == "pkcs12":
        try:
            if not has_private_key(data, reader.openssl, reader.secret(P12_PASSWORD)):
                return None
        except UnreadableError as error:
            raise UnreadableError(f"{visible(str(path))}: {error.message}") from error
        return KeyFile(path=str(path), form="pkcs12", legacy=uses_rc2(data))
    if kind == "key":
        label = key_label(data)
        return KeyFile(path=str(path), form="der", label=label, encrypted=label == ENCRYPTED)
    if kind != "pem":
        return None
    try:
        labels = [label_of_key(block, data) for block in pem_blocks(data) if is_key(block)]
    except DecodeError as error:
        raise UnreadableError(f"{visible(str(path))}: {error}") from error
    if not labels:
        return None
    return KeyFile(path=str(path), form="pem", encrypted=labels[0] == ENCRYPTED)


def _above(certificate: Certificate, others: list[Certificate]) -> tuple[Certificate, ...]:
    """Return the certificates above one, up to the root; raises Error if one is missing."""
    above = issuers_among(certificate, others)
    last = (certificate, *above)[-1]
    if not last.is_self_issued:
        raise Error(
            f"{last.issuer or 'a nameless authority'} is missing, which stands above {last.subject}",
            hint="phones trust the root: give the certificates up to it with --chain FILE",
        )
    return above
