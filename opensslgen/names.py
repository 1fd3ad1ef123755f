"""Names that a certificate may carry, parsed so strictly that openssl's config syntax finds nothing to interpret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GeneralName:
    """One subject alternative name (RFC 5280 4.2.1.6).

    `kind` is "DNS", "IP", "email" or "URI" as openssl's config writes them; decoded certificates also have "dirName",
    "RID", "otherName", "x400" and "ediParty". `value` is text, an IP address in its shortest form; for kinds without
    text it is the content in hex.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"
