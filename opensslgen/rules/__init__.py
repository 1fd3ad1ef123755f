"""Rules: small functions that hold a certificate against one demand each, and say what is wrong.

Templates ask, rules demand: nothing here knows how our certificates are made. An error is what a phone or a strict
client refuses, or what was demanded by an option; a warning is a likely fault; a note is worth knowing.
"""

from __future__ import annotations

from . import apple, chain, client, form, names, public, readers, root, strict
from .apple import APPLE, APPLE_LIMIT, SINCE_JULY_2019
from .case import ERROR, NOTE, PASS, WARNING, Case, Finding, Messages, Rule, judge, judge_request, raised
from .chain import issuer_among, issuers_among
from .names import matches

__all__ = [
    "APPLE",
    "APPLE_LIMIT",
    "ERROR",
    "NOTE",
    "PASS",
    "RULES",
    "SINCE_JULY_2019",
    "WARNING",
    "Case",
    "Finding",
    "Messages",
    "Rule",
    "issuer_among",
    "issuers_among",
    "judge",
    "judge_request",
    "matches",
    "raised",
]

RULES: dict[str, Rule] = {
    rule.id: rule
    for module in (apple, public, strict, root, client, chain, form, names, readers)
    for rule in module.RULES
}
"""All rules by their ids, those of one profile first."""
