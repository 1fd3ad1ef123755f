"""The rules to judge by, chosen by the names of profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opensslgen.rules.profiles import rules_of
from opensslgen.rules.roles import AUTHORITY, CLIENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from opensslgen.rules.rule import Rule

DEFAULT = "apple"
"""The profile for everything that is not known to be for a CA or a client, if no profile is named."""


class Chosen(NamedTuple):
    """The rules to judge by."""

    profiles: tuple[str, ...]
    rules: tuple[Rule, ...]
    by_kind: Mapping[str, tuple[Rule, ...]]
    """Other rules for CAs and clients; empty if profiles were named, which then apply to all."""


def chosen_rules(names: Iterable[str] = (), *, allow: Collection[str] = ()) -> Chosen:
    """Return the rules of the profiles, without the allowed ones; a name may be a list, separated by commas.

    Raises UsageError for an unknown profile or rule.
    """
    named = split_names(names)
    profiles = named or (DEFAULT,)
    by_kind = {} if named else {AUTHORITY: rules_of(["root"], allow), CLIENT: rules_of(["client"], allow)}
    return Chosen(profiles, rules_of(profiles, allow), by_kind)


def split_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in lists that are separated by commas, each once."""
    found = (name.strip() for text in names for name in text.split(","))
    return tuple(dict.fromkeys(name for name in found if name))
