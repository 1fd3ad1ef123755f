"""The fields of the form: what a browser sends, and what is wrong with it, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.job import Violation, refuse_violations
from opensslgen.jobs.new_ca import fit_name
from opensslgen.names.general import parse_names
from opensslgen.orders import from_request
from opensslgen.orders.kinds import CLIENT, KINDS, SELF_SIGNED, SERVER
from opensslgen.orders.order import (
    INTERMEDIATE_DAYS,
    LEAF_DAYS,
    AuthorityOrder,
    LeafOrder,
    intermediate_order,
    leaf_order,
)
from opensslgen.plan.secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, fit_secret
from opensslgen.x509 import key_types
from opensslgen.x509.pem import REQUEST as REQUEST_LABEL
from opensslgen.x509.pem import pem
from opensslgen.x509.request import parse_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from werkzeug.datastructures import FileStorage, MultiDict

    from opensslgen.rules.rule import Finding
    from opensslgen.x509.key_types import KeyType
    from opensslgen.x509.request import Request

EXTENDED_KEY_USAGES = SERVER.extended_key_usage
"""The ones with a checkbox."""
KEY_USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement")
"""The ones with a checkbox; the others are for CAs, or restrict keyAgreement."""
PURPOSES = (SERVER.name, CLIENT.name)
"""What a request can be signed for."""
FORM = "form"
"""Stands for the whole form in place of a field's name."""


class Form(NamedTuple):
    """The form for one kind of certificate."""

    title: str
    """In the row of kinds."""
    fields: tuple[str, ...]
    """What is always shown, in this order."""
    options: tuple[str, ...] = ()
    """What is shown under "More options"."""
    days: int = LEAF_DAYS
    """The default validity."""
    needs_ca: bool = True
    """Whether a CA signs it."""
    creates_ca: bool = False
    """Whether a CA is created first, if there is none."""


INTERMEDIATE, REQUEST = "intermediate", "request"
_LEAF = ("name", "names", "days", "p12_password")
_LEAF_OPTIONS = ("eku", "key_type", "hash", "key_usage", "where")
FORMS = {
    SERVER.name: Form("For a server", _LEAF, _LEAF_OPTIONS, creates_ca=True),
    CLIENT.name: Form("For a client", _LEAF, _LEAF_OPTIONS, creates_ca=True),
    SELF_SIGNED.name: Form("Self-signed", _LEAF, _LEAF_OPTIONS, needs_ca=False),
    INTERMEDIATE: Form(
        "Intermediate CA",
        ("name", "days", "permit", "new_passphrase"),
        ("exclude", "pathlen", "key_type", "hash", "where"),
        days=INTERMEDIATE_DAYS,
    ),
    REQUEST: Form("From a request", ("text", "purpose", "names", "days"), ("hash", "where")),
}
"""By the kind that a browser sends."""

_LABELS = {
    "name": "Name",
    "names": "Subject alternative names",
    "days": "Validity in days",
    "eku": "Extended key usage",
    "key_type": "Key type",
    "key_usage": "Key usage",
    "ca_name": "Name of the new CA",
    "p12_password": "PKCS#12 password",
    "passphrase": "Passphrase of the root's key",
    "passphrase_again": "Passphrase of the root's key, once more",
    "replace": "Existing files",
    "permit": "Limit it to",
    "exclude": "Except for",
    "pathlen": "CAs below it",
    "new_passphrase": "Passphrase of its key",
    "new_passphrase_again": "Passphrase of its key, once more",
    "text": "Request (CSR)",
    "purpose": "Certificate for",
    FORM: "The form",
}


def label(field: str) -> str:
    """Return the label of a field."""
    return _LABELS[field]


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
    """One of FORMS."""
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
    permit: str = ""
    """What an intermediate may sign for, as `names`; empty: everything."""
    exclude: str = ""
    """What an intermediate may not sign for."""
    pathlen: str = "0"
    """How many CAs may be below an intermediate."""
    request: bytes = b""
    """The request to sign, as it was sent."""
    purpose: str = SERVER.name
    """What a request is signed for."""
    compatible: bool = False
    """Whether older devices can read the PKCS#12 file."""
    elsewhere: bool = False
    """Whether a script issues it on another machine."""
    replace: bool = False
    """Whether existing files may be replaced."""

    @property
    def form(self) -> Form:
        """The form of its kind."""
        return FORMS[self.kind]

    @property
    def usages(self) -> tuple[str, ...]:
        """The extended key usages, by default those of the kind."""
        if self.eku is None:
            return KINDS[self.kind].extended_key_usage if self.kind in KINDS else ()
        return self.eku

    @property
    def text(self) -> str:
        """The request in PEM; empty if it is none, since it may be a key, pasted by mistake."""
        try:
            return pem(REQUEST_LABEL, parse_request(self.request).der)
        except Error:
            return ""

    @property
    def has_options(self) -> bool:
        """Whether anything differs from its default that the page shows under "More options"."""
        same = empty(self.kind)
        usages = set(self.usages) != set(same.usages)
        differs = any(getattr(self, name) != getattr(same, name) for name in ("key_type", "exclude", "pathlen"))
        return usages or self.elsewhere or bool(self.key_usage) or differs


