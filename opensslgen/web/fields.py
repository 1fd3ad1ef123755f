"""The fields of the form: what was typed, and what is wrong with it, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.job import Violation, refuse_violations
from opensslgen.orders.kinds import SERVER
from opensslgen.orders.order import LEAF_DAYS, LeafOrder, leaf_order
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD, fit_secret
from opensslgen.x509 import key_types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.datastructures import MultiDict

    from opensslgen.rules.rule import Finding

EXTENDED_KEY_USAGES = SERVER.extended_key_usage
"""Those that can be ticked."""
KEY_USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement")
"""Those that can be ticked; the others are an authority's, or restrict keyAgreement."""
FORM = "form"
"""In place of a field's name: what concerns all of it."""

_FIELD_OF_RULE = {
    "apple-validity": "days",
    "leaf-outlives-issuer": "days",
    "apple-eku": "eku",
    "key-usage": "key_usage",
    "apple-key-size": "key_type",
    "apple-key-type": "key_type",
    "apple-san": "names",
    "dns-malformed": "names",
    "ip-as-dns": "names",
    "wildcard-tld": "names",
    "empty-cn": "name",
}


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What the form holds, as it is shown again; no secret is in it."""

    name: str = ""
    names: str = ""
    """Subject alternative names, in lines or between commas."""
    days: str = str(LEAF_DAYS)
    eku: tuple[str, ...] = EXTENDED_KEY_USAGES
    key_type: str = key_types.DEFAULT.name
    key_usage: tuple[str, ...] = ()
    """None: what suits the key."""
    compatible: bool = False
    """Whether the PKCS#12 file is in the form that old devices read."""
    elsewhere: bool = False
    """Whether another machine is to make it, by a script."""
    replace: bool = False
    """Whether files that exist may be replaced."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the subject alternative names that are not empty."""
        return tuple(line for line in self.names.splitlines() if line.strip())


@dataclass(frozen=True)
class Problem:
    """What is wrong with a field."""

    message: str
    findings: tuple[Finding, ...] = ()
    """The rules that it breaks, if that is what is wrong."""


def typed(form: MultiDict[str, str]) -> Typed:
    """Return what a browser has sent."""
    return Typed(
        name=form.get("name", ""),
        names=form.get("names", ""),
        days=form.get("days", "").strip(),
        eku=tuple(form.getlist("eku")),
        key_type=form.get("key_type", ""),
        key_usage=tuple(form.getlist("key_usage")),
        compatible="compatible" in form,
        elsewhere=form.get("where") == "elsewhere",
        replace="replace" in form,
    )


def secrets(form: MultiDict[str, str]) -> dict[str, str]:
    """Return the secrets that a browser has sent, by the names that plans have for them."""
    given = {CA_PASSPHRASE: form.get("passphrase", ""), P12_PASSWORD: form.get("p12_password", "")}
    return {name: value for name, value in given.items() if value}


def order(wanted: Typed, *, p12: bool) -> LeafOrder:
    """Return the order; raises UsageError for any fault."""
    return leaf_order(
        wanted.name,
        san=wanted.lines,
        key_type=key_types.key_type(wanted.key_type),
        days=_days(wanted.days),
        extended_key_usage=wanted.eku,
        key_usage=wanted.key_usage,
        p12=("p12-compat" if wanted.compatible else "p12") if p12 else None,
    )


def problems(wanted: Typed, given: Mapping[str, str]) -> dict[str, Problem]:
    """Return what is wrong with each field by itself; the same functions judge it that make the order."""
    checks: dict[str, Callable[[], LeafOrder | None]] = {
        "name": lambda: leaf_order(wanted.name),
        "names": lambda: leaf_order(_ANY, san=wanted.lines),
        "days": lambda: leaf_order(_ANY, days=_days(wanted.days)),
        "eku": lambda: _extended_key_usage(wanted),
        "key_type": lambda: leaf_order(_ANY, key_type=key_types.key_type(wanted.key_type)),
        "key_usage": lambda: leaf_order(_ANY, key_usage=wanted.key_usage),
        "p12_password": lambda: _p12_password(wanted, given),
        "passphrase": lambda: _passphrase(given),
    }
    found = {}
    for field, check in checks.items():
        try:
            partly = check()
            if partly is not None:
                refuse_violations(partly, allow=())
        except Violation as violation:
            found[field] = Problem(violation.message, tuple(violation.findings))
        except Error as error:
            found[field] = Problem(error.message)
    return found


_ANY = "host.invalid"


def problems_of_rules(findings: list[Finding]) -> dict[str, Problem]:
    """Return what rules have against an order, beside the fields that they are about."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(_FIELD_OF_RULE.get(finding.rule.id, FORM), []).append(finding)
    return {
        field: Problem("this would break a rule, so nothing was made", tuple(several))
        for field, several in found.items()
    }


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("write the lifetime as a number of days, such as 820")
    return int(text)


def _extended_key_usage(wanted: Typed) -> LeafOrder:
    if not wanted.eku:
        # To the order none would mean the default.
        raise UsageError("tick at least serverAuth, which Apple's devices ask of a server")
    return leaf_order(_ANY, extended_key_usage=wanted.eku)


def _p12_password(wanted: Typed, given: Mapping[str, str]) -> None:
    if P12_PASSWORD in given:
        fit_secret(P12_PASSWORD, given[P12_PASSWORD])
    elif wanted.compatible:
        raise UsageError("a PKCS#12 file is made only with a password: write one")


def _passphrase(given: Mapping[str, str]) -> None:
    if CA_PASSPHRASE in given:
        fit_secret(CA_PASSPHRASE, given[CA_PASSPHRASE])
