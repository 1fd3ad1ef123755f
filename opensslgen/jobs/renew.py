"""The jobs that renew: replace a certificate by one like it with a later expiry date."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.constraints import UNLIMITED, parse_constraints
from opensslgen.names.general import parse_url
from opensslgen.names.subject import Subject, strict_subject
from opensslgen.orders import from_request
from opensslgen.orders.kinds import KINDS, SELF_SIGNED, SERVER, kind_of
from opensslgen.orders.order import INTERMEDIATE_DAYS, LEAF_DAYS, ROOT_DAYS, AuthorityOrder, LeafOrder, lifetime
from opensslgen.orders.usages import extended_key_usages
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder, issued_files
from opensslgen.pki.lookup import ROOT
from opensslgen.plan import issue, layout, renew
from opensslgen.plan.issue import P12_ENCRYPTIONS
from opensslgen.suggest import suggest
from opensslgen.text import quote, visible
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.extensions import KEY_USAGES
from opensslgen.x509.key_types import KEY_TYPES, KeyType
from opensslgen.x509.names import joined
from opensslgen.x509.pem import REQUEST, pem
from opensslgen.x509.request import read_request

from .issue import fit_intermediate, intermediate_result, leaf_result
from .job import (
    NO_P12,
    Job,
    authorities_of,
    final_paths,
    fit_to_issuer,
    issuer_of,
    like_old_p12,
    old_p12,
    refuse_violations,
    root_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.names.constraints import NameConstraints
    from opensslgen.pki.store import Store
    from opensslgen.x509.request import Request

    from .due import Due

_MOST_DAYS = 825
"""Those of Apple's rule: what was valid for longer gets the default."""


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """How a renewed certificate differs from the old one."""

    keep_key: bool = False
    days: int | None = None
    p12: str | None = None
    """A key of P12_ENCRYPTIONS, NO_P12, or None for a PKCS#12 file like the old one, if there is one."""
    allow: Collection[str] = ()
    """Ids of rules that may be broken."""
    at: datetime | None = None
    """After which old files are renamed; None: the time when the job is prepared."""


def renewal_job(stem: str, renewal: Renewal, *, store: Store) -> Job:
    """Return the job of renewing issued/STEM.crt: same names, subject, kind and key type, later expiry date.

    It gets a new key, except with `keep_key`, if the key is not in the folder, and for an intermediate, whose leaves
    depend on it: then the old request is signed again. Raises UsageError for what cannot be reissued, Error if a key or
    request is missing or the CA expires too soon, and Violation if the result would break a rule.
    """
    path, days, p12, allow = store.path / layout.certificate(stem), renewal.days, renewal.p12, renewal.allow
    old = load(path)
    kind = kind_of(old)
    if kind == "root":
        raise UsageError(f"{path} is a root, but not the root of {store.path}")
    if kind == "authority":
        if p12 in P12_ENCRYPTIONS:
            raise UsageError(f"{path} is a CA, and no PKCS#12 file is made for a CA")
        return _intermediate(old, stem, store=store, days=days, allow=allow)
    key, is_here = store.path / layout.key(stem), (store.path / layout.key(stem)).exists()
    if p12 is None and (p12 := like_old_p12(stem, store)) and not is_here:
        raise Error(
            f"{store.path / layout.p12(stem)} cannot be made again, because {key} is missing",
            hint="to renew the certificate without it, add --no-p12",
        )
    p12 = None if p12 == NO_P12 else p12
    if not is_here and (p12 or kind == SELF_SIGNED.name):
        raise Error(f"{key} is missing", hint="make a new certificate")
    request = _old_request(old, stem, store) if renewal.keep_key or not is_here else None
    order = _leaf_order(old, stem, kind=kind, new_key=request is None, days=days, p12=p12)
    if request is not None:
        order = replace(order, sets_subject=request.subject.der != old.subject.der)
    notes: tuple[str, ...] = ()
    issuer = None
    if order.kind is not SELF_SIGNED:
        issuer = root_of(store)
        order, notes = fit_to_issuer(order, store, issuer, fixed_days=days is not None)
        _refuse_no_gain(old, order.days, notes, store)
    refuse_violations(order, authorities_of(store) if issuer else (), allow=allow)
    moves, about_p12 = old_p12(order, store, at=renewal.at)
    text = None if request is None else pem(REQUEST, request.der)
    plan = renew.leaf(order, issuer_of(store) if issuer else None, request=text, moves=moves)
    about_key = "its key is not in this folder: the old request is signed again, and the key stays the same"
    notes = (
        *notes,
        *(() if is_here else (about_key,)),
        *about_p12,
        *_about_issuer(old, issuer),
        *_about_old(old, store),
    )
    return leaf_result("Renewed", order, plan, store, notes=notes)