def empty(kind: str) -> Values:
    """Return the form of a kind as it is before anybody fills it in; any other word stands for a server."""
    kind = kind if kind in FORMS else SERVER.name
    return Values(kind=kind, days=str(FORMS[kind].days))


def lines(text: str) -> tuple[str, ...]:
    """Return the lines of a field, without empty ones."""
    return tuple(line for line in text.splitlines() if line.strip())


@dataclass(frozen=True)
class Problem:
    """An error in a field."""

    message: str
    findings: tuple[Finding, ...] = ()
    """The broken rules, if there are any."""


def read_values(form: MultiDict[str, str], files: MultiDict[str, FileStorage]) -> Values:
    """Return what a browser has sent, but for the secrets."""
    same = empty(form.get("kind", SERVER.name))
    upload = files.get("file")
    return Values(
        kind=same.kind,
        name=form.get("name", ""),
        names=form.get("names", ""),
        days=form.get("days", "").strip(),
        eku=tuple(form.getlist("eku")) if "eku" in same.form.options else None,
        key_type=form.get("key_type", "" if "key_type" in same.form.options else same.key_type),
        key_usage=tuple(form.getlist("key_usage")),
        ca_name=form.get("ca_name", "").strip(),
        permit=form.get("permit", ""),
        exclude=form.get("exclude", ""),
        pathlen=form.get("pathlen", same.pathlen).strip(),
        request=upload.read() if upload and upload.filename else form.get("text", "").encode(),
        purpose=form.get("purpose", SERVER.name),
        compatible="compatible" in form,
        elsewhere=form.get("where") == "elsewhere",
        replace="replace" in form,
    )


_SECRET_FIELDS = {"passphrase": CA_PASSPHRASE, "new_passphrase": NEW_PASSPHRASE, "p12_password": P12_PASSWORD}
"""The names that plans have for the secrets, by field."""


def read_secrets(form: MultiDict[str, str]) -> dict[str, str]:
    """Return the secrets that a browser has sent, by the names that plans have for them."""
    secrets = {name: form.get(field, "") for field, name in _SECRET_FIELDS.items()}
    return {name: value for name, value in secrets.items() if value}


def typing_errors(form: MultiDict[str, str], *, chosen: Collection[str]) -> dict[str, Problem]:
    """Return which of the new passphrases, by field, differ from what was typed again: nobody could use the key."""
    return {
        f"{field}_again": Problem("the two passphrases differ: type both again")
        for field in chosen
        if form.get(field, "") != form.get(f"{field}_again", "")
    }


def order(values: Values, *, p12: bool, encrypted: bool) -> LeafOrder | AuthorityOrder:
    """Return the order; `encrypted`: an intermediate's key gets a passphrase. Raises UsageError for any error."""
    days = parse_days(values.days)
    if values.kind == INTERMEDIATE:
        return intermediate_order(
            values.name,
            key_type=key_types.key_type(values.key_type),
            days=days,
            path_length=_path_length(values.pathlen),
            encrypted=encrypted,
            permit=lines(values.permit),
            exclude=lines(values.exclude),
        )
    if values.kind == REQUEST:
        request, kind = request_of(values), KINDS[_purpose(values.purpose)]
        names = tuple(name for line in lines(values.names) for name in parse_names(line))
        return from_request.leaf_order_of(
            request, names=names or from_request.requested_names(request, kind), kind=kind, days=days
        )
    return leaf_order(
        values.name,
        kind=KINDS[values.kind],
        san=lines(values.names),
        key_type=key_types.key_type(values.key_type),
        days=days,
        extended_key_usage=values.usages,
        key_usage=values.key_usage,
        p12=("p12-compat" if values.compatible else "p12") if p12 else None,
    )


