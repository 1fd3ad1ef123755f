"""Do jobs: run the plan, judge the new certificate, publish the files."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.locks import has_been_held
from opensslgen.files.write import overwrite_refusal
from opensslgen.openssl import provider, run
from opensslgen.pki.index import refuse_damaged
from opensslgen.plan.issue import demands
from opensslgen.plan.layout import CA, CA_CHAIN, INDEX
from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.plan.steps import Check, CheckChain, CheckKey
from opensslgen.rules.profiles import PROFILES, rules_of
from opensslgen.rules.rule import Case, Finding, judge
from opensslgen.x509.certificate import Certificate, load, load_all

from .clock import refuse_wrong_clock
from .job import Job, Violation, final_paths, judge_now, violations
from .passphrase import PkiSecrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store

    from .destination import Destination


_SLIPS = {"cn-not-in-san", "san-twice", "name-near-miss", "wildcard-tld"}
"""Rules whose findings the notes of a job already contain."""


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """The files and findings of a job."""

    job: Job
    files: dict[str, Path]
    """By name: certificate, chain, key, request, p12, root, root key; files that are only moved are left out."""
    certificate: Certificate | None
    """None for a job without a certificate."""
    issuer: Certificate | None
    checks: tuple[str, ...]
    """What was checked, in words."""
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    """Warnings and notes of the rules."""
    kept: tuple[Path, ...]
    """Files that were replaced, under their new names."""


@dataclass(frozen=True)
class Authority:
    """A pki folder, and the openssl that works in it."""

    store: Store
    openssl: OpenSSL
    secret: Callable[[str], str]
    """Returns the value of a secret by the name that plans have for it; raises Error if there is none."""
    on_command: Callable[[str], None] = lambda _: None
    allow: Collection[str] = ()
    """Ids of rules that may be broken."""
    force: bool = False
    """Whether existing files may be replaced; the old files are kept next to the new ones."""

    def make(self, prepare: Callable[[], Job]) -> JobResult:
        """Run a job in a work folder, judge the new certificate, and publish all files or none.

        Raises Violation if the certificate breaks a rule, and Error for any other failure.
        """
        self.store.finish()
        try:
            job = self._possible(prepare())
        except Error as error:
            is_final = type(error) not in (Error, UnreadableError, UsageError)
            if is_final or not has_been_held(self.store.path) or not os.access(self.store.path, os.W_OK):
                raise
            # Another run may be replacing the files that were read; under the lock, the error is true.
            with self.store.lock():
                job = self._possible(prepare())
        self._require(job)
        if job.plan.records:
            refuse_damaged(self.store.path / INDEX)
        if job.certificate is not None:
            refuse_wrong_clock(self.store.path, allow=self.allow)
        # Secrets are asked for before the lock is held, as people take their time; the folder may change meanwhile.
        ask = (
            self.secret
            if isinstance(self.secret, PkiSecrets)
            else PkiSecrets(self.secret, self.store, lambda: self.openssl)
        )
        secrets = self._secrets(job, ask)
        with self.store.lock() as work:
            job = self._possible(prepare())
            secrets |= self._secrets(job, ask)
            self.on_command(f"cd {shlex.quote(str(work))}")
            run.run(job.plan, work=work, openssl=self.openssl, secrets=secrets, on_command=self.on_command)
            certificate = issuer = None
            findings: list[Finding] = []
            if job.certificate is not None:
                certificate = load(work / job.certificate)
                authorities = self._authorities_of(certificate, work)
                issuer = next(iter(authorities), None)
                findings = judge_now(certificate, authorities, profile=job.profile, allow=self.allow)
                if violations(findings):
                    raise Violation(
                        "the finished certificate breaks a rule, so it was not published", violations(findings)
                    )
            # Keys take seconds to make: easy-rsa, which ignores our lock, may have written files in the meantime.
            publication = self.store.stage(self._possible(job).plan, work=work)
            self.store.publish(publication, work=work)
        return JobResult(
            job=job,
            files=final_paths(job.plan, self.store.path),
            certificate=certificate,
            issuer=issuer,
            checks=_checks(job, self.allow),
            notes=job.notes + publication.notes + _source(self.openssl),
            findings=tuple(finding for finding in findings if finding.rule.id not in _SLIPS),
            kept=tuple(self.store.path / name for name in publication.kept.values()),
        )

    def _secrets(self, job: Job, ask: PkiSecrets) -> dict[str, str]:
        """Return the secrets of a job; the CA's passphrase is asked for first, and checked before the others."""
        if CA_PASSPHRASE in job.plan.secrets and self.store.ca_key in job.plan.needs:
            ask.unlock()
        return {name: ask(name) for name in job.plan.secrets}

    def _require(self, job: Job) -> None:
        """Raise Error if openssl cannot do the job."""
        checks = (step for step in job.plan.steps if isinstance(step, Check) and step.issuer != step.certificate)
        names = tuple(name for check in checks for name in check.names)
        issuer = self.store.issuer() if names else None
        below = demands(names, issuer.name_constraints) if issuer else ()
        for demand in (*job.plan.demands, *below):
            self.openssl.require(demand)

    def _possible(self, job: Job) -> Job:
        """Return the job; raises Error if it would overwrite a file."""
        self.store.refuse_odd_files(job.plan)
        there = self.store.existing(job.plan)
        if there and not self.force:
            raise overwrite_refusal(self.store.path, there)
        self.store.refuse_repeated(job.plan)
        return job

    def _authorities_of(self, certificate: Certificate, work: Path) -> tuple[Certificate, ...]:
        """Return the CAs above a certificate: new or adopted ones, else the folder's."""
        for name in (CA_CHAIN, CA):
            if (work / name).exists():
                return tuple(load_all(work / name))
        issuer = None if certificate.is_self_signed else self.store.issuer()
        return (issuer, *self.store.above()) if issuer else ()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A folder of the user's, and the openssl that works in it."""

    into: Destination
    openssl: OpenSSL
    secret: Callable[[str], str]
    """As in Authority, like the others."""
    on_command: Callable[[str], None] = lambda _: None
    force: bool = False

    def make(self, prepare: Callable[[], Job]) -> JobResult:
        """Run a job in a work folder, and put all its files into the folder or none."""
        job = prepare()
        # Other files may be identical.
        there = [publish.target for publish in self.into.existing(job.plan) if publish.is_secret]
        if there and not self.force:
            raise overwrite_refusal(self.into.path, there)
        secrets = {name: self.secret(name) for name in job.plan.secrets}
        with self.into.work() as work:
            self.on_command(f"cd {shlex.quote(str(work))}")
            run.run(job.plan, work=work, openssl=self.openssl, secrets=secrets, on_command=self.on_command)
            kept, notes = self.into.publish(job.plan, work=work, force=self.force)
        return JobResult(
            job=job,
            files=final_paths(job.plan, self.into.path),
            certificate=None,
            issuer=None,
            checks=_checks(job, ()),
            notes=(*job.notes, *notes),
            findings=(),
            kept=tuple(self.into.path / name for name in kept.values()),
        )


