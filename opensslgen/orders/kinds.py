"""Kinds of leaf certificates, with their templates and profiles."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.x509.certificate import Certificate


class ProfileName(str, enum.Enum):
    """The profiles that new certificates must comply with; `rules.profiles` defines them."""

    APPLE = "apple"
    CLIENT = "client"
    ROOT = "root"

    def __str__(self) -> str:
        """Return the name as people type it."""
        return self.value


class Kind(NamedTuple):
    """One kind of leaf."""

    name: str
    """Also the name of its command, and of its files in the work folder."""
    article: str
    """The article before the name in messages."""
    template: str
    extended_key_usage: tuple[str, ...]
    """The default, by openssl's short names."""
    demanded: str
    """The usage that defines this kind."""
    purpose: str
    """As `openssl verify -purpose` names it."""
    profile: ProfileName

    @property
    def title(self) -> str:
        """Such as "a server certificate"."""
        return f"{self.article} {self.name} certificate"

    @property
    def is_self_signed(self) -> bool:
        """Whether it is issued by no CA."""
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
    """Return the purpose of a certificate by its contents; also "root", "authority", "any use" and "other"."""
    if authority:
        return "root" if self_signed else "authority"
    if self_signed:
        return SELF_SIGNED.name
    if usages is None or "anyExtendedKeyUsage" in usages:
        return "any use"
    return next((kind.name for kind in (SERVER, CLIENT) if kind.demanded in usages), "other")


def kind_of(certificate: Certificate | None) -> str:
    """Return `kind_name` of a certificate; "?" for None, a certificate that could not be read."""
    if certificate is None:
        return "?"
    return kind_name(
        authority=certificate.is_authority,
        self_signed=certificate.is_self_signed,
        usages=certificate.extended_key_usage,
    )
