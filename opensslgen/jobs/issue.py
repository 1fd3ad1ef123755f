"""The jobs that issue certificates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.names.slips import slips
from opensslgen.orders.kinds import CLIENT, SELF_SIGNED, ProfileName
from opensslgen.plan import issue
from opensslgen.plan.layout import CA, CA_CHAIN
from opensslgen.suggest import suggest
from opensslgen.x509.names import same_name

from .job import (
    Job,
    about_replaced,
    authorities_of,
    final_paths,
    fit_to_issuer,
    issuer_of,
    old_p12,
    refuse_compromised,
    refuse_violations,
    root_of,
)
from .new_ca import no_ca, refuse_inside, refuse_lost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from opensslgen.orders.kinds import Kind
    from opensslgen.orders.order import AuthorityOrder, LeafOrder
    from opensslgen.pki.store import Store
    from opensslgen.plan.steps import Plan


def root_job(order: AuthorityOrder, *, store: Store) -> Job:
    """Return the job of making a root.

    Raises Error if the folder has a root with valid certificates, or has lost its root, and UsageError if it lies
    inside the pki folder of another CA.
    """
    refuse_inside(store, agreed=True)
    refuse_lost(store, is_explicit=True)
    path = store.path / CA
    return Job(
        name=order.subject.common_name or "",
        done=f"Made a root certificate: {order.subject.common_name}",
        plan=issue.root(order),
        certificate=CA,
        profile=ProfileName.ROOT,
        makes_root=True,
        notes=(*about_replaced(store), *_about_name(order, store)),
        next_step=f"let the phones trust {path}, and issue certificates: {suggest('server', 'NAME', pki=store.path)}",
    )


def _about_name(order: AuthorityOrder, store: Store) -> tuple[str, ...]:
    """Return a note if the root that a new one replaces has the same name: IP Office builds chains by names."""
    old = store.issuer()
    if old is None or not same_name(old.subject, order.subject):
        return ()
    return ("the old root has the same name, and devices that have both may mix them up: --cn gives another name",)


def leaf_job(
    order: LeafOrder, *, store: Store, root: AuthorityOrder | None, fixed_days: bool, allow: Collection[str] = (),
    at: datetime | None = None,
) -> Job:  # fmt: skip
    """Return the job of making a server's or client's certificate, and `root` first if the folder has no CA.

    Raises UsageError if it has no CA, and there is no `root` (see `new_ca.ca_to_create`); Violation if the order breaks
    a rule. A certificate that would outlive its issuer gets fewer days, or with `fixed_days` a UsageError. The new name
    of an old PKCS#12 file contains the time `at`, or the current time.
    """
    refuse_compromised(order.public_key, store)
    issuer = store.issuer()
    above = issuer or root
    if above is None:
        raise no_ca(store)
    order, shortened = fit_to_issuer(order, store, above, fixed_days=fixed_days)
    refuse_violations(order, authorities_of(store), allow=allow)
    if issuer is None and root is not None:
        plan = issue.root(root) + issue.leaf(order, issue.new_root(root))
    else:
        plan = issue.leaf(order, issuer_of(store))
    return _leaf_job(order, plan, store, notes=shortened, makes_root=issuer is None, at=at)


def self_signed_job(order: LeafOrder, *, store: Store, allow: Collection[str] = ()) -> Job:
    """Return the job of making a leaf that signs itself; raises Violation if the order breaks a rule."""
    refuse_inside(store, agreed=True)
    refuse_compromised(order.public_key, store)
    refuse_violations(order, allow=allow)
    note = (
        "phones cannot install a self-signed leaf as a root: better issue a certificate from a root that they trust,"
        " with the command server, or with sign for a request from the appliance"
    )
    return _leaf_job(order, issue.leaf(order, None), store, notes=(note,))


def request_job(order: LeafOrder, *, store: Store, allow: Collection[str] = ()) -> Job:
    """Return the job of making a key and a request for another CA to sign."""
    refuse_inside(store, agreed=True)
    refuse_violations(order, allow=allow)
    plan = issue.new_request(order)
    files = final_paths(plan, store.path)
    return Job(
        name=order.title,
        done=f"Made a {order.kind.name} request for {order.title}",
        plan=plan,
        notes=tuple(slips(order.subject.common_name, order.names)),
        next_step=f"have {files['request']} signed; its key stays in {files['key']}.",
    )


def intermediate_job(order: AuthorityOrder, *, store: Store, fixed_days: bool) -> Job:
    """Return the job of making an intermediate below the folder's CA.

    Raises Error if there is none, and UsageError if it allows none below itself.
    """
    order, notes = fit_intermediate(order, store, fixed_days=fixed_days)
    plan = issue.intermediate(order, issuer_of(store))
    files = final_paths(plan, store.path)
    folder = store.path.with_name(f"{store.path.name}-{order.stem}")
    adopt = suggest("adopt", str(files["chain"]), "--key", str(files["key"]), pki=folder)
    next_step = f"use it in its own folder: {adopt}"
    return intermediate_result("Made an intermediate certificate,", order, plan, notes=notes, next_step=next_step)


def fit_intermediate(
    order: AuthorityOrder, store: Store, *, fixed_days: bool
) -> tuple[AuthorityOrder, tuple[str, ...]]:
    """Return the order for an intermediate as `fit_to_issuer` does.

    Raises Error if the folder has no CA, and UsageError if that CA allows no CA below itself.
    """
    issuer = root_of(store)
    limit = issuer.basic_constraints.path_length if issuer.basic_constraints else None
    if limit is not None and (limit == 0 or order.path_length is None or order.path_length >= limit):
        most = f"one with --pathlen {limit - 1} at most" if limit else "no CA"
        raise UsageError(f"{issuer.subject} allows {most} below itself (pathlen:{limit})")
    return fit_to_issuer(order, store, issuer, fixed_days=fixed_days)


def leaf_result(
    verb: str, order: LeafOrder, plan: Plan, store: Store, *, notes: Iterable[str] = (), makes_root: bool = False
) -> Job:
    """Return the job of a plan that makes a leaf; its sentence begins with a verb such as "Made"."""
    return Job(
        name=order.title,
        done=f"{verb} {order.kind.title} for {order.title}",
        plan=plan,
        certificate=f"{order.kind.name}.crt",
        profile=order.profile,
        makes_root=makes_root,
        notes=(*slips(order.subject.common_name, order.names), *notes),
        next_step=leaf_next_step(order.kind, plan, store),
        order=order,
    )


def intermediate_result(verb: str, order: AuthorityOrder, plan: Plan, *, notes: Iterable[str], next_step: str) -> Job:
    """Return the job of a plan that makes an intermediate CA."""
    name = order.subject.common_name or order.stem
    return Job(
        name=name,
        done=f"{verb} {name}",
        plan=plan,
        certificate="intermediate.crt",
        profile=order.profile,
        notes=tuple(notes),
        next_step=next_step,
        order=order,
    )


def _leaf_job(
    order: LeafOrder, plan: Plan, store: Store, *, notes: tuple[str, ...], makes_root: bool = False,
    at: datetime | None = None,
) -> Job:  # fmt: skip
    moves, about_p12 = old_p12(order, store, at=at)
    plan = replace(plan, publish=plan.publish + moves)
    return leaf_result("Made", order, plan, store, notes=(*notes, *about_p12), makes_root=makes_root)


def leaf_next_step(kind: Kind, plan: Plan, store: Store) -> str:
    """Return the user's next step with a leaf, as a sentence."""
    files = final_paths(plan, store.path)
    certificate = files.get("chain", files["certificate"])
    give = (
        str(files["p12"])
        if "p12" in files
        else f"{certificate} and {files['key']}"
        if "key" in files
        else str(certificate)
    )
    root = store.path / (CA_CHAIN if store.above() else store.ca_certificate)
    if kind is CLIENT:
        return f"give the client {give}, and let the servers that it talks to trust {root}"
    if kind is SELF_SIGNED:
        return f"give the server {give}; each device has to accept it by hand"
    return (
        f"give the server {give}, and let the phones trust {root} (on iPhones also in Certificate Trust Settings):"
        f" {suggest('trust', pki=store.path)}"
    )
