"""What a file holds, told by its content, and the verdict on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from opensslgen.certificate import (
    CERTIFICATE_LABELS,
    REQUEST_LABELS,
    DecodeError,
    decode,
    decode_block,
    decode_request,
    pem_blocks,
)
from opensslgen.der import INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE
from opensslgen.errors import Error, UnreadableError
from opensslgen.openssl import OpenSSLError
from opensslgen.rules import Case, issuer_among, judge, judge_request, raised

from .files import File, content, pieces
from .pkcs import pkcs7_certificates, pkcs12_certificates, pkcs12_encryption
from .private_keys import ENCRYPTED, asked_public_half, public_half
from .records import answer_to, is_index, is_kept, is_of_easy_rsa, kind_of_certificate
from .result import Result

if TYPE_CHECKING:
    from opensslgen.certificate import Certificate, PemBlock, PublicKey, Request
    from opensslgen.openssl import OpenSSL
    from opensslgen.rules import Finding, Rule

    from .files import Content
    from .result import Settings

PKCS7_LABELS = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS", "CERTIFICATE CHAIN")

# Loose, as what is meant to be such a block and is none has to be found, too.
_PEM = re.compile(
    rb"^(?:\xef\xbb\xbf)?[ \t]*-----BEGIN (?!PGP)[^\r\n]*(?:CERTIFICATE|PKCS ?#?7|CMS|PRIVATE KEY)", re.MULTILINE
)


def kind_of(data: bytes) -> str | None:
    """Return "pem", "certificate", "request", "pkcs7", "pkcs12" or "key" (DER), "config", "script", or None.

    The data may be a file's beginning.
    """
    if data[:1] == b"\x30" and (kind := _der_kind(data)):
        return kind
    # A script may have a certificate in it, which it would write.
    if data.startswith(b"#!") and _is_script(data):
        return "script"
    if _PEM.search(data) or (b"\r" in data and _PEM.search(data.replace(b"\r", b"\n"))):
        return "pem"
    if b"\0" in data[:8000]:
        return None
    if _is_script(data):
        return "script"
    from .configs import looks_like_config

    return "config" if looks_like_config(data) else None


def _is_script(data: bytes) -> bool:
    from .scripts import looks_like_script

    return looks_like_script(data)


def _der_kind(data: bytes) -> str | None:
    """Tell by its outermost structure what DER, or BER, is meant to be; it may be cut off or damaged further in."""
    at, end = _inside(data, 0)
    outer = _tags(data, at, end)
    if outer[:1] == [SEQUENCE]:
        start, stop = _inside(data, at)
        inner = _tags(data, start, stop)
        if inner[:1] == [0xA0] or inner == [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE]:
            return "certificate"
        if inner == [INTEGER, SEQUENCE, SEQUENCE, 0xA0]:
            return "request"
        return "key" if inner[:1] == [OBJECT_IDENTIFIER] and outer == [SEQUENCE, OCTET_STRING] else None
    if outer == [OBJECT_IDENTIFIER, 0xA0]:
        return "pkcs7"
    if outer[:2] == [INTEGER, SEQUENCE] and outer[2:3] != [OCTET_STRING] and data[at : at + 3] == b"\x02\x01\x03":
        return "pkcs12"
    is_key = (
        outer[:3] == [INTEGER, SEQUENCE, OCTET_STRING] or outer[:2] == [INTEGER, OCTET_STRING] or outer == [INTEGER] * 4
    )
    return "key" if is_key else None


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends, as far as that can be told."""
    if at + 2 > len(data):
        return len(data), len(data)
    length, start = data[at + 1], at + 2
    if length < 0x80:
        return start, start + length
    if length == 0x80:
        return start, len(data)
    start += length & 0x7F
    return start, start + int.from_bytes(data[at + 2 : start], "big")


def _tags(data: bytes, at: int, end: int) -> list[int]:
    """Return the tags of up to four elements that follow one another."""
    found: list[int] = []
    while at < min(end, len(data)) and len(found) < 4:
        found.append(data[at])
        _, at = _inside(data, at)
    return found


@dataclass(frozen=True, slots=True)
class _Holding:
    """What was found in a file, each in the order in which it came."""

    certificates: list[Certificate] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    keys: list[tuple[str, bytes]] = field(default_factory=list)
    """Label and DER."""
    findings: tuple[Finding, ...] = ()


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
        from .recorded_config import judge_config_file

        return judge_config_file(found.data, target=target, settings=settings)
    if kind == "script":
        from .scripts import judge_script

        return judge_script(found.data, target=target, settings=settings)
    holding = _holding(found.data, kind, target=target, settings=settings)
    if settings.each and len(holding.certificates) > 1:
        results = [_of_certificate(each, target=target, settings=settings) for each in holding.certificates]
        return [replace(results[0], findings=results[0].findings + holding.findings), *results[1:]]
    return [_of_holding(holding, target=target, settings=settings, mode=found.mode)]


