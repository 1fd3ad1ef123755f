"""Do jobs in a pki folder: run the plan, judge what came out, publish it."""

from __future__ import annotations

import shlex
import stat
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from . import workflow
from .certificate import decode_public_key, load
from .errors import Error, UnreadableError, UsageError
from .jobs import Job, Violation, violations
from .keys import KeyType
from .profiles import PROFILES, rules_of
from .rules import Case, Finding, judge
from .store import exists

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from .certificate import Certificate
    from .openssl import OpenSSL
    from .store import Store


_SLIPS = {"cn-not-in-san", "san-twice", "name-near-miss", "wildcard-tld"}
"""Rules whose findings a job's notes have told already, when it was prepared."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What has been made."""

    job: Job
    files: dict[str, Path]
    """By what they are: certificate, chain, key, request, p12, root, root key; what is only moved has no name."""
    certificate: Certificate | None
    """None if only a request was made."""
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
    """Ids of rules that need not be kept."""
    force: bool = False
    """Whether files that exist may be replaced; they are kept beside the new ones."""

    def make(self, prepare: Callable[[], Job]) -> Made:
        """Run a job in a work folder, judge the certificate that came out, and publish it, or nothing at all.

        Raises Violation if the certificate breaks a rule, and Error for whatever else goes wrong.
        """
        self.store.finish()
        # Secrets are asked for before the lock is held, as people take their time; the folder may change meanwhile.
        secrets = {name: self.secret(name) for name in self._possible(prepare()).plan.secrets}
        with self.store.locked() as work:
            job = self._possible(prepare())
            secrets |= {name: self.secret(name) for name in job.plan.secrets if name not in secrets}
            self.on_command(f"cd {shlex.quote(str(work))}")
            workflow.run(job.plan, work=work, openssl=self.openssl, secrets=secrets, on_command=self.on_command)
            certificate = issuer = None
            findings: list[Finding] = []
            if job.judged is not None:
                certificate = load(work / job.judged)
                issuer = self._issuer_of(certificate, work)
                case = Case(certificate, issuer, datetime.now(timezone.utc), chain=self._above(issuer))
                findings = judge(case, rules_of([job.profile], self.allow))
                if violations(findings):
                    raise Violation(
                        "the finished certificate breaks a rule, so it was not published", violations(findings)
                    )
            # Keys take seconds to make: someone may have published in the meantime who knows nothing of our lock.
            staged = self.store.staged(self._possible(job).plan, work=work)
            self.store.publish(staged, work=work)
        return Made(
            job=job,
            files={publish.what: self.store.path / publish.target for publish in job.plan.publish if publish.what},
            certificate=certificate,
            issuer=issuer,
            checks=_checks(job, self.allow),
            notes=job.notes + self._backdating(certificate),
            findings=tuple(finding for finding in findings if finding.rule.id not in _SLIPS),
            kept=tuple(self.store.path / name for name in staged.kept.values()),
        )

    def _possible(self, job: Job) -> Job:
        """Return the job, unless it would replace what it must not, or openssl cannot do it."""
        for demand in job.plan.demands:
            if not self.openssl.can(demand):
                raise Error(f"{self.openssl.path} is {self.openssl.banner}, which cannot {demand}")
        there = self.store.existing(job.plan)
        if there and not self.force:
            raise exists(self.store.path, there)
        return job

    def _issuer_of(self, certificate: Certificate, work: Path) -> Certificate | None:
        """Return the root that was made just now, else the store's authority; None for a leaf that signed itself."""
        if (work / "ca.crt").exists():
            return load(work / "ca.crt")
        return None if certificate.is_self_issued else self.store.issuer()

    def _above(self, issuer: Certificate | None) -> tuple[Certificate, ...]:
        """Return the chain from the issuer up, if the issuer is the store's own and not a root."""
        above = self.store.above() if issuer else ()
        return (issuer, *above) if issuer and above else ()

    def _backdating(self, certificate: Certificate | None) -> tuple[str, ...]:
        if certificate is None or self.openssl.can("-not_before"):
            return ()
        return (
            f"it is valid from now on and not from an hour ago, which {self.openssl.banner.split(' (')[0]} cannot do:"
            " a phone whose clock is slow has to wait",
        )


def check(certificate: Certificate, *, issuer: Certificate | None = None, profile: str = "apple") -> list[Finding]:
    """Return what speaks against a certificate now, by the rules of a profile; nothing if it complies."""
    return judge(Case(certificate, issuer, datetime.now(timezone.utc)), rules_of([profile]))


def key_type_of(path: Path, openssl: OpenSSL) -> KeyType:
    """Return the type of the user's own private key; raises Error if openssl cannot read it or it is of no use."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        encrypted = regular and b"ENCRYPTED" in path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read the key {path}: {error.strerror}") from error
    if not regular:
        raise UnreadableError(f"the key {path} is not a regular file")
    if encrypted:
        raise UsageError(
            f"the key {path} has a passphrase, and a server's key must not",
            hint=f"write it without, into a file that only you can read: openssl pkey -in {path} -out FILE",
        )
    answer = openssl.run(["pkey", "-in", str(path.absolute()), "-pubout", "-outform", "DER"])
    key = decode_public_key(answer.stdout)
    if key.algorithm not in {"RSA", "EC"}:
        raise Error(f"{path} holds a key of the kind {key.algorithm}; RSA and EC keys are accepted")
    return KeyType(f"{key.algorithm} {key.bits}", key.algorithm, key.bits, key.curve)


def _checks(job: Job, allow: Collection[str]) -> tuple[str, ...]:
    if job.judged is None:
        return job.checks
    profile = PROFILES[job.profile]
    left_out = [rule for rule in profile.rules if rule in allow]
    return (
        "extended key usage and validity, as openssl prints them and as decoded",
        "chain, by openssl verify",
        f"{len(profile.rules) - len(left_out)} rules: {profile.title}"
        + (f"; not {', '.join(left_out)}" if left_out else ""),
    )