def root_renewal_job(*, store: Store, days: int | None = None, allow: Collection[str] = ()) -> Job:
    """Return the job of renewing the folder's root with the same key, so that its certificates stay valid.

    Raises Error without a root, and UsageError for an intermediate or for name constraints that cannot be reissued.
    """
    old = root_of(store)
    path = store.path / store.ca_certificate
    if store.above() or not old.is_self_signed:
        raise UsageError(
            f"{path} is an intermediate: renew it in the folder of its issuer, {visible(str(old.issuer))}",
            hint=f"adopt the result here, after running there: {suggest('renew', 'NAME', '--pki', 'DIR')}",
        )
    order = AuthorityOrder(
        subject=Subject(old.subject.attributes),
        key_type=old.public_key.key_type,
        public_key=old.public_key,
        days=lifetime(days or old.validity.days or ROOT_DAYS),
        path_length=old.basic_constraints.path_length if old.basic_constraints else None,
        constraints=_constraints(old),
    )
    now = datetime.now(timezone.utc)
    if now + timedelta(days=order.days) <= old.not_after:
        raise UsageError(f"the new root would expire before the old one, which expires on {old.not_after.date()}")
    refuse_violations(order, allow=allow)
    plan = renew.root(order, issuer_of(store), target=store.ca_certificate, key_identifier=old.subject_key_identifier)
    name = visible(old.subject.common_name or str(old.subject))
    return Job(
        name=name,
        done=f"Renewed the root {name}, with the same key",
        plan=plan,
        certificate=layout.CA,
        profile=order.profile,
        notes=_below_root(store),
        next_step=f"let devices trust {path} before {old.not_after.date()}; until then the old root remains valid,"
        " and the certificates are valid below both"
        if old.not_after > now
        else f"let devices trust {path}: they refuse the old root, which expired on {old.not_after.date()}",
        order=order,
    )


def _intermediate(old: Certificate, stem: str, *, store: Store, days: int | None, allow: Collection[str]) -> Job:
    request = _old_request(old, stem, store)
    order = AuthorityOrder(
        sets_subject=request.subject.der != old.subject.der,
        subject=strict_subject(old.subject.attributes, joined(old.subject)),
        key_type=old.public_key.key_type,
        public_key=old.public_key,
        days=lifetime(days or old.validity.days or INTERMEDIATE_DAYS),
        path_length=old.basic_constraints.path_length if old.basic_constraints else None,
        constraints=_constraints(old),
        stem=stem,
        crl_url=_crl_url(old),
    )
    order, notes = fit_intermediate(order, store, fixed_days=days is not None)
    _refuse_no_gain(old, order.days, notes, store)
    refuse_violations(order, authorities_of(store), allow=allow)
    made_by = issue.existing_request(order, pem(REQUEST, request.der), publish=False)
    plan = issue.intermediate(order, issuer_of(store), request=made_by).keep_existing()
    files = final_paths(plan, store.path)
    intermediate = intermediate_result(
        "Renewed the intermediate certificate",
        order,
        plan,
        notes=(*notes, *_about_issuer(old, store.issuer()), *_about_old(old, store)),
        next_step="let the folder where it signs adopt it: "
        + suggest("adopt", str(files["chain"]), "--key", "KEY", "--force", "--pki", "DIR"),
    )
    return intermediate._replace(done=f"{intermediate.done}, with the same key")


def _leaf_order(
    old: Certificate, stem: str, *, kind: str, new_key: bool, days: int | None, p12: str | None
) -> LeafOrder:
    """Return the order for a leaf like an old one; raises UsageError if it cannot be reissued."""
    is_allowed = 1 <= old.validity.days <= _MOST_DAYS
    usages = old.key_usage or frozenset()
    return LeafOrder(
        kind=KINDS.get(kind, SERVER),
        names=tuple(from_request.strict_name(name) for name in old.names),
        subject=strict_subject(old.subject.attributes, joined(old.subject)),
        stem=stem,
        key_type=_key_type_of_new(old) if new_key else old.public_key.key_type,
        public_key=None if new_key else old.public_key,
        days=lifetime(days or (old.validity.days if is_allowed else LEAF_DAYS)),
        extended_key_usage=extended_key_usages(old.extended_key_usage or ()),
        # A leaf does not get the key usages of a CA, even if the old one had them, and a self-signed one gets none.
        key_usage=None
        if "keyCertSign" in usages or kind == SELF_SIGNED.name
        else tuple(usage for usage in KEY_USAGES if usage in usages) or None,
        p12=p12,
        crl_url=_crl_url(old),
    )


