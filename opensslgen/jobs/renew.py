"""The jobs of renewing: a certificate like an old one, in its place, with a later end."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.constraints import UNLIMITED, parse_constraints
from opensslgen.names.general import parse_url
from opensslgen.names.slips import slips
from opensslgen.names.subject import Subject, given_subject
from opensslgen.orders import from_request
from opensslgen.orders.kinds import KINDS, SELF_SIGNED, SERVER, kind_name
from opensslgen.orders.order import INTERMEDIATE_DAYS, LEAF_DAYS, ROOT_DAYS, AuthorityOrder, LeafOrder, lifetime
from opensslgen.orders.usages import extended_key_usages
from opensslgen.pki.folder import issued_files
from opensslgen.plan import issue, renew
from opensslgen.text import shown, visible
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.extensions import KEY_USAGES
from opensslgen.x509.key_types import KEY_TYPES, KeyType
from opensslgen.x509.pem import REQUEST, pem
from opensslgen.x509.request import read_request

from .issue import fit_intermediate, leaf_next_step
from .job import Job, authorities_of, final_paths, fit_to_issuer, refuse_violations, root_of, stale_p12, stored_issuer

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.names.constraints import NameConstraints
    from opensslgen.pki.store import Store

_MOST_DAYS = 825
"""Those of Apple's rule: what was valid for longer gets the default."""


def renewal_job(
    stem: str,
    *,
    store: Store,
    keep_key: bool = False,
    days: int | None = None,
    p12: str | None = None,
    allow: Collection[str] = (),
    at: datetime | None = None,
) -> Job:
    """Return the job of renewing issued/STEM.crt: the same names, subject, kind and kind of key, and a later end.

    What is put aside is named after the time `at`, which is now by default.

    Its key is new, except with `keep_key`, if the key is not in the folder, and for an intermediate, whose leaves
    depend on it: then the old request is signed again. Raises UsageError for what cannot be reissued, Error if a key or
    request is missing or the authority expires too soon, and Violation if the result would break a rule.
    """
    path = store.path / "issued" / f"{stem}.crt"
    old = load(path)
    kind = kind_name(
        authority=old.is_authority,
        self_signed=old.is_self_signed,
        usages=old.extended_key_usage,
    )
    if kind == "root":
        raise UsageError(f"{path} is a root of its own, and not that of {store.path}")
    if kind == "authority":
        if p12:
            raise UsageError(f"{path} is an authority, of which no PKCS#12 file is made")
        return _intermediate(old, stem, store=store, days=days, allow=allow)
    is_here = (store.path / "private" / f"{stem}.key").exists()
    if not is_here and (p12 or kind == SELF_SIGNED.name):
        raise Error(f"{store.path / 'private' / stem}.key is missing", hint="make a new certificate")
    request = _old_request(old, stem, store) if keep_key or not is_here else None
    order = _leaf_order(old, stem, kind=kind, new_key=request is None, days=days, p12=p12)
    notes: tuple[str, ...] = ()
    issuer = None
    if order.kind is not SELF_SIGNED:
        issuer = root_of(store)
        order, notes = fit_to_issuer(order, store, issuer, fixed_days=days is not None)
        _refuse_no_gain(old, order.days, notes)
    refuse_violations(order, authorities_of(store) if issuer else (), allow=allow)
    moves, about_p12 = stale_p12(order, store, at=at)
    plan = renew.leaf(order, stored_issuer(store) if issuer else None, request=request, moves=moves)
    return Job(
        name=order.title,
        done=f"Renewed {order.kind.title} for {order.title}",
        plan=plan,
        certificate=f"{order.kind.name}.crt",
        profile=order.profile,
        notes=(
            *slips(order.subject.common_name, order.names),
            *notes,
            *(
                ()
                if is_here
                else ("its key is not in this folder: the old request is signed again, and the key stays the same",)
            ),
            *about_p12,
            *_about_issuer(old, issuer),
            *_about_old(old),
        ),
        next_step=leaf_next_step(order.kind, plan, store),
    )


