"""The job that adopts an existing CA."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files.write import free_name
from opensslgen.orders.kinds import ProfileName
from opensslgen.plan import adopt
from opensslgen.plan.layout import CA, CA_CHAIN
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import Case, Finding, judge
from opensslgen.suggest import suggest
from opensslgen.text import utc, visible

from .job import Job, Violation, about_replaced, violations

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.pki.store import Store
    from opensslgen.plan.adopt import Adoption
    from opensslgen.x509.certificate import Certificate


def adopt_job(adoption: Adoption, *, store: Store, allow: Collection[str] = (), tell: bool = False) -> Job:
    """Return the job of adopting a CA.

    Raises Error if it cannot be a CA or would replace one that is in use, and Violation if phones would reject it or
    the root above it. With `tell` the notes contain the rules' warnings, for a script, which judges
    nothing.
    """
    certificate, above = adoption.certificate, adoption.above
    name = visible(str(certificate.subject)) or "the certificate"
    for each in (certificate, *above):
        _refuse_unfit(each)
    found = _findings(certificate, above, allow)
    # Phones trust the root, not the intermediate.
    of_root = _findings(above[-1], (), allow) if above else []
    if violations([*found, *of_root]):
        raise Violation(f"phones would reject {name}, so it was not adopted", violations([*found, *of_root]))
    warnings = [*(found if tell else ()), *of_root]
    return Job(
        name=certificate.subject.common_name or name,
        done=f"Adopted {name}",
        plan=adopt.adopt(
            adoption, certificate=store.ca_certificate, key=store.ca_key, old_chain=_old_chain(store, adoption)
        ),
        certificate=CA,
        profile=ProfileName.ROOT,
        notes=(
            *about_replaced(store, certificate),
            *map(str, warnings),
        ),
        next_step=f"let the phones trust {visible(str((above[-1] if above else certificate).subject))}"
        f" ({suggest('trust', pki=store.path)}), and issue certificates: {suggest('server', 'NAME', pki=store.path)}",
    )


def _findings(certificate: Certificate, above: tuple[Certificate, ...], allow: Collection[str]) -> list[Finding]:
    issuer = above[0] if above else certificate
    case = Case(certificate, issuer, datetime.now(timezone.utc), chain=above)
    return judge(case, rules_of([ProfileName.ROOT], allow))


def _refuse_unfit(certificate: Certificate) -> None:
    """Raise Error for a certificate that is not a CA's or has expired, which no --allow overrides."""
    name = visible(str(certificate.subject)) or "a certificate without a subject"
    if not certificate.is_authority:
        raise Error(f"{name} is not a CA: it has no CA:TRUE")
    if certificate.not_after < datetime.now(timezone.utc):
        raise Error(f"{name} expired on {utc(certificate.not_after, 'minutes')}")


def _old_chain(store: Store, adoption: Adoption) -> tuple[str, str] | None:
    """Return the previous CA's chain file and its new name, if this CA has no chain."""
    if adoption.above or not (store.path / CA_CHAIN).exists():
        return None
    return CA_CHAIN, free_name(store.path, CA_CHAIN)
