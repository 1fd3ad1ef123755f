"""Write the result of a job, and findings, as text for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.text import rfc3339, utc, visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opensslgen.errors import Error
    from opensslgen.jobs.job import Violation
    from opensslgen.jobs.perform import JobResult
    from opensslgen.rules.rule import Finding
    from opensslgen.x509.certificate import Certificate


def made_text(made: JobResult) -> str:
    """Return the files, how long the certificate is valid, what was checked, and the next step."""
    lines = []
    files, certificate = made.files, made.certificate
    if "root key" in files and made.issuer:
        alone = certificate is not None and certificate.der == made.issuer.der
        lines += [
            f"Made a root certificate{'' if alone else ' first, because there was none'}:"
            f" {visible(str(made.issuer.subject))}",
            *_table([("root", files["root"]), ("root key", f"{files['root key']} (keep it secret)")]),
            *_table([("valid", _span(made.issuer))]),
        ]
        if alone:
            certificate = None
    others = [(what, path) for what, path in files.items() if what not in {"root", "root key"}]
    if others or not lines:
        lines.append(f"{visible(made.job.done)}{':' if others else '.'}")
        lines += _table(others)
    if certificate:
        names = ", ".join(visible(str(name)) for name in certificate.names)
        lines += _table([("names", names)] if names else [])
        lines += _table([("valid", _span(certificate))])
    if made.checks:
        lines.append("Checked:")
        lines += [f"  ✓ {check}" for check in made.checks]
    lines += [f"Kept the old file as {path}" for path in made.kept]
    if made.job.next_step:
        lines.append(f"Next: {made.job.next_step}")
    return visible_lines("\n".join(lines)) + "\n"


def made_json(made: JobResult) -> dict[str, object]:
    """Return the same for a program."""
    return {
        "name": made.job.name,
        "done": made.job.done,
        "files": {kind.replace(" ", "_"): str(path) for kind, path in made.files.items()},
        "certificate": certificate_json(made.certificate) if made.certificate else None,
        "root_made": made.job.makes_root,
        "checks": list(made.checks),
        "notes": list(made.notes),
        "kept": [str(path) for path in made.kept],
        "findings": [finding_json(finding) for finding in made.findings],
    }


def violation_json(violation: Violation) -> dict[str, object]:
    """Return why a job was refused."""
    return {"error": violation.message, "findings": [finding_json(finding) for finding in violation.findings]}


def failed_json(name: str, error: Error) -> dict[str, object]:
    """Return why this certificate was not renewed."""
    from opensslgen.jobs.job import Violation

    return {"name": name, **(violation_json(error) if isinstance(error, Violation) else {"error": error.message})}


def certificate_json(certificate: Certificate) -> dict[str, object]:
    """Return the fields of a certificate; times in UTC as RFC 3339."""
    return {
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial_number": certificate.serial_hex,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "days": certificate.validity.days,
        "subject_alternative_names": [str(name) for name in certificate.names],
        "extended_key_usage": list(certificate.extended_key_usage or ()),
        "key_usage": sorted(certificate.key_usage or ()),
        "key": f"{certificate.public_key.algorithm} {certificate.public_key.curve or certificate.public_key.bits}",
        "signature_algorithm": certificate.signature_algorithm,
        "sha256_fingerprint": certificate.fingerprint,
    }


def findings_text(findings: Iterable[Finding]) -> str:
    """Return two lines for each finding: the message, and the reason with its source."""
    return "".join(
        f"  {finding.rule.severity}: {visible(finding.message)} [{finding.rule.id}]\n"
        f"    {finding.rule.reason} ({finding.rule.citation})\n"
        for finding in findings
    )


def finding_json(finding: Finding) -> dict[str, str]:
    """Return one finding."""
    return {
        "rule": finding.rule.id,
        "severity": finding.rule.severity,
        "message": finding.message,
        "reason": finding.rule.reason,
        "citation": finding.rule.citation,
    }


def _table(rows: Iterable[tuple[str, object]]) -> list[str]:
    return [f"  {name:<12} {value}" for name, value in rows]


def _span(certificate: Certificate) -> str:
    days = certificate.validity.days
    return f"until {utc(certificate.not_after, 'minutes')} ({days} days)"
