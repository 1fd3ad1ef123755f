"""The verdict on what a file holds."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import Budget
from opensslgen.bundles.holding import Holding, add, blocks_of, holding_of, key_of, note_forms
from opensslgen.bundles.private_keys import ENCRYPTED
from opensslgen.errors import Error, UnreadableError
from opensslgen.files.read import content, pieces
from opensslgen.patterns import pattern
from opensslgen.rules.roles import AUTHORITY, CLIENT, SERVER, role_of
from opensslgen.rules.rule import Case, judge_request, raised
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode_block
from opensslgen.x509.der import DecodeError
from opensslgen.x509.pem import pem_blocks

from .kinds import is_shell_script, kind_of, other_program
from .records import (
    answer_to,
    is_crl_of_folder,
    is_index,
    is_kept,
    is_of_easy_rsa,
    is_record_of_commands,
    kind_of_certificate,
    role_in,
)
from .result import Result
from .signatures import AtHand, Pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.files.read import Content, File
    from opensslgen.rules.rule import Finding, Rule
    from opensslgen.x509.certificate import Certificate
    from opensslgen.x509.request import Request

    from .result import Settings
    from .signatures import Verdict


def judge_file(file: File, settings: Settings, at_hand: AtHand) -> list[Verdict]:
    """Return the verdicts on a file; nothing for a file of another kind that was found in a folder."""
    try:
        if file.unreadable:
            raise UnreadableError(file.unreadable)
        if is_index(file.path):
            from .folder import judge_folder

            return [*judge_folder(file.path, settings)]
        found = content(file, limit=settings.limit)
    except UnreadableError as error:
        return [Result(target=file.path, kind="file", unreadable=error.message)]
    return judge_content(found, file, settings, at_hand) if found else []


def judge_content(found: Content, file: File, settings: Settings, at_hand: AtHand) -> list[Verdict]:
    """Return the verdicts on the content of a file."""
    kind = kind_of(found.data)
    if kind is None and file.named and is_shell_script(found.data):
        # It may run other scripts beside it.
        kind = "script"
    if not file.named and (
        kind is None
        or (kind == "config" and is_of_easy_rsa(file.path))
        or (kind == "script" and is_record_of_commands(file.path))
        or is_crl_of_folder(file.path)
    ):
        return []
    try:
        if found.size > settings.limit:
            raise UnreadableError(f"larger than {settings.limit} bytes")
        if kind is None:
            raise UnreadableError(_what(found))
        if kind in ("pem", "text") and settings.each:
            pool = tuple(authorities_in(found.data, kind))
            # A text is judged as a whole, because its blocks need not end at the ends of lines.
            parts = pieces([found.data], limit=settings.limit) if kind == "pem" else [(1, found.data)]
            return [
                verdict
                for line, data in parts
                for verdict in judge_piece(Piece(file.path, line, data, found.mode), settings, at_hand, pool=pool)
            ]
        return _judge(found, kind, target=file.path, settings=settings, at_hand=at_hand)
    except Error as error:
        return [Result(target=file.path, kind=_KINDS.get(kind or "", "file"), unreadable=error.message)]


def held_in(file: File, settings: Settings) -> Holding:
    """Return what a file of any kind holds, for those who want to see it; raises UnreadableError."""
    found = content(file, limit=settings.limit)
    assert found
    if found.size > settings.limit:
        raise UnreadableError(f"larger than {settings.limit} bytes")
    kind = kind_of(found.data)
    if kind is None:
        raise UnreadableError(_what(found))
    if kind in ("config", "script"):
        if holding := _holding_inside(found, settings):
            return holding
        what = "an openssl config" if kind == "config" else "a shell script"
        raise UnreadableError(f"{what}, not a certificate; opensslgen audit judges the certificates that it makes")
    with Budget(settings.time_limit).running():
        return holding_of(
            found.data, kind, openssl=settings.find_openssl, password=lambda: settings.password_of(file.path)
        )


def _what(found: Content) -> str:
    """Return why a file cannot be judged."""
    from .others import name_of  # few files need it

    if not found.size:
        return "it is empty"
    what = other_program(found.data)
    if what:
        return f"{what}, whose openssl commands are not read; opensslgen run -- COMMAND judges what they make"
    return name_of(found.data)


_KINDS = {kind: kind for kind in ("certificate", "request", "key", "crl", "config", "script")}


def _judge(found: Content, kind: str, *, target: str, settings: Settings, at_hand: AtHand) -> list[Verdict]:
    if kind == "config":
        from .recorded import judge_config_file

        results = judge_config_file(found.data, target=target, settings=settings)
        return [*results, *_inside(found, target, settings, at_hand)]
    if kind == "script":
        from .scripts import judge_script

        results = judge_script(found.data, target=target, settings=settings)
        return [*results, *_inside(found, target, settings, at_hand)]
    holding = holding_of(found.data, kind, openssl=settings.find_openssl, password=lambda: settings.password_of(target))
    of_file: tuple[Finding, ...] = ()
    if kind == "pkcs12":
        from opensslgen.bundles.pkcs import pkcs12_encryption  # few files are PKCS#12

        of_file = pkcs12_encryption(found.data, settings.rules)
    of_file += _unfit(holding, settings)
    verdicts: list[Verdict] = []
    if settings.each and len(holding.certificates) > 1:
        pool = tuple(each for each in holding.certificates if each.is_authority)
        first, *rest = (
            _of_certificate(each, target=target, settings=settings, at_hand=at_hand, pool=pool)
            for each in holding.certificates
        )
        about = replace(first.result, findings=of_file, notes=(*first.result.notes, *holding.notes))
        verdicts += [first._replace(result=about), *rest]
    elif holding.certificates or holding.requests or holding.keys or not holding.crls:
        verdicts.append(
            _of_holding(holding, target=target, settings=settings, mode=found.mode, of_file=of_file, at_hand=at_hand)
        )
    return verdicts + _of_crls(holding, target=target, settings=settings, at_hand=at_hand)


def _of_crls(holding: Holding, *, target: str, settings: Settings, at_hand: AtHand) -> list[Verdict]:
    """Return the verdicts on the CRLs in a file."""
    if not holding.crls:
        return []
    from .crls import judge_crl  # few files have one

    return [
        judge_crl(der, target=target, line=line, settings=settings, at_hand=at_hand, beside=holding.certificates)
        for line, der in holding.crls
    ]


def _inside(found: Content, target: str, settings: Settings, at_hand: AtHand) -> list[Verdict]:
    """Return the verdicts on the certificates that a script or a config contains."""
    holding = _holding_inside(found, settings)
    if holding is None:
        return []
    of_file = _unfit(holding, settings)
    return [_of_holding(holding, target=target, settings=settings, mode=None, of_file=of_file, at_hand=at_hand)]


def _holding_inside(found: Content, settings: Settings) -> Holding | None:
    """Return what a script or a config contains; None if that is no certificate."""
    if b"-----BEGIN " not in found.data:
        return None
    try:
        holding = holding_of(found.data, "text", openssl=settings.find_openssl, password=str)
    except Error:
        return None  # it is a name or a mark, which is filled in when the script runs
    return holding if holding.certificates else None


def _unfit(holding: Holding, settings: Settings) -> tuple[Finding, ...]:
    """Return the findings on a file that openssl cannot read as it is."""
    return tuple(finding for fault in holding.faults for finding in raised(settings.rules, "not-pem", fault))


def _of_holding(
    holding: Holding,
    *,
    target: str,
    settings: Settings,
    at_hand: AtHand,
    mode: int | None,
    of_file: tuple[Finding, ...] = (),
) -> Verdict:
    """Return the verdict on the first certificate, or else the first request, with the issuers in the file."""
    if not (holding.certificates or holding.requests or holding.keys):
        raise UnreadableError("no certificate in it")
    subjects: list[Certificate | Request] = [*holding.certificates[:1], *holding.requests[:1]]
    key, notes = key_of(holding, subjects[0].public_key if subjects else None, settings.find_openssl)
    findings = (*_mode(holding, mode, settings), *of_file)
    if holding.certificates:
        leaf, *others = holding.certificates
        verdict = _of_certificate(
            leaf,
            target=target,
            settings=settings,
            at_hand=at_hand,
            alone=not holding.keys and all(other.is_authority for other in others),
            line=holding.line,
            notes=(*notes, *holding.notes, *_notes_beside(holding)),
            of_file=findings,
        )
        return verdict._replace(case=replace(verdict.case, key=key, others=tuple(others)))
    if holding.requests:
        rules, remarks = _rules_for_request(holding.requests[0], target, settings)
        of_request = judge_request(holding.requests[0], rules, at=settings.at, key=key)
        return Result(
            target=target,
            kind="request",
            findings=(*of_request, *findings),
            line=holding.line,
            notes=(*remarks, *notes, *holding.notes, *_notes_beside(holding)),
        )
    return Result(
        target=target, kind="key", findings=findings, line=holding.line, notes=(*notes, _readers(mode), *holding.notes)
    )


def _notes_beside(holding: Holding) -> Iterator[str]:
    """Yield what a file contains beside the certificate or request that is judged."""
    for other in holding.certificates[1:]:
        if is_precertificate(other):
            yield f"beside it is a precertificate, {other.subject or 'without a name'}"
    requests = len(holding.requests) - (not holding.certificates)
    if requests > 0:
        what = "a certificate request" if requests == 1 else f"{requests} certificate requests"
        yield f"beside it {'is' if requests == 1 else 'are'} {what}, not judged; --each judges every block"
    if len(holding.keys) > 1:
        yield f"there are {len(holding.keys)} private keys; only the first was compared"


def _readers(mode: int | None) -> str:
    """Return who can read a private key."""
    if mode is None:
        return "who can read it was not checked"
    who = "everybody" if mode & 0o004 else "its owner and its group" if mode & 0o040 else "only its owner"
    return f"{who} can read it (mode {mode:04o})"


def is_precertificate(certificate: Certificate) -> bool:
    """Tell whether it has the poison extension of certificate transparency (RFC 6962 section 3.1)."""
    return certificate.is_critical("ct_precert_poison")


def _kind_notes(certificate: Certificate) -> tuple[str, ...]:
    """Return a note on a certificate that is not for use."""
    if is_precertificate(certificate):
        return ("it is a precertificate, which is only for certificate transparency logs (RFC 6962 section 3.1)",)
    return ()


def _rules(
    certificate: Certificate, target: str, settings: Settings, *, alone: bool
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules for a certificate in a file, and notes on why these rules were chosen."""
    role = role_in(target, certificate, alone=alone)
    rules, remarks = settings.rules_for(None if role.name == SERVER else role.name)
    if settings.rules_by_kind and not role.is_sure and certificate.is_authority:
        remarks = (_EITHER if role.name == AUTHORITY else _EITHER_SERVER,)
    elif settings.rules_by_kind and role.name == SERVER and role_of(certificate).name == CLIENT:
        remarks = (_EITHER_CLIENT,)
    soon = settings.at + (settings.within or timedelta(0))
    if certificate.not_after >= soon or not is_kept(target, certificate):
        return rules, remarks
    kept = tuple(rule for rule in rules if rule.id not in ("expired", "expires-soon"))
    return kept, (
        *remarks,
        f"it is an archived copy, not in use: its expiry on {certificate.not_after.date()} is not an error",
    )


