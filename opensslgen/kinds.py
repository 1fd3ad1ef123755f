"""Kinds of leaf certificates: who shows it, what its template asks, and which profile it is held against."""

from __future__ import annotations

from dataclasses import dataclass


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
    profile: str

    @property
    def title(self) -> str:
        """Such as "a server certificate"."""
        return f"{self.article} {self.name} certificate"


SERVER_USAGES = ("serverAuth", "clientAuth")
"""SIP over mutual TLS needs both."""

KINDS = {
    kind.name: kind
    for kind in (
        Kind("server", "a", "v3_req.cnf", SERVER_USAGES, "serverAuth", "sslserver", "apple"),
        Kind("client", "a", "v3_req.cnf", ("clientAuth",), "clientAuth", "sslclient", "client"),
        Kind("self-signed", "a", "self-signed.cnf", SERVER_USAGES, "serverAuth", "sslserver", "apple"),
    )
}
SERVER, CLIENT, SELF_SIGNED = KINDS.values()
