"""A private key of the user, for a new certificate."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.openssl.command import OpenSSL, OpenSSLError
from opensslgen.suggest import shell_words
from opensslgen.x509.public_keys import decode_public_key

if TYPE_CHECKING:
    from opensslgen.orders.order import LeafOrder
from opensslgen.x509.public_keys import PublicKey


def with_key(order: LeafOrder, openssl: OpenSSL) -> LeafOrder:
    """Return the order with the public half of the user's key, if it names one.

    Raises Error if the key cannot be read or used.
    """
    if order.key_file is None:
        return order
    key = _public_key(Path(order.key_file), openssl)
    return replace(order, key_type=key.key_type, public_key=key)


def _public_key(path: Path, openssl: OpenSSL) -> PublicKey:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        encrypted = regular and b"ENCRYPTED" in path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read the key {path}: {error.strerror}") from error
    if not regular:
        raise UnreadableError(f"the key {path} is not a regular file")
    if encrypted:
        raise UsageError(
            f"the key {path} has a passphrase, and a server's key must not",
            hint="write it without, into a file that only you can read:"
            f" openssl pkey -in {shell_words(str(path))} -out FILE",
        )
    try:
        answer = openssl.run(["pkey", "-in", str(path.absolute()), "-pubout", "-outform", "DER"])
    except OpenSSLError as error:
        raise Error(f"{path} has no private key in it that openssl can read ({error.message})") from error
    key = decode_public_key(answer.stdout)
    if key.algorithm not in {"RSA", "EC"}:
        raise Error(f"{path} has a key of the kind {key.algorithm}; only RSA and EC keys are accepted")
    return key
