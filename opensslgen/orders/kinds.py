"""Kinds of leaf certificates: who shows it, what its template asks, and which profile it is held against."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.x509.certificate import Certificate


class ProfileName(str, enum.Enum):
    """The profiles that certificates are held against when they are made; `rules.profiles` says what is in them."""

    APPLE = "apple"
    CLIENT = "client"
    ROOT = "root"

    def __str__(self) -> str:
        """Return the name as people type it."""
        return self.value


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of leaf."""

    name: str
    """Also of its command and of its files in the work folder."""
    article: str
    """That people put before it."""
    template: str
    extended_key_usage: tuple[str, ...]
    """By openssl's short names, unless others are asked for."""
    demanded: str
    """The one of them that makes it this kind."""
    purpose: str
    """As `openssl verify -purpose` names it."""
    profile: ProfileName

    @property
    def title(self) -> str:
        """Such as "a server certificate"."""
        return f"{self.article} {self.name} certificate"

    @property
    def is_self_signed(self) -> bool:
        """Whether it is issued by no authority."""
        return self.name == "self-signed"


SERVER_USAGES = ("serverAuth", "clientAuth")
"""SIP over mutual TLS needs both."""

KINDS = {
    kind.name: kind
    for kind in (
        Kind("server", "a", "v3_req.cnf", SERVER_USAGES, "serverAuth", "sslserver", ProfileName.APPLE),
        Kind("client", "a", "v3_req.cnf", ("clientAuth",), "clientAuth", "sslclient", ProfileName.CLIENT),
        Kind("self-signed", "a", "self-signed.cnf", SERVER_USAGES, "serverAuth", "sslserver", ProfileName.APPLE),
    )
}
SERVER, CLIENT, SELF_SIGNED = KINDS.values()


def kind_name(*, authority: bool, self_signed: bool, usages: Collection[str] | None) -> str:
    """Return what a certificate is for by what is in it; also "root", "authority", "any use" and "other"."""
    if authority:
        return "root" if self_signed else "authority"
    if self_signed:
        return SELF_SIGNED.name
    if usages is None or "anyExtendedKeyUsage" in usages:
        return "any use"
    return next((kind.name for kind in (SERVER, CLIENT) if kind.demanded in usages), "other")


def kind_of(certificate: Certificate | None) -> str:
    """Return what `kind_name` does for a certificate; "?" for one that could not be read."""
    if certificate is None:
        return "?"
    return kind_name(
        authority=certificate.is_authority,
        self_signed=certificate.is_self_signed,
        usages=certificate.extended_key_usage,
    )
