"""The extension section alone, for a script that writes its own config."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from opensslgen.errors import UsageError
from opensslgen.files.read import read_template
from opensslgen.orders.order import leaf_order
from opensslgen.orders.usages import extended_key_usages, key_usages
from opensslgen.plan.section import from_script
from opensslgen.plan.template import shipped

from .job import refuse_violations

_SHIPPED = ("gen_certs", "v3_req")
"""The templates that can be named; any other name is a file."""


def section_text(
    names: Iterable[str],
    variables: Mapping[str, str],
    *,
    extended_key_usage: Iterable[str] = (),
    key_usage: Iterable[str] = (),
    template: str = "gen_certs",
    allow: Collection[str] = (),
) -> str:
    """Return the section with these values; missing values come from the variables of the vendor's script.

    Raises UsageError for a bad value or without names, and Violation for a leaf that would break a rule.
    """
    names = tuple(names)
    if not names and not variables.get("SUBJECT_ALT_NAME"):
        raise UsageError("there are no names", hint="write them as arguments, or set SUBJECT_ALT_NAME")
    section = from_script(variables, names=names, key_usage=key_usages(key_usage))
    usages = extended_key_usages(extended_key_usage)
    section = replace(section, extended_key_usage=usages) if usages else section
    if "CA:FALSE" in section.basic_constraints:
        order = replace(leaf_order("host.invalid"), names=section.names, extended_key_usage=section.extended_key_usage)
        refuse_violations(order, allow=allow)
    return section.fill(shipped(f"{template}.cnf") if template in _SHIPPED else read_template(Path(template)))
