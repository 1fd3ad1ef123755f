"""The address, names, password and certificate of the web interface."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder, missing_ca
from opensslgen.plan.layout import CA_CHAIN
from opensslgen.suggest import suggest

from .tls import context_of

if TYPE_CHECKING:
    from pathlib import Path
    from ssl import SSLContext

    from opensslgen.openssl.command import OpenSSL

SHORTEST_PASSWORD = 12
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """How browsers reach the form."""

    host: str
    """In the URL that is printed."""
    names: frozenset[str]
    """The names and addresses by which browsers may ask."""
    context: SSLContext | None = None
    """None: plain HTTP, on this machine only."""

    @property
    def scheme(self) -> str:
        """The scheme of its URL."""
        return "https" if self.context else "http"

    def url(self, port: int) -> str:
        """Return the URL that browsers open, with a slash at its end."""
        return f"{self.scheme}://{in_url(self.host)}:{port}/"

    def hosts(self, port: int) -> frozenset[str]:
        """Return what a browser may send as Host: it omits the port that is the default of the scheme."""
        names = {in_url(name) for name in self.names}
        is_default = port == (443 if self.context else 80)
        return frozenset(f"{name}:{port}" for name in names) | (names if is_default else set())


def entrance(address: str, *, name: str | None, has_password: bool, pki: Path, openssl: OpenSSL) -> Entrance:
    """Return how the form is reached on an IP address: by TLS and with a password, unless it is this machine's own.

    Raises UsageError if either is missing, and Error if there is no certificate for the name or address.
    """
    local = {"localhost", "127.0.0.1", "::1", address}
    if ipaddress.ip_address(address).is_loopback:
        if name:
            raise UsageError("--name can only be used with --address: this machine needs no TLS for itself")
        return Entrance(host=address, names=frozenset(local))
    if not has_password:
        raise UsageError(
            f"other machines can reach {address}, so a password is needed", hint="add --password-file FILE"
        )
    if ipaddress.ip_address(address).is_unspecified and not name:
        raise UsageError(
            f"{address} stands for every address of this machine, so no certificate can be chosen by it",
            hint="add --name NAME, the name that browsers use; to issue a certificate for it:"
            f" {suggest('server', 'NAME', pki=pki)}",
        )
    context, names = tls_settings(name or address, address, pki=pki, openssl=openssl)
    return Entrance(host=name or address, names=names, context=context)


def tls_settings(name: str, address: str, *, pki: Path, openssl: OpenSSL) -> tuple[SSLContext, frozenset[str]]:
    """Return the TLS settings, and the names by which browsers may ask.

    Raises Error unless the folder has a certificate for the name that its CA has issued.
    """
    folder = Folder(pki)
    root = folder.root.certificate if folder.root else None
    try:
        if root is None:
            raise missing_ca(pki)
        found = lookup.find_in_folder(folder, name)
    except Error as error:
        by_name = name == address or ipaddress.ip_address(address).is_unspecified
        san = () if by_name else ("--san", f"IP:{address}")
        hint = f"to issue one, run: {suggest('server', name, *san, pki=pki)}"
        raise Error(f"TLS needs a certificate for {name}: {error.message}", hint=hint) from error
    context = context_of(found, authority=root, above=folder.path / CA_CHAIN, openssl=openssl)
    return context, frozenset(other.value for other in found.certificate.names if other.kind in {"DNS", "IP"})


def fit_password(password: str) -> str:
    """Return a password that is long enough; raises UsageError for any other."""
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(f"the password is shorter than {SHORTEST_PASSWORD} characters")
    return password


def parse_address(text: str) -> str:
    """Return an IP address to listen on, without brackets; raises UsageError for anything else."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text.strip("[]")))
    except ValueError:
        raise UsageError(f"{text!r} is not an IP address of this machine: write one such as 10.0.0.9") from None


def in_url(host: str) -> str:
    """Return a host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