def request_of(values: Values) -> Request:
    """Return the request that was pasted or uploaded; raises Error if it is none."""
    if not values.request.strip():
        raise UsageError("paste a request, or choose its file")
    return parse_request(values.request)


def problems(values: Values, secrets: Mapping[str, str]) -> dict[str, Problem]:
    """Return what is wrong with each field on its own, by the functions that parse an order."""
    checks: dict[str, Callable[[], object]] = {
        "text": lambda: request_of(values),
        "purpose": lambda: _purpose(values.purpose),
        "name": lambda: _named(values),
        "names": lambda: leaf_order(_ANY, san=lines(values.names)),
        "days": lambda: _any_order(values, days=parse_days(values.days)),
        "permit": lambda: intermediate_order(_ANY, permit=lines(values.permit)),
        "exclude": lambda: intermediate_order(_ANY, exclude=lines(values.exclude)),
        "pathlen": lambda: _path_length(values.pathlen),
        "eku": lambda: _extended_key_usage(values),
        "key_type": lambda: _any_order(values, key_type=key_types.key_type(values.key_type)),
        "key_usage": lambda: leaf_order(_ANY, key_usage=values.key_usage),
        "ca_name": lambda: values.ca_name and fit_name(values.ca_name),
        "p12_password": lambda: _p12_password(values, secrets),
        "new_passphrase": lambda: _fit(NEW_PASSPHRASE, secrets),
        "passphrase": lambda: _fit(CA_PASSPHRASE, secrets),
    }
    shown = {*values.form.fields, *values.form.options, "ca_name", "passphrase"}
    found = {}
    for field, check in checks.items():
        if field not in shown:
            continue
        try:
            part = check()
            if isinstance(part, LeafOrder | AuthorityOrder):
                refuse_violations(part, allow=())
        except Violation as violation:
            found[field] = Problem(violation.message, tuple(violation.findings))
        except Error as error:
            found[field] = Problem(error.message)
    return found


_ANY = "host.invalid"


def _named(values: Values) -> object:
    """Return an order with the name alone."""
    if values.kind != INTERMEDIATE:
        return leaf_order(values.name, kind=KINDS[values.kind])
    if not values.name.strip():
        raise UsageError("the name is empty: write one such as site-berlin")
    return intermediate_order(values.name)


def _any_order(values: Values, *, days: int | None = None, key_type: KeyType = key_types.DEFAULT) -> object:
    """Return an order of the kind of the form with one of its values, to be judged by the rules of that kind."""
    days = values.form.days if days is None else days
    if values.kind == INTERMEDIATE:
        return intermediate_order(_ANY, days=days, key_type=key_type)
    kind = values.purpose if values.kind == REQUEST else values.kind
    return leaf_order(_ANY, kind=KINDS.get(kind, SERVER), days=days, key_type=key_type)


def problems_of_rules(values: Values, findings: list[Finding]) -> dict[str, Problem]:
    """Return which rules an order breaks, by the field that each rule is about."""
    found: dict[str, list[Finding]] = {}
    shown = {*values.form.fields, *values.form.options}
    # What a request contains cannot be chosen here.
    other = "text" if values.kind == REQUEST else FORM
    for finding in findings:
        field = _FIELD_OF_RULE.get(finding.rule.id, other)
        found.setdefault(field if field in shown else other, []).append(finding)
    return {field: Problem("this would break a rule", tuple(several)) for field, several in found.items()}


def parse_days(text: str) -> int:
    """Return a number of days; raises UsageError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("write the validity as a number of days, such as 820")
    return int(text)


def _path_length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 3):
        raise UsageError("write how many CAs may be below this one, such as 0")
    return int(text)


def _purpose(text: str) -> str:
    if text not in PURPOSES:
        raise UsageError(f"choose one of {', '.join(PURPOSES)}")
    return text


def _extended_key_usage(values: Values) -> LeafOrder:
    kind = KINDS[values.kind]
    if not values.usages:
        # An order takes the default instead.
        why = ", which Apple devices require of a server" if kind.demanded == "serverAuth" else ""
        raise UsageError(f"choose at least {kind.demanded}{why}")
    return leaf_order(_ANY, kind=kind, extended_key_usage=values.usages)


def _p12_password(values: Values, secrets: Mapping[str, str]) -> None:
    if values.compatible and P12_PASSWORD not in secrets:
        raise UsageError("a PKCS#12 file needs a password: type one")
    _fit(P12_PASSWORD, secrets)


def _fit(name: str, secrets: Mapping[str, str]) -> None:
    if name in secrets:
        fit_secret(name, secrets[name])
