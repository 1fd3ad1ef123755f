"""Jobs: what is to be done in a pki folder, checked as far as that is possible before it is done."""

from __future__ import annotations

from .issue import intermediate_job, leaf_job, request_job, root_job, self_signed_job
from .job import Job, Violation, refuse_violations, stored_issuer, violations

__all__ = [
    "Job",
    "Violation",
    "intermediate_job",
    "leaf_job",
    "refuse_violations",
    "request_job",
    "root_job",
    "self_signed_job",
    "stored_issuer",
    "violations",
]
