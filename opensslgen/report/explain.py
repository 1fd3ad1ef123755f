"""Explain one certificate, as text for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opensslgen.bundles.private_keys import ENCRYPTED
from opensslgen.orders.kinds import kind_of
from opensslgen.pki.index import REVOKED, VALID
from opensslgen.rules.devices import ALL, Verdict, verdicts
from opensslgen.text import rfc3339, utc, visible
from opensslgen.x509 import crl
from opensslgen.x509.der import DecodeError

from .made import certificate_json, finding_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from opensslgen.audit.result import Result
    from opensslgen.bundles.holding import Holding
    from opensslgen.pki.lookup import Found
    from opensslgen.x509.certificate import Certificate, Signed

_PURPOSES = {
    "root": "root CA: it issues certificates, and has to be installed on each device",
    "authority": "intermediate CA: it issues certificates, below a root",
    "server": "server: it shows the certificate to clients that connect",
    "client": "client, such as a phone or a person: it shows the certificate to servers",
    "self-signed": "self-signed, but not a CA: phones cannot install it as a root",
    "any use": "not stated: it has no extended key usage, which many clients demand",
    "other": "neither servers nor clients",
}
_MARKS = {True: "✓", False: "✗", None: "-"}


def facts(found: Found, *, at: datetime) -> list[tuple[str, str]]:
    """Return what a certificate is for, its names, dates and more, each with a label."""
    certificate = found.certificate
    constraints = certificate.basic_constraints
    usages = certificate.extended_key_usage
    purpose = _PURPOSES[kind_of(certificate)]
    if constraints and constraints.ca and constraints.path_length == 0:
        purpose += "; not for CAs below it"
    return [
        ("for", purpose + (f" ({', '.join(usages)})" if usages else "")),
        ("names", ", ".join(visible(str(name)) for name in certificate.names) or "none"),
        ("subject", str(certificate.subject) or "none"),
        ("valid", _validity(certificate, at)),
        ("key", f"{_key(certificate)}, signed by {certificate.signature_algorithm}"),
        ("issuer", _issuer(found)),
        ("serial", certificate.serial_hex),
        ("SHA-256", certificate.fingerprint),
        ("index", _state(found)),
    ]


def explanation(found: Found, *, at: datetime, proof: Result, holding: Holding | None = None) -> str:
    """Return what a certificate is for, its names, dates and files, and on which devices it works.

    `proof` is the result of verifying its signature; `holding` is all that its file holds.
    """
    certificate = found.certificate
    lines = [visible(str(certificate.subject.common_name or found.path.name))]
    if found.others:
        lines[0] += f" (the first of {1 + len(found.others)} certificates in {visible(str(found.path))})"
    lines += [
        f"  {what:<10} {text}".rstrip()
        for what, text in (*facts(found, at=at), ("signature", signature(proof)), ("files", ""))
    ]
    files = found.files or {"certificate": found.path}
    lines += [f"    {what:<16} {visible(str(path))}" for what, path in files.items()]
    if holding:
        lines += [f"    {'beside it':<16} {visible(text)}" for text in _beside(holding)]
        lines += [f"  {'note':<10} {visible(note)}" for note in (*holding.faults, *holding.notes)]
    lines.append("Where it works:")
    if found.entry and found.entry.state == REVOKED:
        lines.append("  ✗ all clients that check revocation: it is revoked")
    for verdict in verdicts_on(found, at=at, proof=proof):
        lines += _verdict_lines(verdict)
    return "\n".join(lines) + "\n"


def _beside(holding: Holding) -> Iterator[str]:
    """Yield what a file holds besides the certificate that is explained."""
    for place, certificate in enumerate(holding.certificates[1:], 2):
        yield f"certificate {place}: {certificate.subject or 'without a name'}, {_until(certificate)}"
    yield from (f"a request for {request.subject or 'a certificate without a name'}" for request in holding.requests)
    yield from ("an encrypted private key" if label == ENCRYPTED else "a private key" for label, _ in holding.keys)
    yield from (_of_crl(der) for _, der in holding.crls)


def _until(certificate: Certificate) -> str:
    return f"until {certificate.not_after.date()}"


def _of_crl(der: bytes) -> str:
    try:
        return f"a CRL of {crl.decode(der).issuer}"
    except DecodeError as error:
        return f"a CRL that cannot be read: {error}"


def contents(holding: Holding, path: Path) -> str:
    """Return what is in a file without a certificate: requests, CRLs and private keys."""
    lines = [f"{visible(path.name)}: no certificate"]
    for title, rows in _contents(holding, path):
        lines.append(title)
        lines += [f"  {what:<10} {visible(text)}".rstrip() for what, text in rows]
    lines += [f"  {'note':<10} {visible(note)}" for note in (*holding.faults, *holding.notes)]
    return "\n".join(lines) + "\n"


def contents_json(holding: Holding, path: Path) -> dict[str, object]:
    """Return the same for a program."""
    return {
        "version": 1,
        "kind": "contents",
        "file": str(path),
        "contents": [
            {"kind": title, **{what.replace(" ", "_").lower(): text for what, text in rows}}
            for title, rows in _contents(holding, path)
        ],
        "notes": [*holding.faults, *holding.notes],
    }


def _contents(holding: Holding, path: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each request, CRL and private key in a file, with what it says, each with a label."""
    for request in holding.requests:
        yield (
            "request",
            [
                ("for", f"a CA, which signs it: opensslgen sign {path}"),
                ("usages", ", ".join(request.extended_key_usage or ()) or "none"),
                ("names", ", ".join(str(name) for name in request.names) or "none"),
                ("subject", str(request.subject) or "none"),
                ("key", f"{_key(request)}, signed by {request.signature_algorithm}"),
                ("signature", "not verified; opensslgen sign verifies it"),
            ],
        )
    for _, der in holding.crls:
        try:
            made = crl.decode(der)
        except DecodeError as error:
            yield "CRL", [("fault", f"it cannot be read: {error}")]
            continue
        due = made.dates.next_update
        serials = [format(each.serial_number, "X") for each in made.revocations]
        more = f" and {len(serials) - _MOST_SERIALS} more" if len(serials) > _MOST_SERIALS else ""
        yield (
            "CRL",
            [
                ("issuer", str(made.issuer) or "(no name)"),
                ("valid", f"{utc(made.dates.this_update)} to {utc(due) if due else 'no date'}"),
                ("number", "none" if made.number is None else str(made.number)),
                ("revokes", f"{', '.join(serials[:_MOST_SERIALS]) or 'nothing'}{more}"),
                ("signature", f"not verified; opensslgen audit {path} --root CA verifies it"),
            ],
        )
    for label, _ in holding.keys:
        what = "encrypted" if label == ENCRYPTED else "not encrypted"
        yield "private key", [("passphrase", what), ("readers", f"not checked; opensslgen audit {path} checks them")]