def _source(openssl: OpenSSL) -> tuple[str, ...]:
    """Return a note about providers that the site has set up; empty without any."""
    return (f"keys and signatures come from {provider.describe(openssl)}",) if openssl.providers else ()


def check(certificate: Certificate, *, issuer: Certificate | None = None, profile: str = "apple") -> list[Finding]:
    """Return the findings against a certificate now, by the rules of a profile; empty if it complies."""
    return judge(Case(certificate, issuer, datetime.now(timezone.utc)), rules_of([profile]))


_CHECKED = {
    Check: ("extended key usage and validity, as openssl prints them and as decoded", "chain, by openssl verify"),
    CheckKey: ("that key and certificate belong together, by openssl",),
    CheckChain: ("chain, by openssl verify",),
}
"""What the steps of a plan check, in words."""


def _checks(job: Job, allow: Collection[str]) -> tuple[str, ...]:
    lines = dict.fromkeys(line for step in job.plan.steps for line in _CHECKED.get(type(step), ()))
    if job.certificate is None:
        return (*lines, *job.checks)
    profile = PROFILES[job.profile]
    left_out = [rule for rule in profile.rules if rule in allow]
    return (
        *lines,
        *job.checks,
        f"{len(profile.rules) - len(left_out)} rules: {profile.title}"
        + (f"; not {', '.join(left_out)}" if left_out else ""),
    )