def root_renewal_job(*, store: Store, days: int | None = None, allow: Collection[str] = ()) -> Job:
    """Return the job of renewing the folder's root with the same key, so that what it has signed stays valid.

    Raises Error if there is no root, or only an intermediate, and UsageError if its limits cannot be reissued.
    """
    old = root_of(store)
    path = store.path / store.ca_certificate
    if store.above() or not old.is_self_signed:
        raise UsageError(
            f"{path} is an intermediate, which is renewed where its issuer is: {visible(str(old.issuer))}",
            hint="opensslgen renew NAME --pki THAT-FOLDER, and adopt what comes out",
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
        raise UsageError(f"the new root would expire before the old one, which expires on {old.not_after:%Y-%m-%d}")
    refuse_violations(order, allow=allow)
    plan = renew.root(
        order, stored_issuer(store), target=store.ca_certificate, key_identifier=old.subject_key_identifier
    )
    name = visible(old.subject.common_name or str(old.subject))
    return Job(
        name=name,
        done=f"Renewed the root {name}, with the same key",
        plan=plan,
        certificate="ca.crt",
        profile=order.profile,
        notes=_below_root(store),
        next_step=f"let devices trust {path} before {old.not_after:%Y-%m-%d}: until then the old root, which they have,"
        "\n      is as good: what was signed is valid below both",
    )


def _intermediate(old: Certificate, stem: str, *, store: Store, days: int | None, allow: Collection[str]) -> Job:
    request = _old_request(old, stem, store)
    order = AuthorityOrder(
        subject=given_subject(old.subject.attributes),
        key_type=old.public_key.key_type,
        public_key=old.public_key,
        days=lifetime(days or old.validity.days or INTERMEDIATE_DAYS),
        path_length=old.basic_constraints.path_length if old.basic_constraints else None,
        constraints=_constraints(old),
        stem=stem,
        crl_url=_crl_url(old),
    )
    order, notes = fit_intermediate(order, store, fixed_days=days is not None)
    _refuse_no_gain(old, order.days, notes)
    refuse_violations(order, authorities_of(store), allow=allow)
    made_by = issue.existing_request(order, request, publish=False)
    plan = issue.intermediate(order, stored_issuer(store), request=made_by).keeping_existing()
    files = final_paths(plan, store.path)
    return Job(
        name=order.subject.common_name or stem,
        done=f"Renewed the intermediate certificate {order.subject.common_name}, with the same key",
        plan=plan,
        certificate="intermediate.crt",
        profile=order.profile,
        notes=(*notes, *_about_issuer(old, store.issuer()), *_about_old(old)),
        next_step=f"give {files['chain']} to the folder where it signs (opensslgen adopt)",
    )


def _leaf_order(
    old: Certificate, stem: str, *, kind: str, new_key: bool, days: int | None, p12: str | None
) -> LeafOrder:
    """Return the order for a leaf like an old one; raises UsageError for what cannot be reissued."""
    is_allowed = 1 <= old.validity.days <= _MOST_DAYS
    usages = old.key_usage or frozenset()
    return LeafOrder(
        kind=KINDS.get(kind, SERVER),
        names=tuple(from_request.strict_name(name) for name in old.names),
        subject=given_subject(old.subject.attributes),
        stem=stem,
        key_type=_key_type_of_new(old) if new_key else old.public_key.key_type,
        public_key=None if new_key else old.public_key,
        days=lifetime(days or (old.validity.days if is_allowed else LEAF_DAYS)),
        extended_key_usage=extended_key_usages(old.extended_key_usage or ()),
        # What an authority needs is no part of a leaf, whatever the old one said.
        key_usage=None if "keyCertSign" in usages else tuple(usage for usage in KEY_USAGES if usage in usages) or None,
        p12=p12,
        crl_url=_crl_url(old),
    )


def _key_type_of_new(old: Certificate) -> KeyType:
    """Return the key type of which a new key is made; raises UsageError if there is none like the old one."""
    key = old.public_key
    if key.algorithm == "RSA":
        return KeyType(f"rsa-{key.bits}", "RSA", key.bits)
    for key_type in KEY_TYPES.values():
        if key_type.algorithm == key.algorithm and key.curve == f"P-{key_type.bits}":
            return key_type
    what = visible(f"{key.algorithm} {key.curve or ''}".strip())
    raise UsageError(f"it has a key of the kind {what}, of which no new one is made", hint="--keep-key keeps it")


def _old_request(old: Certificate, stem: str, store: Store) -> str:
    """Return the old request in PEM; raises Error if it is missing or not of this certificate."""
    path = store.path / "reqs" / f"{stem}.req"
    if not path.exists():
        raise Error(f"{path}, which would be signed again, is missing", hint="only a new key can be made")
    request = read_request(path)
    if request.public_key.der != old.public_key.der:
        raise Error(f"{path}, which would be signed again, is of another key than issued/{stem}.crt")
    if request.subject.der != old.subject.der:
        raise Error(f"{path}, which would be signed again, has another subject than issued/{stem}.crt")
    return pem(REQUEST, request.der)


def _crl_url(old: Certificate) -> str | None:
    """Return the first URL of an old certificate's revocation list; raises UsageError if nobody could type it."""
    return parse_url(old.crl_urls[0]) if old.crl_urls else None


def _constraints(old: Certificate) -> NameConstraints:
    """Return an authority's limits; raises UsageError for those that nobody could type."""
    limits = old.name_constraints
    if limits is None:
        return UNLIMITED
    for name in (*limits.permitted, *limits.excluded):
        if name.kind not in ("DNS", "IP") or parse_constraints(permit=[str(name)], exclude=()).permitted != (name,):
            raise UsageError(f"its name constraint {shown(str(name))} cannot be reissued")
    return limits


def _refuse_no_gain(old: Certificate, days: int, shortened: tuple[str, ...]) -> None:
    """Raise Error for a certificate that ends no later than the old one because its authority ends.

    Else a timer would renew it each day, in vain.
    """
    if shortened and datetime.now(timezone.utc) + timedelta(days=days - 1) <= old.not_after:
        raise Error(
            f"the new certificate would expire no later than the old one, on {old.not_after:%Y-%m-%d}: {shortened[0]}",
            hint="renew the authority first; a root: opensslgen renew ca",
        )


def _about_issuer(old: Certificate, issuer: Certificate | None) -> tuple[str, ...]:
    if issuer is None or old.issuer == issuer.subject:
        return ()
    return (f"the old one was signed by another authority: {visible(str(old.issuer))}",)


def _about_old(old: Certificate) -> tuple[str, ...]:
    """Return what a user should know of the old certificate while it is valid."""
    if old.not_after <= datetime.now(timezone.utc):
        return ()
    revoke = "" if old.is_self_signed else f"; if its key is lost: opensslgen revoke {old.serial_hex}"
    return (f"the old certificate remains valid until it expires on {old.not_after:%Y-%m-%d}{revoke}",)


def _below_root(store: Store) -> tuple[str, ...]:
    """Return what becomes of what the old root has signed."""
    by_number = []
    for path in issued_files(store.path):
        with suppress(UnreadableError):
            identifier = load(path).authority_key_identifier
            if identifier and identifier.has_serial:
                by_number.append(path.name)
    notes = ["chain files hold the old root, until their certificates are renewed"]
    if by_number:
        some = ", ".join(map(visible, by_number[:10])) + (", …" if len(by_number) > 10 else "")
        notes.append(
            f"these name the old root's serial number, and are valid only below it until they are renewed: {some}"
        )
    return tuple(notes)
