"""What name constraints forbid (RFC 5280 section 4.2.1.10), for every kind of name.

Tables keep this fast: the time grows with the sum of constraints and names, not with their product.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.names.constraints import NameConstraints
    from opensslgen.names.general import GeneralName

_URI_HOST = pattern(r"[^:/?#]+://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)", re.DOTALL)


class Limits:
    """The name constraints of a CA, prepared for checking many names."""

    def __init__(self, constraints: NameConstraints) -> None:
        """Sort the constraints into tables."""
        self._permitted, self._excluded = _subtrees(constraints.permitted), _subtrees(constraints.excluded)

    def forbid(self, name: GeneralName) -> bool:
        """Tell whether the constraints forbid the name in a certificate below the CA.

        If a constraint cannot be compared with a name of its kind, it forbids the name: that is the safe answer.
        """
        if name.kind in self._excluded.kinds and self._excluded.covers(name, any_part=True) is not False:
            return True
        return name.kind in self._permitted.kinds and not self._permitted.covers(name, any_part=False)


@dataclass
class _Subtrees:
    """Constraints in lower case, by the way in which they are compared."""

    kinds: set[str] = field(default_factory=set)
    exact: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By kind: hosts, mailboxes, and other values that match only themselves."""
    below: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By kind: domains that match all names below them."""
    parents: set[str] = field(default_factory=set)
    """The direct parents of the DNS constraints: a wildcard below such a parent matches some constrained name."""
    networks: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    """By version and length of the prefix: the prefixes."""
    directory: dict[int, set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))
    """Directory names by the number of their parts."""

    def covers(self, name: GeneralName, *, any_part: bool) -> bool | None:
        """Tell whether a constraint of its kind covers a name; None if they cannot be compared.

        With `any_part`, a wildcard is covered if at least one of the names that it matches is covered.
        """
        if name.kind == "DNS":
            host = name.value.lower().removesuffix(".")
            return self._host("DNS", host) or (any_part and host.startswith("*.") and host[2:] in self.parents)
        if name.kind == "IP":
            return self._address(name.value)
        if name.kind == "dirName":
            parts = _parts(name.value)
            return any(parts[:count] in entries for count, entries in self.directory.items())
        if name.kind == "email":
            local, _, host = name.value.rpartition("@")
            return f"{local}@{host.lower()}" in self.exact["email"] or self._host("email", host.lower())
        if name.kind == "URI":
            match = _URI_HOST.match(name.value)
            return self._host("URI", match["host"].lower()) if match and match["host"] else None
        return None

    def _host(self, kind: str, host: str) -> bool:
        below = self.below[kind]
        return host in self.exact[kind] or any(domain in below for domain in _domains_above(host))

    def _address(self, value: str) -> bool:
        import ipaddress  # imported here because few CAs have name constraints

        address = ipaddress.ip_address(value)
        return any(
            version == address.version and int(address) >> (address.max_prefixlen - length) in prefixes
            for (version, length), prefixes in self.networks.items()
        )


def _domains_above(host: str) -> Iterator[str]:
    while host:
        host = host.partition(".")[2]
        yield host


def _parts(directory_name: str) -> tuple[str, ...]:
    return tuple([" ".join(part.lower().split()) for part in directory_name.split(", ")]) if directory_name else ()


def _subtrees(constraints: Iterable[GeneralName]) -> _Subtrees:
    import ipaddress

    found = _Subtrees()
    for constraint in constraints:
        kind, value = constraint.kind, constraint.value
        found.kinds.add(kind)
        if kind == "IP":
            network = ipaddress.ip_network(value)
            prefix = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            found.networks[network.version, network.prefixlen].add(prefix)
        elif kind == "dirName":
            parts = _parts(value)
            found.directory[len(parts)].add(parts)
        elif "@" in value and kind == "email":
            local, _, host = value.rpartition("@")
            found.exact[kind].add(f"{local}@{host.lower()}")
        else:
            domain = value.lower()
            # A DNS constraint covers the domain and all names below; the other kinds need a dot at the start for that.
            if not domain.startswith("."):
                found.exact[kind].add(domain)
                if kind == "DNS":
                    found.parents.add(domain.partition(".")[2])
            if kind == "DNS" or domain.startswith(".") or not domain:
                found.below[kind].add(domain.removeprefix("."))
    return found