_MOST_SERIALS = 20
"""Serial numbers of a CRL that are listed."""


def signature(proof: Result) -> str:
    """Return what openssl says of a signature, or why it says nothing."""
    said = (*(finding.message for finding in proof.findings), proof.unreadable, *proof.notes)
    return visible(next(filter(None, said), "openssl has verified it"))


def verdicts_on(found: Found, *, at: datetime, proof: Result | None = None) -> list[Verdict]:
    """Return what is known of it by the kind of device."""
    return verdicts(
        found.certificate,
        issuer=found.issuer,
        is_private=found.is_private,
        at=at,
        path=str(found.path),
        proof=proof.findings if proof else (),
    )


class Standing(NamedTuple):
    """Whether a certificate is in order, in one sentence."""

    state: str
    """"good", "warn" or "bad"."""
    words: str


def standing(found: Found, said: Iterable[Verdict], *, proof: Result) -> Standing:
    """Return the worst of what `verdicts_on` says; what openssl could not verify is never good."""
    said = tuple(said)
    if found.entry and found.entry.state == REVOKED:
        return Standing("bad", "It is revoked. Clients that check revocation refuse it.")
    broken = [verdict.device for verdict in said if verdict.complies is False]
    if broken:
        where = "every client" if ALL in broken else ", ".join(broken)
        return Standing("bad", f"It does not comply: {where} may refuse it.")
    if proof.unreadable is not None or proof.notes:
        said_of_it = signature(proof)
        return Standing("warn", f"{said_of_it[:1].upper()}{said_of_it[1:]}.")
    if count := sum(len(verdict.findings) for verdict in said):
        return Standing("warn", f"It complies, with {f'{count} warnings' if count > 1 else 'a warning'}.")
    return Standing("good", "It complies: no rule is violated.")


