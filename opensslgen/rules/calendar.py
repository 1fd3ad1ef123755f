"""When rules begin and end, and other dates that change which certificates work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from .profiles import RULES
from .public import BASELINE, CHROME, LIMITS

_LETS_ENCRYPT = "Let's Encrypt"


@dataclass(frozen=True, slots=True)
class Change:
    """What changes on a day."""

    day: date
    what: str
    source: str
    rule: str | None = None
    """The id of the rule that checks it; None: it is only worth knowing."""


_OTHERS = (
    Change(
        date(2026, 1, 1),
        "During January: Let's Encrypt issues certificates for IP addresses, valid for 160 hours.",
        _LETS_ENCRYPT,
    ),
    Change(date(2026, 5, 13), "Let's Encrypt's profile tlsserver issues certificates for 45 days.", _LETS_ENCRYPT),
    Change(date(2026, 6, 15), "Public intermediate CAs disclosed from this day on are for serverAuth only.", CHROME),
    Change(
        date(2026, 7, 8),
        "Let's Encrypt issues no certificates with clientAuth.",
        _LETS_ENCRYPT,
        "public-client-auth-ends",
    ),
    Change(date(2026, 9, 15), "SHA-1 is gone from public CAs.", f"{BASELINE} 2.2.6", "apple-signature-hash"),
)
"""Dates that are in no rule. Apple names no day for iOS 27."""


def changes() -> tuple[Change, ...]:
    """Return all changes by date: the first and last days of rules, the steps of limits, and other dates."""
    found = [Change(rule.effective, rule.reason, rule.citation, rule.id) for rule in RULES.values() if rule.effective]
    found += [
        Change(rule.until, "New certificates are no longer held to this rule.", rule.citation, rule.id)
        for rule in RULES.values()
        if rule.until
    ]
    source = RULES["public-validity"].citation
    found += [
        Change(since, f"Public certificates may be valid for at most {days} days.", source, "public-validity")
        for since, days in LIMITS
    ]
    return tuple(sorted((*found, *_OTHERS), key=lambda change: change.day))
