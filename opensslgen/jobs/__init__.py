"""Jobs: what is to be done in a pki folder, checked as far as that is possible before it is done."""

from __future__ import annotations

from .adopt import adopt_job
from .export import export_job
from .issue import intermediate_job, leaf_job, request_job, root_job, self_signed_job
from .job import Job, Violation, fitted, refuse_violations, stale_p12, stored_issuer, violations
from .passphrase import passphrase_job
from .renew import renewal_job, root_renewal_job
from .revoke import REASONS, revocation_job, revocation_list_job
from .sign import has_request, sign_job

__all__ = [
    "REASONS",
    "Job",
    "Violation",
    "adopt_job",
    "export_job",
    "fitted",
    "has_request",
    "intermediate_job",
    "leaf_job",
    "passphrase_job",
    "refuse_violations",
    "renewal_job",
    "request_job",
    "revocation_job",
    "revocation_list_job",
    "root_job",
    "root_renewal_job",
    "self_signed_job",
    "sign_job",
    "stale_p12",
    "stored_issuer",
    "violations",
]
