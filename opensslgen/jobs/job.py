"""What a job is, and what all jobs ask of the pki folder and of the rules."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from opensslgen.bundles.pkcs import pkcs12_form
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.files.write import free_name
from opensslgen.orders.kinds import ProfileName
from opensslgen.orders.order import AuthorityOrder, LeafOrder
from opensslgen.pki import index
from opensslgen.pki.folder import Folder, missing_ca
from opensslgen.plan import layout
from opensslgen.plan.issue import Issuer
from opensslgen.plan.steps import Publish
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import ERROR, Case, Finding, judge
from opensslgen.suggest import suggest
from opensslgen.text import utc
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.names import Name, same_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from opensslgen.pki.store import Store
    from opensslgen.plan.steps import Plan
    from opensslgen.x509.public_keys import PublicKey

Order = TypeVar("Order", AuthorityOrder, LeafOrder)


class Violation(Error):
    """The order or the new certificate breaks rules; nothing was published."""

    def __init__(self, message: str, findings: list[Finding]) -> None:
        super().__init__(message)
        self.findings = findings


class Job(NamedTuple):
    """A plan that was checked as far as possible before it runs."""

    name: str
    done: str
    """The report after it ran, without a full stop: Made a server certificate for pbx.example.com."""
    plan: Plan
    certificate: str | None = None
    """The file of the new certificate in the work folder; None if the job makes no certificate."""
    profile: ProfileName = ProfileName.APPLE
    """The profile that it must comply with."""
    makes_root: bool = False
    notes: tuple[str, ...] = ()
    """What the user should know, such as a probable typing error in a name."""
    checks: tuple[str, ...] = ()
    """What the plan's steps check, in words, in addition to the rules."""
    next_step: str | None = None
    """The user's next step, as a sentence."""
    question: str | None = None
    """What to ask the user before it runs, because it cannot be undone."""
    order: AuthorityOrder | LeafOrder | None = None
    """What is issued, if the job makes one certificate that is not a new root."""


