"""List the rules, as text for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.rules.profiles import PROFILES, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opensslgen.rules.rule import Rule


def rules_text(rules: Iterable[Rule]) -> str:
    """Return what each rule demands, its source, since when it applies, and which profiles contain it."""
    profiles = _profiles_by_rule()
    lines = []
    for rule in rules:
        since = f", since {rule.effective}" if rule.effective else ""
        lines.append(f"{rule.id} ({rule.severity} in {', '.join(profiles.get(rule.id, []))}{since})")
        lines.append(f"    {rule.reason} ({rule.citation})")
    return "\n".join(lines) + "\n"


def rules_json(rules: Iterable[Rule]) -> list[dict[str, object]]:
    """Return the same for a program."""
    profiles = _profiles_by_rule()
    return [
        {
            "id": rule.id,
            "severity": rule.severity,
            "reason": rule.reason,
            "citation": rule.citation,
            "effective": rule.effective and rule.effective.isoformat(),
            "profiles": profiles.get(rule.id, []),
        }
        for rule in rules
    ]


def _profiles_by_rule() -> dict[str, list[str]]:
    """Return the names of the profiles that contain each rule, by its id."""
    found: dict[str, list[str]] = {}
    for name in PROFILES:
        for rule in rules_of([name]):
            found.setdefault(rule.id, []).append(name)
    return found