_EITHER = "judged as a CA, by profile root; it could also be a server's: --profile apple judges it as a server"
_EITHER_SERVER = (
    "judged as a server; it says that it is a certificate authority (CA:TRUE): --profile root judges it as a root"
)


_EITHER_CLIENT = "judged as a server; its extended key usage is for clients: --profile client judges it as a client"


def _rules_for_request(request: Request, target: str, settings: Settings) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules for a request, and a note if only its key counts, because its certificate was issued."""
    answer = answer_to(target, request) if settings.rules_by_kind else None
    if answer is None:
        return settings.rules, ()
    rules, remarks = settings.rules_for(kind_of_certificate(*answer))
    note = f"only its key is judged, because its certificate is {answer[0]}"
    return tuple(rule for rule in rules if rule.extension is None), (*remarks, note)


def _of_certificate(
    certificate: Certificate,
    *,
    target: str,
    settings: Settings,
    at_hand: AtHand,
    pool: tuple[Certificate, ...] = (),
    alone: bool = True,
    line: int | None = None,
    notes: Iterable[str] = (),
    of_file: tuple[Finding, ...] = (),
) -> Pending:
    """Return the verdict on a certificate by itself; those of the pool may have issued it."""
    rules, remarks = _rules(certificate, target, settings, alone=alone)
    anchors, former = at_hand.authorities(target)
    return Pending(
        result=Result(
            target=target,
            kind="certificate",
            findings=of_file,
            certificate=certificate,
            line=line,
            notes=(*remarks, *_kind_notes(certificate), *notes),
        ),
        case=Case(certificate, None, settings.at, settings.within, host=settings.servername),
        rules=rules,
        anchors=anchors,
        pool=(*pool, *former) if former else pool,
    )


def _mode(holding: Holding, mode: int | None, settings: Settings) -> tuple[Finding, ...]:
    """Return the finding on an unencrypted key that other users can read."""
    if mode is None or not mode & 0o044 or all(label == ENCRYPTED for label, _ in holding.keys):
        return ()
    who = "everybody" if mode & 0o004 else "its group"
    return raised(settings.rules, "key-mode", f"its private key can be read by {who} (mode {mode:04o}); 0600 is usual")


class Piece(NamedTuple):
    """A part of a PEM file with at most one whole block, to be judged by itself."""

    target: str
    line: int
    """The number of its first line in the file."""
    data: bytes
    mode: int | None


_AUTHORITY = pattern(rb"\x06\x03\x55\x1d\x13(?:\x01\x01.)?\x04.\x30.\x01\x01", re.DOTALL)
"""basicConstraints with a BOOLEAN in it."""


def authorities_in(data: bytes, kind: str = "pem") -> Iterator[Certificate]:
    """Yield the readable CAs of a text; an unreadable block is reported for itself."""
    with suppress(DecodeError):
        for block in pem_blocks(data) if kind == "pem" else blocks_of(data, kind)[0]:
            if block.label in (*CERTIFICATE_LABELS, "") and _AUTHORITY.search(block.body):
                with suppress(DecodeError):
                    certificate = decode_block(block)
                    if certificate.is_authority:
                        yield certificate


def judge_piece(
    piece: Piece, settings: Settings, at_hand: AtHand, *, pool: tuple[Certificate, ...] | None = None
) -> list[Verdict]:
    """Return the verdict on each block, which for a PKCS#7 one is on each of its certificates.

    The pool are the CAs in the whole file; without a pool, they are read from it.
    """
    results: list[Verdict] = []
    if pool is None:
        pool = at_hand.authorities_within(piece.target, authorities_in)
    try:
        blocks, others = blocks_of(piece.data, "pem", first_line=piece.line)
    except DecodeError as error:
        return [Result(target=piece.target, kind="file", unreadable=str(error), line=error.line or piece.line)]
    for block in sorted((*blocks, *others), key=lambda block: block.line):
        holding, line = Holding(), block.line
        try:
            add(holding, block, piece.data)
            note_forms(holding, [block])
            if holding.certificates:
                results += [
                    _of_certificate(
                        each,
                        target=piece.target,
                        settings=settings,
                        at_hand=at_hand,
                        pool=pool,
                        line=line,
                        notes=holding.notes,
                        of_file=_unfit(holding, settings),
                    )
                    for each in holding.certificates
                ]
            elif holding.requests or holding.keys:
                verdict = _of_holding(
                    holding,
                    target=piece.target,
                    settings=settings,
                    mode=piece.mode,
                    of_file=_unfit(holding, settings),
                    at_hand=at_hand,
                )
                assert isinstance(verdict, Result)
                results.append(replace(verdict, line=line))
        except DecodeError as error:
            results.append(Result(target=piece.target, kind="file", unreadable=str(error), line=line))
            continue
        holding.certificates += pool
        results += _of_crls(holding, target=piece.target, settings=settings, at_hand=at_hand)
    return results