def violations(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    return [finding for finding in findings if finding.rule.severity == ERROR]


def judge_now(
    certificate: Certificate, authorities: tuple[Certificate, ...], *, profile: ProfileName, allow: Collection[str]
) -> list[Finding]:
    """Judge a certificate by a profile without the allowed rules; the first of `authorities` is its issuer."""
    chain = authorities if len(authorities) > 1 else ()
    case = Case(certificate, next(iter(authorities), None), datetime.now(timezone.utc), chain=chain)
    return judge(case, rules_of([profile], allow))


def refuse_violations(
    order: AuthorityOrder | LeafOrder, authorities: tuple[Certificate, ...] = (), *, allow: Collection[str]
) -> None:
    """Judge the certificate that an order will give; raises Violation."""
    certificate = order.to_certificate(not_before=datetime.now(timezone.utc))
    findings = violations(judge_now(certificate, authorities, profile=order.profile, allow=allow))
    if findings:
        raise Violation("this would break a rule, so nothing was made", findings)


def authorities_of(store: Store) -> tuple[Certificate, ...]:
    """Return the certificates of the pki folder's CA and of the CAs above it; empty without a CA."""
    issuer = store.issuer()
    return (issuer, *store.above()) if issuer else ()


def refuse_compromised(key: PublicKey | None, store: Store) -> None:
    """Raise Error for a key that was revoked as compromised."""
    if key is not None and key in Folder(store.path).compromised:
        raise Error("this key was revoked as compromised", hint="make a new one")


def root_of(store: Store) -> Certificate:
    """Return the certificate of the pki folder's CA; raises Error if it has no CA."""
    issuer = store.issuer()
    if issuer is None:
        raise missing_ca(store.path)
    return issuer


def about_replaced(store: Store, successor: Certificate | None = None) -> tuple[str, ...]:
    """Return notes about a CA that is replaced by `successor`, or by a CA with a new key.

    Raises Error if a certificate in the index is still valid: without the old key, nobody could revoke it.
    """
    path, lines = store.path / store.ca_certificate, store.path / layout.INDEX
    if not path.exists() or not lines.exists():
        return ()
    with suppress(UnreadableError):
        if successor and load(path).public_key == successor.public_key:
            return ()
    now, revoked = datetime.now(timezone.utc), 0
    for entry in index.read(lines, mend=True):
        if entry.state == index.VALID and entry.not_after > now:
            raise Error(
                f"{entry.title} is valid until {entry.not_after.date()}, and without {path} nobody could revoke it",
                hint="make the new CA in a folder of its own: --pki DIR",
            )
        revoked += entry.state == index.REVOKED
    return (f"its CRLs will list the revocations of the previous CA: {revoked}",) if revoked else ()


def issuer_of(store: Store) -> Issuer:
    """Return the files of the pki folder's CA; raises Error if its key is missing."""
    return Issuer(
        certificate=f"../{store.ca_certificate}",
        key=f"../{store.ca_key}",
        encrypted=store.ca_key_is_encrypted(),
        above=f"../{layout.CA_CHAIN}" if store.above() else None,
    )


def fit_to_issuer(
    order: Order, store: Store, issuer: Certificate | AuthorityOrder, *, fixed_days: bool
) -> tuple[Order, tuple[str, ...]]:
    """Return the order, with a shorter validity and a note if it would outlive its issuer.

    The issuer is the folder's CA, or the order for the root that will be made first.
    Raises UsageError instead if its days are fixed, or if its subject is the issuer's, and Error if the CA has
    less than a day left, or begins later than now.
    """
    if same_name(order.subject, issuer.subject):
        raise UsageError(
            f"the subject {Name(order.subject.attributes)} is that of the CA that would sign it, and clients"
            " would take it for self-signed: give it another common name (--cn)"
        )
    now = datetime.now(timezone.utc)
    if isinstance(issuer, Certificate) and issuer.not_before > now:
        raise Error(
            f"{store.path / store.ca_certificate} is valid from {utc(issuer.not_before)} on, and here"
            f" it is {utc(now)}: the clock of this machine, or of the one that made it, is wrong"
        )
    end = issuer.not_after if isinstance(issuer, Certificate) else now + timedelta(days=issuer.days)
    # Where openssl cannot be given times, the validity begins when it runs, which is a little later than now.
    left = (end - now - timedelta(minutes=10)).days
    if left < 1:
        path = store.path / store.ca_certificate
        when = "expired" if end <= now else "expires within a day,"
        raise Error(f"the root {path} {when} at {utc(end, 'minutes')}", hint=suggest("renew", "ca", pki=store.path))
    if order.days <= left:
        return order, ()
    if fixed_days:
        raise UsageError(
            f"{order.days} days would outlive the root, which expires on {end.date()}",
            hint=f"--days {left} is the most",
        )
    return replace(order, days=left), (
        f"valid for {left} days instead of {order.days}, because the root expires on {end.date()}",
    )


def final_paths(plan: Plan, folder: Path) -> dict[str, Path]:
    """Return the paths of a plan's new files in a folder, by their names in reports.

    In a pki folder, files without such a name are left out; elsewhere they have their file names.
    """
    return {
        publish.what.value if publish.what else publish.target: folder / publish.target
        for publish in plan.publish
        if publish.what or not plan.database
    }


NO_P12 = "none"
"""In place of a key of P12_ENCRYPTIONS: no PKCS#12 file, although there is an old one."""


def like_old_p12(stem: str, store: Store) -> str | None:
    """Return the key of P12_ENCRYPTIONS by which the PKCS#12 file of a certificate was made; None if there is none.

    Raises UnreadableError if the file cannot be read.
    """
    path = store.path / layout.p12(stem)
    return pkcs12_form(read_file(path)) if path.exists() else None


def old_p12(
    order: LeafOrder, store: Store, *, at: datetime | None = None
) -> tuple[tuple[Publish, ...], tuple[str, ...]]:
    """Return the move that renames an old PKCS#12 file if the order makes no new one, and a note about it.

    The new name contains the time `at`, or the current time.
    """
    name = layout.p12(order.stem)
    if order.p12 or not (store.path / name).exists():
        return (), ()
    aside = f"{name}.old-{at:%Y%m%dT%H%M%SZ}" if at else free_name(store.path, name)
    note = f"{store.path / name} holds the old certificate and was renamed to {aside}: --p12 makes a new one"
    return (Publish(f"../{name}", aside, None),), (note,)
