"""List the rules, as text for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.rules.profiles import PROFILES, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opensslgen.rules.calendar import Change
    from opensslgen.rules.rule import Rule


def rules_text(rules: Iterable[Rule]) -> str:
    """Return what each rule demands, its source, when it applies, and which profiles contain it."""
    profiles = _profiles_by_rule()
    lines = []
    for rule in rules:
        by_severity: dict[str, list[str]] = {}
        for name, severity in profiles[rule.id].items():
            by_severity.setdefault(severity, []).append(name)
        where = "; ".join(f"{severity} in {', '.join(names)}" for severity, names in by_severity.items())
        since = f", since {rule.effective}" if rule.effective else ""
        until = f", until {rule.until}" if rule.until else ""
        lines.append(f"{rule.id} ({where}{since}{until})")
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
            "until": rule.until and rule.until.isoformat(),
            "profiles": list(profiles[rule.id]),
        }
        for rule in rules
    ]


def changes_text(changes: Iterable[Change]) -> str:
    """Return what changes on which day, with its source."""
    lines = []
    for change in changes:
        rule = f" [{change.rule}]" if change.rule else ""
        lines.append(f"{change.day}  {change.what}{rule}")
        lines.append(f"            ({change.source})")
    return "\n".join(lines) + "\n"


def changes_json(changes: Iterable[Change]) -> list[dict[str, object]]:
    """Return the same for a program."""
    return [
        {"day": change.day.isoformat(), "what": change.what, "citation": change.source, "rule": change.rule}
        for change in changes
    ]


def _profiles_by_rule() -> dict[str, dict[str, str]]:
    """Return the profiles that contain each rule, by its id, and its severity there."""
    found: dict[str, dict[str, str]] = {}
    for name in PROFILES:
        for rule in rules_of([name]):
            found.setdefault(rule.id, {})[name] = rule.severity
    return found
