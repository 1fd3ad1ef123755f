"""What a job is, and what all of them ask of the store and of the rules."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeVar

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.write import name_beside
from opensslgen.orders.kinds import ProfileName
from opensslgen.orders.order import AuthorityOrder, LeafOrder
from opensslgen.pki import index
from opensslgen.pki.folder import Folder
from opensslgen.plan.issue import Issuer
from opensslgen.plan.layout import CA_CHAIN
from opensslgen.plan.steps import Publish
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import ERROR, Case, Finding, judge
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
    """What was asked for, or made, breaks rules; nothing has been published."""

    def __init__(self, message: str, findings: list[Finding]) -> None:
        """Take what was judged, and the findings that speak against it."""
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done: a plan that has been checked as far as that is possible before it runs."""

    name: str
    done: str
    """What will have been done, as a sentence without its end: Made a server certificate for pbx.example.com."""
    plan: Plan
    certificate: str | None = None
    """The file in the work folder that holds the finished certificate, if there is to be one."""
    profile: ProfileName = ProfileName.APPLE
    """What that is held against."""
    makes_root: bool = False
    notes: tuple[str, ...] = ()
    """What the user should know, such as a likely slip in a name."""
    checks: tuple[str, ...] = ()
    """What the plan's steps check, in words, where no certificate is judged."""
    next_step: str | None = None
    """What is left to do, as a sentence."""


def violations(findings: Iterable[Finding]) -> list[Finding]:
    """Return those of the findings that are errors."""
    return [finding for finding in findings if finding.rule.severity == ERROR]


def judge_now(
    certificate: Certificate, authorities: tuple[Certificate, ...], *, profile: ProfileName, allow: Collection[str]
) -> list[Finding]:
    """Hold a certificate against the rules that are not allowed to be broken; above it is first of all its issuer."""
    chain = authorities if len(authorities) > 1 else ()
    case = Case(certificate, next(iter(authorities), None), datetime.now(timezone.utc), chain=chain)
    return judge(case, rules_of([profile], allow))


def refuse_violations(
    order: AuthorityOrder | LeafOrder, authorities: tuple[Certificate, ...] = (), *, allow: Collection[str]
) -> None:
    """Hold a certificate that was not made yet against the rules; raises Violation."""
    certificate = order.expected(not_before=datetime.now(timezone.utc))
    findings = violations(judge_now(certificate, authorities, profile=order.profile, allow=allow))
    if findings:
        raise Violation("this would break a rule, so nothing was made", findings)


def authorities_of(store: Store) -> tuple[Certificate, ...]:
    """Return the certificates of the pki folder's authority and of those above it; none if it has no authority."""
    issuer = store.issuer()
    return (issuer, *store.above()) if issuer else ()


def refuse_compromised(key: PublicKey | None, store: Store) -> None:
    """Raise Error for the key of a certificate that was revoked because others may have that key."""
    if key is not None and key in Folder(store.path).compromised:
        raise Error("this key was revoked as compromised", hint="make a new one")


def root_of(store: Store) -> Certificate:
    """Return the certificate of the pki folder's authority; raises Error if there is none."""
    issuer = store.issuer()
    if issuer is None:
        raise Error(f"{store.path} has no root yet", hint="make one first: opensslgen root")
    return issuer


def about_replaced(store: Store, successor: Certificate | None = None) -> tuple[str, ...]:
    """Return what to know of an authority whose place another takes: `successor`, or one with a new key.

    Raises Error if anything that stands in the index is still valid: with the old key, nobody could revoke it any more.
    """
    path, lines = store.path / store.ca_certificate, store.path / "index.txt"
    if not path.exists() or not lines.exists():
        return ()
    with suppress(UnreadableError):
        if successor and load(path).public_key == successor.public_key:
            return ()
    now, revoked = datetime.now(timezone.utc), 0
    for entry in index.read(lines, mend=True):
        if entry.state == index.VALID and entry.not_after > now:
            raise Error(
                f"{entry.title} is valid until {entry.not_after:%Y-%m-%d}, and without {path} nobody could revoke it",
                hint="make the new authority in a folder of its own: --pki DIR",
            )
        revoked += entry.state == index.REVOKED
    return (f"its revocation lists will name the {revoked} that the authority before has revoked",) if revoked else ()


def stored_issuer(store: Store) -> Issuer:
    """Return the authority of the pki folder; raises Error if its key is not there."""
    return Issuer(
        certificate=f"../{store.ca_certificate}",
        key=f"../{store.ca_key}",
        encrypted=store.ca_key_is_encrypted(),
        above=f"../{CA_CHAIN}" if store.above() else None,
    )


def fit_to_issuer(
    order: Order, store: Store, issuer: Certificate | AuthorityOrder, *, fixed_days: bool
) -> tuple[Order, tuple[str, ...]]:
    """Return the order, shortened if it would outlive its issuer, and a note that says so.

    The issuer is the store's authority, or the order for the root that will be made first.
    Raises UsageError instead if its days are fixed, or if its subject is the issuer's, and Error if the authority has
    less than a day left, or begins later than now.
    """
    if same_name(order.subject, issuer.subject):
        raise UsageError(
            f"the subject {Name(order.subject.attributes)} is that of the authority that would sign it, and clients"
            " would take it for self-signed: give it another common name (--cn)"
        )
    now = datetime.now(timezone.utc)
    if isinstance(issuer, Certificate) and issuer.not_before > now:
        raise Error(
            f"{store.path / store.ca_certificate} is valid from {issuer.not_before:%Y-%m-%d %H:%M:%S} UTC on, and here"
            f" it is {now:%Y-%m-%d %H:%M:%S} UTC: the clock of this machine, or of the one that made it, is wrong"
        )
    end = issuer.not_after if isinstance(issuer, Certificate) else now + timedelta(days=issuer.days)
    # Where openssl cannot be given times, the validity begins when it runs, which is a little later than now.
    left = (end - now - timedelta(minutes=10)).days
    if left < 1:
        path = store.path / store.ca_certificate
        raise Error(f"the root {path} expires within a day, at {end:%Y-%m-%d %H:%M} UTC")
    if order.days <= left:
        return order, ()
    if fixed_days:
        raise UsageError(
            f"{order.days} days would outlive the root, which expires on {end:%Y-%m-%d}",
            hint=f"--days {left} is the most",
        )
    return replace(order, days=left), (
        f"valid for {left} days instead of {order.days}, as the root expires on {end:%Y-%m-%d}",
    )


def final_paths(plan: Plan, folder: Path) -> dict[str, Path]:
    """Return where a plan puts its files in a folder, by what they are to people.

    In a pki folder, what is nothing to people is left out; elsewhere it goes by its name.
    """
    return {
        publish.what.value if publish.what else publish.target: folder / publish.target
        for publish in plan.publish
        if publish.what or not plan.database
    }


def stale_p12(
    order: LeafOrder, store: Store, *, at: datetime | None = None
) -> tuple[tuple[Publish, ...], tuple[str, ...]]:
    """Return how an old PKCS#12 file is put aside if no new one is made, and a note about it.

    It is named after the time `at`, else after now, with a name that nothing has yet.
    """
    name = f"private/{order.stem}.p12"
    if order.p12 or not (store.path / name).exists():
        return (), ()
    aside = f"{name}.old-{at:%Y%m%dT%H%M%SZ}" if at else name_beside(store.path, name)
    note = f"{store.path / name} holds the old certificate and was renamed to {aside}: --p12 makes a new one"
    return (Publish(f"../{name}", aside, None),), (note,)
