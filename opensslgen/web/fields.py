"""The fields of the form: what a browser sends, and what is wrong with it, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.job import Violation, refuse_violations
from opensslgen.jobs.new_ca import fit_name
from opensslgen.orders.kinds import KINDS, SERVER
from opensslgen.orders.order import LEAF_DAYS, LeafOrder, leaf_order
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD, fit_secret
from opensslgen.x509 import key_types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.datastructures import MultiDict

    from opensslgen.rules.rule import Finding

EXTENDED_KEY_USAGES = SERVER.extended_key_usage
"""The ones with a checkbox."""
KEY_USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement")
"""The ones with a checkbox; the others are for CAs, or restrict keyAgreement."""
FORM = "form"
"""Stands for the whole form in place of a field's name."""

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
class Values:
    """What the form contains, without its secrets, to be shown again."""

    kind: str = SERVER.name
    """One of KINDS."""
    name: str = ""
    names: str = ""
    """Subject alternative names, in lines or between commas."""
    days: str = str(LEAF_DAYS)
    eku: tuple[str, ...] | None = None
    """None: the default of the kind."""
    key_type: str = key_types.DEFAULT.name
    key_usage: tuple[str, ...] = ()
    """Empty: the default of the key type."""
    ca_name: str = ""
    """The common name of the CA that is created first, if there is none; empty: the default."""
    compatible: bool = False
    """Whether older devices can read the PKCS#12 file."""
    elsewhere: bool = False
    """Whether a script issues it on another machine."""
    replace: bool = False
    """Whether existing files may be replaced."""

    @property
    def usages(self) -> tuple[str, ...]:
        """The extended key usages, by default those of the kind."""
        return KINDS[self.kind].extended_key_usage if self.eku is None else self.eku

    @property
    def has_options(self) -> bool:
        """Whether anything differs from its default that the page shows under "More options"."""
        same = Values(kind=self.kind, key_type=key_types.DEFAULT.name)
        usages = set(self.usages) != set(same.usages)
        return usages or self.elsewhere or bool(self.key_usage) or self.key_type != same.key_type

    @property
    def lines(self) -> tuple[str, ...]:
        """The subject alternative names, without empty lines."""
        return tuple(line for line in self.names.splitlines() if line.strip())


@dataclass(frozen=True)
class Problem:
    """An error in a field."""

    message: str
    findings: tuple[Finding, ...] = ()
    """The broken rules, if there are any."""


def read_values(form: MultiDict[str, str]) -> Values:
    """Return what a browser has sent, but for the secrets."""
    kind = form.get("kind", SERVER.name)
    return Values(
        kind=kind if kind in KINDS else SERVER.name,
        name=form.get("name", ""),
        names=form.get("names", ""),
        days=form.get("days", "").strip(),
        eku=tuple(form.getlist("eku")),
        key_type=form.get("key_type", ""),
        key_usage=tuple(form.getlist("key_usage")),
        ca_name=form.get("ca_name", "").strip(),
        compatible="compatible" in form,
        elsewhere=form.get("where") == "elsewhere",
        replace="replace" in form,
    )


def read_secrets(form: MultiDict[str, str]) -> dict[str, str]:
    """Return the secrets that a browser has sent, by the names that plans have for them."""
    secrets = {CA_PASSPHRASE: form.get("passphrase", ""), P12_PASSWORD: form.get("p12_password", "")}
    return {name: value for name, value in secrets.items() if value}


def order(values: Values, *, p12: bool) -> LeafOrder:
    """Return the order; raises UsageError for any error."""
    return leaf_order(
        values.name,
        kind=KINDS[values.kind],
        san=values.lines,
        key_type=key_types.key_type(values.key_type),
        days=parse_days(values.days),
        extended_key_usage=values.usages,
        key_usage=values.key_usage,
        p12=("p12-compat" if values.compatible else "p12") if p12 else None,
    )


def problems(values: Values, secrets: Mapping[str, str]) -> dict[str, Problem]:
    """Return what is wrong with each field on its own, by the functions that parse an order."""
    checks: dict[str, Callable[[], LeafOrder | None]] = {
        "name": lambda: leaf_order(values.name, kind=KINDS[values.kind]),
        "names": lambda: leaf_order(_ANY, san=values.lines),
        "days": lambda: leaf_order(_ANY, days=parse_days(values.days)),
        "eku": lambda: _extended_key_usage(values),
        "key_type": lambda: leaf_order(_ANY, key_type=key_types.key_type(values.key_type)),
        "key_usage": lambda: leaf_order(_ANY, key_usage=values.key_usage),
        "ca_name": lambda: _ca_name(values.ca_name),
        "p12_password": lambda: _p12_password(values, secrets),
        "passphrase": lambda: _passphrase(secrets),
    }
    found = {}
    for field, check in checks.items():
        try:
            part = check()
            if part is not None:
                refuse_violations(part, allow=())
        except Violation as violation:
            found[field] = Problem(violation.message, tuple(violation.findings))
        except Error as error:
            found[field] = Problem(error.message)
    return found


_ANY = "host.invalid"


def problems_of_rules(findings: list[Finding]) -> dict[str, Problem]:
    """Return which rules an order breaks, by the field that each rule is about."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(_FIELD_OF_RULE.get(finding.rule.id, FORM), []).append(finding)
    return {field: Problem("this would break a rule", tuple(several)) for field, several in found.items()}


def parse_days(text: str) -> int:
    """Return a number of days; raises UsageError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("write the validity as a number of days, such as 820")
    return int(text)


def _extended_key_usage(values: Values) -> LeafOrder:
    kind = KINDS[values.kind]
    if not values.usages:
        # An order takes the default instead.
        why = ", which Apple devices require of a server" if kind.demanded == "serverAuth" else ""
        raise UsageError(f"choose at least {kind.demanded}{why}")
    return leaf_order(_ANY, kind=kind, extended_key_usage=values.usages)


def _ca_name(text: str) -> None:
    if text:
        fit_name(text)


def _p12_password(values: Values, secrets: Mapping[str, str]) -> None:
    if P12_PASSWORD in secrets:
        fit_secret(P12_PASSWORD, secrets[P12_PASSWORD])
    elif values.compatible:
        raise UsageError("a PKCS#12 file needs a password: type one")


def _passphrase(secrets: Mapping[str, str]) -> None:
    if CA_PASSPHRASE in secrets:
        fit_secret(CA_PASSPHRASE, secrets[CA_PASSPHRASE])