def _verdict_lines(verdict: Verdict) -> Iterable[str]:
    mark = "!" if verdict.complies and verdict.findings else _MARKS[verdict.complies]
    yield f"  {mark} {verdict.device}: {verdict.words}{':' if verdict.findings else ''}"
    for finding in verdict.findings:
        yield f"      {finding.rule.severity}: {visible(finding.message)} [{finding.rule.id}]"
        yield f"        {finding.rule.reason}"


def _validity(certificate: Certificate, at: datetime) -> str:
    begins, expires = certificate.not_before, certificate.not_after
    span = f"{utc(begins, 'minutes')} to {utc(expires, 'minutes')}, {certificate.validity.days} days"
    if at < begins:
        return f"{span}; not valid yet: by this machine's clock, it will be in {_days((begins - at).days)}"
    if at > expires:
        return f"{span}; expired {_days((at - expires).days)} ago"
    return f"{span}; {_days((expires - at).days)} left"


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _key(certificate: Signed) -> str:
    key = certificate.public_key
    return f"{key.algorithm} {key.curve or f'{key.bits} bits'}"


def _issuer(found: Found) -> str:
    certificate = found.certificate
    name = str(certificate.issuer) or "(no name)"
    if certificate.is_self_signed:
        return f"{name} (self-signed)"
    if found.issuer is None:
        return f"{name} (not found)"
    where = f"{visible(str(found.issuer_path))}, found by name; expires {found.issuer.not_after.date()}"
    return f"{name} ({where})"


def _state(found: Found) -> str:
    entry = found.entry
    if found.index_fault:
        return f"cannot be read: {found.index_fault}"
    if entry is None:
        # easy-rsa and this program record what a root issues, but not the root.
        return "no entry" + (", as usual for a root" if kind_of(found.certificate) == "root" else "")
    if entry.state == REVOKED and entry.revoked_at:
        why = f": {visible(entry.reason)}" if entry.reason else ""
        return f"REVOKED on {utc(entry.revoked_at, 'minutes')}{why} (line {entry.line})"
    return f"{'valid' if entry.state == VALID else 'expired'} (line {entry.line})"


def explanation_json(found: Found, *, at: datetime, proof: Result, holding: Holding | None = None) -> dict[str, object]:
    """Return the same for a program."""
    entry = found.entry
    return {
        "version": 1,
        "kind": kind_of(found.certificate),
        "file": str(found.path),
        "files": {what.replace(" ", "_"): str(path) for what, path in found.files.items()},
        "certificates_in_file": 1 + len(found.others),
        "beside": [*_beside(holding)] if holding else [],
        "notes": [*holding.faults, *holding.notes] if holding else [],
        "days_left": (found.certificate.not_after - at).days,
        "certificate": certificate_json(found.certificate),
        "issuer": found.issuer and certificate_json(found.issuer),
        "index": entry
        and {
            "state": entry.state,
            "line": entry.line,
            "revoked_at": entry.revoked_at and rfc3339(entry.revoked_at),
            "reason": entry.reason,
        },
        "index_fault": found.index_fault,
        "signature": signature(proof),
        "devices": [
            {
                "device": verdict.device,
                "complies": verdict.complies,
                "text": verdict.words,
                "findings": [finding_json(finding) for finding in verdict.findings],
            }
            for verdict in verdicts_on(found, at=at, proof=proof)
        ],
    }
