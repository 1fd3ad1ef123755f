"""Check results: certificates by openssl's output, our decoder and `openssl verify`; requests and keys by openssl."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.text import visible
from opensslgen.x509.certificate import Certificate, load, load_all

from . import printed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opensslgen.plan.steps import Check, CheckChain, CheckKey

    from .workplace import Workplace


def verify_request(request: str, place: Workplace) -> None:
    """Raise Error unless openssl says that the request is signed by its own key; before 3.5 it always exits with 0."""
    process = place.run(["req", "-in", request, "-noout", "-verify"], check=False)
    lines = [line.strip() for line in (process.stdout + process.stderr).decode("utf-8", "replace").splitlines()]
    if process.exit_code != 0 or not any(line in _VERIFIED for line in lines):
        raise Error(
            "the request is not signed by the key that it holds, so its sender may not have that key",
            hint="ask for a new request",
        )


_VERIFIED = ("verify OK", "Certificate request self-signature verify OK")
"""On stderr up to 3.4, on stdout from 3.5 on."""


def faults(checks: Sequence[Check], place: Workplace) -> list[str | None]:
    """Compare openssl's output, our decoder and `openssl verify`; return the error of each certificate, or None.

    Certificates with the same issuer and purpose are verified by one process, and many are printed by one.
    """
    answers = _print_certificates([check.certificate for check in checks], place)
    ends = {issuer: load(place.work / issuer).not_after for issuer in {check.issuer for check in checks}}
    found = [
        _fault(check, answer, ends[check.issuer], place.work) for check, answer in zip(checks, answers, strict=True)
    ]
    groups: dict[tuple[str, str], list[str]] = {}
    for check, fault in zip(checks, found, strict=True):
        if fault is None:
            groups.setdefault((check.issuer, check.purpose), []).append(check.certificate)
    refusals: dict[str, str] = {}
    for (issuer, purpose), certificates in groups.items():
        refusals |= _refusals(certificates, issuer, purpose, place)
    return [fault or refusals.get(check.certificate) for check, fault in zip(checks, found, strict=True)]


def _print_certificates(certificates: Sequence[str], place: Workplace) -> list[printed.Printout | Error]:
    """Return what openssl prints of certificates, in their order, or the error."""
    if len(certificates) > 1:
        try:
            return [*_print_together(certificates, place)]
        except Error:
            pass  # printed one by one, the error belongs to one certificate
    answers: list[printed.Printout | Error] = []
    for certificate in certificates:
        try:
            process = place.run(["x509", "-in", certificate, *printed.ARGUMENTS])
            answers.append(printed.parse(process.stdout.decode("utf-8", "replace")))
        except Error as error:
            answers.append(error)
    return answers


def _print_together(certificates: Sequence[str], place: Workplace) -> list[printed.Printout]:
    """Return what openssl prints of certificates in several files; raises Error if their number differs."""
    bundle = b"".join((place.work / certificate).read_bytes() for certificate in certificates)
    (place.work / _BUNDLE).write_bytes(bundle)
    place.run(["crl2pkcs7", "-nocrl", "-certfile", _BUNDLE, "-out", f"{_BUNDLE}.p7b"])
    process = place.run(["pkcs7", "-in", f"{_BUNDLE}.p7b", *printed.OF_MANY])
    answers = printed.parse_many(process.stdout.decode("utf-8", "replace"))
    if len(answers) != len(certificates):
        raise Error(f"openssl printed {len(answers)} certificates of {len(certificates)}")
    return answers


_BUNDLE = "bundle.pem"


def _fault(check: Check, answer: printed.Printout | Error, issuer_end: datetime, work: Path) -> str | None:
    """Return the error of a certificate, by what openssl prints and by what we decode, or None."""
    try:
        decoded, *more = load_all(work / check.certificate)
    except UnreadableError as error:
        answer = error
    if isinstance(answer, Error):
        return answer.message
    if more:
        return f"openssl wrote {1 + len(more)} certificates into {check.certificate}"
    difference = printed.disagreement(answer, decoded)
    if difference:
        return f"openssl and opensslgen read the new certificate differently: {difference}"
    return _not_as_asked(check, decoded, issuer_end)


def _not_as_asked(check: Check, decoded: Certificate, issuer_end: datetime) -> str | None:
    lacking = set(check.extended_key_usage) - set(decoded.extended_key_usage or ())
    if lacking:
        return f"the new certificate's extended key usage lacks {', '.join(sorted(lacking))}"
    absent = [str(name) for name in check.names if name not in decoded.names]
    if absent:
        return f"the new certificate lacks {', '.join(absent)}, so its template does not use $SUBJECT_ALT_NAME"
    # With -days openssl reads the clock twice, and a second may pass meanwhile.
    if decoded.validity - timedelta(days=check.days) not in (timedelta(), timedelta(seconds=1)):
        return f"the new certificate is valid for {decoded.validity} and not for {check.days} days"
    if decoded.not_after > issuer_end:
        return "the new certificate would outlive its issuer"
    return None


def _refusals(
    certificates: Sequence[str], issuer: str, purpose: str, place: Workplace, *, at: int | None = None
) -> dict[str, str]:
    """Return those certificates that `openssl verify` does not accept, with what it says."""
    time = () if at is None else ("-attime", str(at))
    process = place.run(["verify", "-CAfile", issuer, "-purpose", purpose, *time, *certificates], check=False)
    # OpenSSL 1.0 exits with 0 even for an expired certificate; this output means success in all versions.
    good = "\n".join(f"{certificate}: OK" for certificate in certificates)
    if process.exit_code == 0 and process.stdout.decode("utf-8", "replace").strip() == good:
        return {}
    if len(certificates) > 1:
        # One by one, so that each error belongs to one certificate.
        found: dict[str, str] = {}
        for certificate in certificates:
            found |= _refusals([certificate], issuer, purpose, place, at=at)
        return found
    answer = (process.stdout + process.stderr).decode("utf-8", "replace")
    return {certificates[0]: f"openssl verify does not accept the certificate: {visible(' '.join(answer.split()))}"}


def check_chain(step: CheckChain, place: Workplace) -> None:
    """Raise Error unless `openssl verify` says that the certificate chains up to the issuers."""
    refusals = _refusals([step.certificate], step.issuers, step.purpose, place, at=step.at)
    if refusals:
        raise Error(refusals[step.certificate])


def check_key(step: CheckKey, place: Workplace) -> None:
    """Raise Error unless openssl prints the same public key for the key and the certificate."""
    ours = place.run(["pkey", "-in", step.key, *step.unlock, "-pubout"], secrets=step.secrets).stdout.strip()
    theirs = place.run(["x509", "-in", step.certificate, "-noout", "-pubkey"]).stdout.strip()
    if not ours or ours != theirs:
        raise Error("the key and the certificate do not belong together")
