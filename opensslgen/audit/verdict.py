"""The verdict on what a file holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from opensslgen.bundles.holding import Holding, add, holding_of, key_of
from opensslgen.bundles.pkcs import pkcs12_encryption
from opensslgen.bundles.private_keys import ENCRYPTED
from opensslgen.errors import Error, UnreadableError
from opensslgen.files.read import content, pieces
from opensslgen.rules.chain import issuer_among
from opensslgen.rules.rule import Case, judge, judge_request, raised
from opensslgen.x509.der import DecodeError
from opensslgen.x509.pem import pem_blocks

from .kinds import kind_of
from .records import answer_to, is_index, is_kept, is_of_easy_rsa, kind_of_certificate
from .result import Result

if TYPE_CHECKING:
    from opensslgen.files.read import Content, File
    from opensslgen.rules.rule import Finding, Rule
    from opensslgen.x509.certificate import Certificate
    from opensslgen.x509.request import Request

    from .result import Settings


def judge_file(file: File, settings: Settings) -> list[Result]:
    """Return the verdict on what a file holds; none on what is no such thing and was only found in a folder."""
    try:
        if file.unreadable:
            raise UnreadableError(file.unreadable)
        if is_index(file.path):
            from .folder import judge_folder

            return judge_folder(file.path, settings)
        found = content(file, limit=settings.limit)
    except UnreadableError as error:
        return [Result(target=file.path, kind="file", unreadable=error.message)]
    return judge_content(found, file, settings) if found else []


def judge_content(found: Content, file: File, settings: Settings) -> list[Result]:
    """Return the verdict on what was read of a file."""
    kind = kind_of(found.data)
    if not file.named and (kind is None or (kind == "config" and is_of_easy_rsa(file.path))):
        return []
    try:
        if found.size > settings.limit:
            raise UnreadableError(f"larger than {settings.limit} bytes")
        if kind is None:
            raise UnreadableError(
                "neither certificate nor request, key, config or script" if found.size else "nothing is in it"
            )
        if kind == "pem" and settings.each:
            cut = pieces([found.data], limit=settings.limit)
            return [
                result
                for line, data in cut
                for result in judge_piece(Piece(file.path, line, data, found.mode), settings)
            ]
        return _judged(found, kind, target=file.path, settings=settings)
    except Error as error:
        return [Result(target=file.path, kind=_KINDS.get(kind or "", "file"), unreadable=error.message)]


_KINDS = {kind: kind for kind in ("certificate", "request", "key", "config", "script")}


def _judged(found: Content, kind: str, *, target: str, settings: Settings) -> list[Result]:
    if kind == "config":
        from .recorded import judge_config_file

        return judge_config_file(found.data, target=target, settings=settings)
    if kind == "script":
        from .scripts import judge_script

        return judge_script(found.data, target=target, settings=settings)
    holding = holding_of(found.data, kind, openssl=settings.find_openssl, password=lambda: settings.password_of(target))
    of_file = pkcs12_encryption(found.data, settings.rules) if kind == "pkcs12" else ()
    if settings.each and len(holding.certificates) > 1:
        results = [_of_certificate(each, target=target, settings=settings) for each in holding.certificates]
        return [replace(results[0], findings=results[0].findings + of_file), *results[1:]]
    return [_of_holding(holding, target=target, settings=settings, mode=found.mode, of_file=of_file)]


def _of_holding(
    holding: Holding, *, target: str, settings: Settings, mode: int | None, of_file: tuple[Finding, ...] = ()
) -> Result:
    """Return the verdict on the first certificate, or else the first request, with what came with it."""
    if not (holding.certificates or holding.requests or holding.keys):
        raise UnreadableError("no certificate in it")
    subjects: list[Certificate | Request] = [*holding.certificates[:1], *holding.requests[:1]]
    key, notes = key_of(holding, subjects[0].public_key if subjects else None, settings.find_openssl)
    findings = _mode(holding, mode, settings)
    if holding.certificates:
        leaf, *others = holding.certificates
        # What has a chain or a key with it is meant for a server: an authority in its place is the fault to be found.
        alone = not others and not holding.keys
        rules, told = _rules(leaf, target, settings, alone=alone)
        case = Case(leaf, issuer_among(leaf, others), settings.at, settings.within, tuple(others), key)
        return Result(
            target=target,
            kind="certificate",
            findings=(*judge(case, rules), *findings, *of_file),
            certificate=leaf,
            notes=(*told, *notes),
        )
    if holding.requests:
        rules, told = _rules_for_request(holding.requests[0], target, settings)
        of_request = judge_request(holding.requests[0], rules, at=settings.at, key=key)
        return Result(target=target, kind="request", findings=(*of_request, *findings), notes=(*told, *notes))
    return Result(target=target, kind="key", findings=findings, notes=notes)


def _rules(
    certificate: Certificate, target: str, settings: Settings, *, alone: bool
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules for a certificate in a file, and notes on why they are not those of a server in use."""
    rules, told = settings.rules_for(kind_of_certificate(target, certificate, alone=alone))
    soon = settings.at + (settings.within or timedelta(0))
    if certificate.not_after >= soon or not is_kept(target, certificate):
        return rules, told
    kept = tuple(rule for rule in rules if rule.id not in ("expired", "expires-soon"))
    return kept, (
        *told,
        f"it is kept for the record, and not in use: that it ends {certificate.not_after:%Y-%m-%d} is no fault",
    )


