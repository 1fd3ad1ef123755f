"""Profiles: which rules a certificate of some kind, or for some judge, must keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import UsageError
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Collection

    from .rules import Rule


@dataclass(frozen=True, slots=True)
class Profile:
    """A named table of rules."""

    name: str
    title: str
    rules: tuple[str, ...]
    """By their ids."""

    def without(self, allowed: Collection[str]) -> list[Rule]:
        """Return the rules but those that `--allow` names; raises UsageError for an unknown id."""
        unknown = sorted(set(allowed) - set(RULES))
        if unknown:
            raise UsageError(f"unknown rule {unknown[0]!r}", hint=f"the rules are {', '.join(RULES)}")
        return [RULES[name] for name in self.rules if name not in allowed]


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "apple",
            "what Apple publishes for TLS servers, and what every client asks of a leaf",
            (
                "apple-key-size",
                "apple-signature-hash",
                "apple-san",
                "apple-eku",
                "apple-validity",
                "leaf-is-ca",
                "ip-as-dns",
                "empty-cn",
            ),
        ),
        Profile(
            "root",
            "what a phone needs of a root",
            ("root-cn", "root-ca", "root-key-cert-sign", "apple-key-size", "apple-signature-hash"),
        ),
    )
}
