"""The secrets that plans name, and the values that every openssl accepts."""

from __future__ import annotations

from opensslgen.errors import UsageError

CA_PASSPHRASE = "OPENSSLGEN_CA_PASSPHRASE"  # noqa: S105 - the name of an environment variable
NEW_PASSPHRASE = "OPENSSLGEN_NEW_PASSPHRASE"  # noqa: S105
P12_PASSWORD = "OPENSSLGEN_P12_PASSWORD"  # noqa: S105
BACKUP_PASSPHRASE = "OPENSSLGEN_BACKUP_PASSPHRASE"  # noqa: S105

SECRETS = {
    CA_PASSPHRASE: "passphrase of the root's key",
    NEW_PASSPHRASE: "new passphrase",
    P12_PASSWORD: "password of the PKCS#12 file",
    BACKUP_PASSPHRASE: "passphrase of the backup",
}
"""Their names in messages."""


def fit_secret(name: str, text: str) -> str:
    """Return a secret; raises UsageError if some openssl would not accept it from the environment."""
    what = SECRETS[name]
    if len(text) < 4:
        raise UsageError(f"the {what} is shorter than 4 characters, which openssl refuses")
    if len(text.encode("utf-8", "surrogateescape")) > 1000:
        raise UsageError(f"the {what} is longer than 1000 bytes: OpenSSL would write a key that it cannot read again")
    if not text.isprintable():
        raise UsageError(f"the {what} holds a control character")
    if name == P12_PASSWORD and not text.isascii():
        raise UsageError(f"the {what} holds a letter outside ASCII, which OpenSSL 1.0 and 1.1 encode differently")
    return text
