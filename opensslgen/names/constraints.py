"""Name constraints: the names that a CA may sign for; phones enforce them (RFC 5280 section 4.2.1.10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from opensslgen.errors import UsageError
from opensslgen.text import quote, refuse_hidden

from .general import GeneralName, parse_names


class NameConstraints(NamedTuple):
    """Domains and networks that a CA may sign for, and those that it must not.

    A DNS name stands for itself and all names below it, an IP value is a network such as 10.0.0.0/8. Kinds of names of
    which none is permitted are not limited.
    """

    permitted: tuple[GeneralName, ...] = ()
    excluded: tuple[GeneralName, ...] = ()

    @property
    def limit_addresses(self) -> bool:
        """Whether any of them is a network, which some versions of openssl cannot verify."""
        return any(name.kind == "IP" for name in (*self.permitted, *self.excluded))

    def config_value(self) -> str:
        """Return the value of `nameConstraints =` in an extension file; "" without constraints."""
        entries = [
            f"{what};{name.kind}:{_in_config(name)}"
            for what, names in (("permitted", self.permitted), ("excluded", self.excluded))
            for name in names
        ]
        return ",".join(["critical", *entries]) if entries else ""


UNLIMITED = NameConstraints()
"""What a CA without name constraints has."""


def parse_constraints(*, permit: Iterable[str], exclude: Iterable[str]) -> NameConstraints:
    """Parse name constraints from domains and networks; raises UsageError for any other name."""
    return NameConstraints(
        tuple(name for text in permit for name in _limits(text)),
        tuple(name for text in exclude for name in _limits(text)),
    )


def _limits(text: str) -> Iterable[GeneralName]:
    refuse_hidden(text)
    for word in text.split(","):
        entry = word.strip(" ")
        kind, colon, value = entry.partition(":")
        prefix = kind.strip(" ").upper() if colon else ""
        bare = value.strip(" ") if prefix in ("DNS", "IP") else entry
        if "/" in bare and "://" not in bare and prefix != "DNS":
            yield GeneralName("IP", _network(bare))
            continue
        (name,) = parse_names(entry.removeprefix("."))
        if name.kind == "IP":
            import ipaddress  # few CAs have networks

            yield GeneralName("IP", str(ipaddress.ip_network(name.value)))
        elif name.kind == "DNS" and "*" not in name.value:
            yield name
        else:
            raise UsageError(f"{quote(entry)}: names are limited by a domain such as example.com or a network")


def _network(text: str) -> str:
    import ipaddress

    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(f"{quote(text)} is not a network: write one such as 10.0.0.0/8") from error
    if network.version == 6 and network.network_address.ipv4_mapped:
        raise UsageError(f"{quote(text)} is an IPv4 network written as IPv6: write it as IPv4")
    if ipaddress.ip_interface(text).ip != network.network_address:
        raise UsageError(f"{quote(text)} is an address in a network: write {network}, or the address alone")
    return str(network)


def _in_config(name: GeneralName) -> str:
    if name.kind != "IP":
        return name.value
    import ipaddress

    network = ipaddress.ip_network(name.value)
    return f"{network.network_address}/{network.netmask}"