def _holding(data: bytes, kind: str, *, target: str, settings: Settings) -> _Holding:
    """Return what is in a file; raises Error if any of it cannot be read."""
    if kind == "pem":
        return _pem(data)
    if kind == "certificate":
        return _Holding(certificates=[decode(data)])
    if kind == "request":
        return _Holding(requests=[decode_request(data)])
    if kind == "key":
        return _Holding(keys=[(key_label(data), data)])
    if kind == "pkcs7":
        return _Holding(certificates=pkcs7_certificates(data))
    password = settings.password(target) if settings.password else ""
    certificates = pkcs12_certificates(data, _openssl(settings), password)
    return _Holding(certificates=certificates, findings=pkcs12_encryption(data, settings.rules))


def _openssl(settings: Settings) -> OpenSSL:
    if settings.openssl:
        return settings.openssl()
    from opensslgen.openssl import find

    return find()


def _pem(data: bytes) -> _Holding:
    holding = _Holding()
    for block in pem_blocks(data):
        try:
            _add(holding, block, data)
        except DecodeError as error:
            raise DecodeError(f"line {block.line}: {error}") from error
    return holding


def _add(holding: _Holding, block: PemBlock, data: bytes) -> None:
    if block.label in CERTIFICATE_LABELS:
        holding.certificates.append(decode_block(block))
    elif block.label in REQUEST_LABELS:
        holding.requests.append(decode_request(block.body))
    elif block.label in PKCS7_LABELS:
        holding.certificates.extend(pkcs7_certificates(block.body))
    elif block.label.endswith("PRIVATE KEY"):
        encrypted = b"Proc-Type: 4,ENCRYPTED" in data and _inside(block.body, 0)[1] != len(block.body)
        holding.keys.append((ENCRYPTED if encrypted else block.label, block.body))
    elif "CERTIFICATE" in block.label:
        raise DecodeError(f"a block that is called {block.label} is not known")


def key_label(data: bytes) -> str:
    """Return the label that a DER key would have in PEM."""
    start, end = _inside(data, 0)
    tags = _tags(data, start, end)
    if tags[0] == SEQUENCE:
        return ENCRYPTED
    return {SEQUENCE: "PRIVATE KEY", OCTET_STRING: "EC PRIVATE KEY", INTEGER: "RSA PRIVATE KEY"}[tags[1]]


def _of_holding(holding: _Holding, *, target: str, settings: Settings, mode: int | None) -> Result:
    """Return the verdict on the first certificate, or else the first request, with what came with it."""
    if not (holding.certificates or holding.requests or holding.keys):
        raise UnreadableError("no certificate in it")
    subjects: list[Certificate | Request] = [*holding.certificates[:1], *holding.requests[:1]]
    key, notes = _key(holding, subjects[0].public_key if subjects else None, settings)
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
            findings=(*judge(case, rules), *findings, *holding.findings),
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


def _key(holding: _Holding, subject: PublicKey | None, settings: Settings) -> tuple[PublicKey | None, tuple[str, ...]]:
    """Return the public half of the first private key, and notes on why it is not known."""
    if not holding.keys:
        return None, ()
    if subject is None:
        return None, ("a private key: no more than who can read it is judged",)
    label, der = holding.keys[0]
    if label == ENCRYPTED:
        return None, ("its private key is encrypted: whether it fits cannot be seen",)
    try:
        key = public_half(label, der) or asked_public_half(label, der, _openssl(settings))
    except OpenSSLError as error:
        return None, (f"whether its private key fits could not be seen: {error.message}",)
    if key.algorithm == "EC" and key.curve == subject.curve and len(key.der) != len(subject.der):
        return None, ("its private key has the point in another form: whether it fits was not looked at",)
    return key, ()


def key_in_file(path: str, subject: PublicKey, settings: Settings) -> tuple[PublicKey | None, tuple[str, ...]]:
    """Return the public half of the private key in a file that belongs to a subject, and notes on why it is not known.

    Raises UnreadableError.
    """
    found = content(File(path, named=True), limit=settings.limit)
    kind = kind_of(found.data) if found else None
    if found is None or kind not in ("pem", "key"):
        raise UnreadableError("no private key in it")
    return _key(_holding(found.data, kind, target=path, settings=settings), subject, settings)


def _mode(holding: _Holding, mode: int | None, settings: Settings) -> tuple[Finding, ...]:
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
    before = piece.line - 1
    try:
        for block in pem_blocks(piece.data):
            holding, line = _Holding(), before + block.line
            try:
                _add(holding, block, piece.data)
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
        # The lines of a piece are counted from its own beginning.
        why = re.sub(r"\bline ([0-9]+)", lambda match: f"line {int(match[1]) + before}", str(error))
        results.append(Result(target=piece.target, kind="file", unreadable=why, line=piece.line))
    return results