def _rules_for_request(request: Request, target: str, settings: Settings) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules for a request, and a note if what it asks for does not count, as its certificate is there."""
    answer = answer_to(target, request) if settings.rules_by_kind else None
    if answer is None:
        return settings.rules, ()
    from .configs import ABOUT

    rules, told = settings.rules_for(kind_of_certificate(*answer))
    note = f"only its key is judged: what it asks for is answered by {answer[0]}"
    return tuple(rule for rule in rules if rule.id not in ABOUT), (*told, note)


def _of_certificate(certificate: Certificate, *, target: str, settings: Settings, line: int | None = None) -> Result:
    """Return the verdict on a certificate by itself."""
    rules, told = _rules(certificate, target, settings, alone=True)
    findings = tuple(judge(Case(certificate, None, settings.at, settings.within), rules))
    return Result(target=target, kind="certificate", findings=findings, certificate=certificate, line=line, notes=told)


def _mode(holding: Holding, mode: int | None, settings: Settings) -> tuple[Finding, ...]:
    """Return the finding on a key that is not encrypted and that others than its owner can read."""
    if mode is None or not mode & 0o044 or all(label == ENCRYPTED for label, _ in holding.keys):
        return ()
    who = "everybody" if mode & 0o004 else "its group"
    return raised(settings.rules, "key-mode", f"its private key can be read by {who} (mode {mode:04o}); 0600 is usual")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a PEM file with at most one whole block, to be judged by itself."""

    target: str
    line: int
    """The number of its first line in the file."""
    data: bytes
    mode: int | None


def judge_piece(piece: Piece, settings: Settings) -> list[Result]:
    """Return the verdict on each block, which for a PKCS#7 one is on each of its certificates."""
    results: list[Result] = []
    try:
        for block in pem_blocks(piece.data, first_line=piece.line):
            holding, line = Holding(), block.line
            try:
                add(holding, block, piece.data)
                if holding.certificates:
                    results += [
                        _of_certificate(each, target=piece.target, settings=settings, line=line)
                        for each in holding.certificates
                    ]
                elif holding.requests or holding.keys:
                    result = _of_holding(holding, target=piece.target, settings=settings, mode=piece.mode)
                    results.append(replace(result, line=line))
            except DecodeError as error:
                results.append(Result(target=piece.target, kind="file", unreadable=str(error), line=line))
    except DecodeError as error:
        results.append(Result(target=piece.target, kind="file", unreadable=str(error), line=piece.line))
    return results
