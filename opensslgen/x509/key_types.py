"""Key types: the values of `--key-type`, and the parameters of openssl for each."""

from __future__ import annotations

import re
from typing import NamedTuple

from opensslgen.errors import UsageError
from opensslgen.patterns import pattern

_WRITTEN = pattern("[A-Za-z0-9]+(?:[ :_-][A-Za-z0-9]+)*")


class KeyType(NamedTuple):
    """One type of key pair; Apple's devices accept all of them (support page 103769)."""

    name: str
    algorithm: str
    """"RSA" or "EC", as in `PublicKey.algorithm`."""
    bits: int
    """Of the RSA modulus or the EC field."""
    curve: str | None = None
    """The curve's name in openssl, in the form that every version since 1.0.1 knows."""

    @property
    def key_usage(self) -> tuple[str, ...]:
        """The key usages of a leaf with such a key: an EC key cannot encrypt (RFC 8813 section 3)."""
        return ("digitalSignature", "keyEncipherment") if self.algorithm == "RSA" else ("digitalSignature",)


KEY_TYPES = {
    key_type.name: key_type
    for key_type in (
        KeyType("rsa-2048", "RSA", 2048),
        KeyType("rsa-3072", "RSA", 3072),
        KeyType("rsa-4096", "RSA", 4096),
        KeyType("p-256", "EC", 256, "prime256v1"),
        KeyType("p-384", "EC", 384, "secp384r1"),
    )
}
DEFAULT = KEY_TYPES["rsa-2048"]


def key_type(name: str) -> KeyType:
    """Return the key type that a user calls `RSA 2048`, `rsa:2048`, `2048`, `P-256` or `prime256v1`."""
    plain = re.sub("[ :_-]", "", name.lower()) if _WRITTEN.fullmatch(name) else ""
    for known in KEY_TYPES.values():
        if plain in {known.name.replace("-", ""), str(known.bits) if known.algorithm == "RSA" else known.curve}:
            return known
    raise UsageError(f"unknown key type {name!r}: write one of {', '.join(KEY_TYPES)}")