def _key_type_of_new(old: Certificate) -> KeyType:
    """Return the key type of a new key; raises UsageError if no new key can be like the old one."""
    key = old.public_key
    if key.algorithm == "RSA":
        return KeyType(f"rsa-{key.bits}", "RSA", key.bits)
    for key_type in KEY_TYPES.values():
        if key_type.algorithm == key.algorithm and key.curve == f"P-{key_type.bits}":
            return key_type
    what = visible(f"{key.algorithm} {key.curve or ''}".strip())
    raise UsageError(
        f"it has a key of the kind {what}, and no new key of this kind can be made", hint="--keep-key keeps it"
    )


def _old_request(old: Certificate, stem: str, store: Store) -> Request:
    """Return the old request; raises Error if it is missing or for another key."""
    path = store.path / layout.request(stem)
    if not path.exists():
        raise Error(f"{path}, which would be signed again, is missing", hint="renew it with a new key")
    request = read_request(path)
    if request.public_key.der != old.public_key.der:
        raise Error(f"{path}, which would be signed again, is of another key than {layout.certificate(stem)}")
    return request


def _crl_url(old: Certificate) -> str | None:
    """Return the first URL of an old certificate's CRL; raises UsageError if it is not a valid option."""
    return parse_url(old.crl_urls[0]) if old.crl_urls else None


def _constraints(old: Certificate) -> NameConstraints:
    """Return a CA's name constraints; raises UsageError if they are not valid options."""
    limits = old.name_constraints
    if limits is None:
        return UNLIMITED
    for name in (*limits.permitted, *limits.excluded):
        if name.kind not in ("DNS", "IP") or parse_constraints(permit=[str(name)], exclude=()).permitted != (name,):
            raise UsageError(f"its name constraint {quote(str(name))} cannot be reissued")
    return limits


def _refuse_no_gain(old: Certificate, days: int, shortened: tuple[str, ...], store: Store) -> None:
    """Raise Error if the new certificate would expire no later than the old one because its CA expires.

    Otherwise a timer would renew it each day, to no effect.
    """
    if shortened and datetime.now(timezone.utc) + timedelta(days=days - 1) <= old.not_after:
        raise Error(
            f"the new certificate would expire no later than the old one, on {old.not_after.date()}: {shortened[0]}",
            hint=f"renew the CA first; a root: {suggest('renew', 'ca', pki=store.path)}",
        )


def _about_issuer(old: Certificate, issuer: Certificate | None) -> tuple[str, ...]:
    if issuer is None or old.issuer == issuer.subject:
        return ()
    return (f"the old certificate was signed by another CA: {visible(str(old.issuer))}",)


def _about_old(old: Certificate, store: Store) -> tuple[str, ...]:
    """Return a note about the old certificate while it is valid."""
    if old.not_after <= datetime.now(timezone.utc):
        return ()
    revoke = "" if old.is_self_signed else f"; if its key is lost: {suggest('revoke', old.serial_hex, pki=store.path)}"
    return (f"the old certificate remains valid until it expires on {old.not_after.date()}{revoke}",)


def _below_root(store: Store) -> tuple[str, ...]:
    """Return notes about the certificates below the old root."""
    by_number = []
    for path in issued_files(store.path):
        with suppress(UnreadableError):
            identifier = load(path).authority_key_identifier
            if identifier and identifier.has_serial:
                by_number.append(path.name)
    notes = ["chain files contain the old root until their certificates are renewed"]
    if by_number:
        some = ", ".join(map(visible, by_number[:10])) + (", …" if len(by_number) > 10 else "")
        notes.append(
            "these contain the old root's serial number, and are valid only below the old root until they are"
            f" renewed: {some}"
        )
    return tuple(notes)


def named_job(name: str, renewal: Renewal, *, store: Store) -> Job:
    """Return the job that renews the certificate with this name or serial number, or "ca", the root; raises Error."""
    folder = Folder(store.path)
    stem = ROOT if name == ROOT else lookup.stem_to_renew(folder, lookup.find(folder, name))
    return _job(stem, renewal, store)


def due_job(due: Due, renewal: Renewal, *, store: Store) -> Job:
    """Return the job that renews a certificate that is due; only leaves heed `days` and `p12`. Raises Error."""
    if due.stem is None:
        return named_job(due.title, renewal, store=store)
    if due.stem == ROOT or load(store.path / layout.certificate(due.stem)).is_authority:
        renewal = replace(renewal, days=None, p12=None)
    return _job(due.stem, renewal, store)


def _job(stem: str, renewal: Renewal, store: Store) -> Job:
    if stem != ROOT:
        return renewal_job(stem, renewal, store=store)
    if renewal.p12 in P12_ENCRYPTIONS:
        raise UsageError("a root cannot be written as a PKCS#12 file")
    return root_renewal_job(store=store, days=renewal.days, allow=renewal.allow)
