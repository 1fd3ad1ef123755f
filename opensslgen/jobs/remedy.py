"""What to do about a finding on a certificate of the pki folder: renew it, or issue another one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder
from opensslgen.rules.rule import Case, judge
from opensslgen.suggest import suggest

from .job import authorities_of
from .renew import Renewal, renewal_job, root_renewal_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.pki.lookup import Found
    from opensslgen.pki.store import Store
    from opensslgen.rules.rule import Finding

    from .job import Job

_RENEW = "Renew it: the new certificate will not have this."
_RENEW_CA = "The CA is the cause: renew it, or create a new one, and then renew this certificate."


def remedies(found: Found, *, store: Store, fix: Callable[[Finding], str]) -> Callable[[Finding], str]:
    """Return a function that says what to do about a finding: the certificate that renewal would give is judged.

    `fix` returns what a new certificate has to have instead, in a sentence.
    """
    another = _another(found, store)
    try:
        job = renewal(found, store=store)
        authorities = () if found.certificate.is_self_signed else authorities_of(store)
    except Error:
        return lambda finding: f"{fix(finding)} {another}"
    assert job.order is not None
    now = datetime.now(timezone.utc)
    expected = job.order.to_certificate(not_before=now)
    below = Case(expected, next(iter(authorities), None), now, chain=authorities if len(authorities) > 1 else ())

    def remedy(finding: Finding) -> str:
        if not judge(below, [finding.rule]):
            return _RENEW
        if not judge(Case(expected, None, now), [finding.rule]):
            return _RENEW_CA
        return f"Renewing it would not change this. {fix(finding)} {another}"

    return remedy


def renewal(found: Found, *, store: Store) -> Job:
    """Return the job that renews a certificate of the folder as it is; raises Error if it cannot be renewed."""
    stem = lookup.stem_to_renew(Folder(store.path), found)
    if stem == lookup.ROOT:
        return root_renewal_job(store=store)
    return renewal_job(stem, Renewal(), store=store)


def _another(found: Found, store: Store) -> str:
    """Return how a certificate is replaced that renewal does not cure."""
    if found.certificate.is_authority:
        command = suggest("root", "--pki", "DIR")
        return f"Create a new CA in another folder ({command}), and issue there what this one has issued."
    options = ("--force",) if "certificate" in found.files else ()
    command = lookup.another_like(Folder(store.path), found.certificate, *options) or ""
    return f"Issue a new certificate{f' ({command})' if command else ''}, and install it in place of this one."
