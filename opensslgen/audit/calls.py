"""Audits of the certificates that a command made while its openssl calls were watched."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.bundles.holding import holding_of, kind_of
from opensslgen.errors import Error, UnreadableError
from opensslgen.openssl import printed
from opensslgen.openssl.provider import default_config
from opensslgen.patterns import pattern
from opensslgen.rules.chain import issuer_among
from opensslgen.rules.roles import AUTHORITY, CLIENT, SERVER, role_of
from opensslgen.rules.rule import Case
from opensslgen.watch.calls import CERTIFICATE
from opensslgen.watch.scripts import line_of
from opensslgen.x509.certificate import load_all

from .result import Origin, Result
from .signatures import Pending, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opensslgen.watch.calls import Call
    from opensslgen.watch.run import Watched
    from opensslgen.watch.scripts import Bypass
    from opensslgen.x509.certificate import Certificate

    from .result import Settings
    from .signatures import Verdict


def judge_watched(watched: Watched, settings: Settings) -> list[Result]:
    """Return the verdict on each certificate that a command made, and on what could not be watched."""
    verdicts: list[Verdict] = []
    seen = [(call, _certificates(call, settings)) for call in watched.calls if call.makes == CERTIFICATE]
    every = [each for _, found in seen if isinstance(found, list) for each in found]
    for call, found in seen:
        if call.status not in (0, None):
            continue  # it made nothing
        result = Result(target=_target(call), kind="certificate", origin=_origin(call, watched))
        if isinstance(found, str):
            verdicts.append(replace(result, unreadable=found))
            continue
        pool = tuple(each for each in (*every, *_issuers(call)) if each not in found)
        verdicts += [_pending(each, result, call=call, pool=pool, every=every, settings=settings) for each in found]
    verdicts += _passed_by(watched.passed_by, nothing_seen=not verdicts)
    verdicts += [Result(target=watched.argv[0], kind="script", unreadable=reason) for reason in watched.unseen]
    if not verdicts:
        verdicts.append(Result(target=watched.argv[0], kind="script", unreadable=_nothing_seen(watched, settings)))
    return settle(verdicts, settings)


def _passed_by(places: Sequence[Bypass], *, nothing_seen: bool) -> list[Result]:
    opening = "no openssl call was seen: " if nothing_seen else ""
    return [
        Result(
            target=place.script,
            kind="script",
            line=place.line,
            unreadable=f"{opening}line {place.line} {place.what}, which could not be watched",
        )
        for place in places
    ]


def _nothing_seen(watched: Watched, settings: Settings) -> str:
    failed = [call for call in watched.calls if call.makes == CERTIFICATE]
    if failed:
        call = failed[0]
        return f"no certificate was made: {call.command} exited with {call.status}{_without_config(call, settings)}"
    if watched.calls:
        return "no certificate was made, only requests"
    return "no openssl call was seen that issues a certificate"


def _without_config(call: Call, settings: Settings) -> str:
    """Return what is to be said about the config of a call that failed, if that config is missing."""
    if call.source_option != "config" or call.source_text is not None:
        return ""
    path = Path(call.cwd, call.source) if call.source else default_config(settings.find_openssl())
    if path.exists():
        return ""
    kind = "its config" if call.value("config") else "openssl's default config"
    return f"; {kind} {path} is missing"


def _target(call: Call) -> str:
    """Return the path of a certificate, relative to this folder where the caller named it so."""
    if not call.out:
        return "standard output"
    path = os.path.join(call.cwd, call.out)  # noqa: PTH118
    return call.out if os.path.isabs(call.out) else os.path.relpath(path)  # noqa: PTH117


def _origin(call: Call, watched: Watched) -> Origin:
    script, line = line_of(call, watched.scripts) or (None, None)
    return Origin(command=call.command, script=script, line=line, section=call.section, changes=call.changes)


def _certificates(call: Call, settings: Settings) -> list[Certificate] | str:
    """Return the certificates that a call made, read by two witnesses, or why they cannot be read."""
    if call.status is None:
        return "the openssl call did not finish, and may have left a certificate"
    if call.status != 0:
        return []
    kind = kind_of(call.made) if call.made else None
    if kind is None:
        return "openssl issued a certificate, but its file was not found"
    try:
        found = holding_of(call.made, kind, openssl=settings.find_openssl, password=str).certificates
        for certificate in found:
            command = ["x509", "-inform", "DER", *printed.ARGUMENTS]
            answer = settings.find_openssl().run(command, stdin=certificate.der)
            difference = printed.disagreement(printed.parse(answer.stdout.decode("utf-8", "replace")), certificate)
            if difference:
                return f"openssl and opensslgen read the certificate differently: {difference}"
    except Error as error:
        return error.message
    return found or "openssl issued a certificate, but its file was not found"


def _issuers(call: Call) -> list[Certificate]:
    """Return the CA certificates that a call names."""
    found: list[Certificate] = []
    for name in (call.value("CA"), call.value("cert")):
        try:
            found += load_all(Path(call.cwd) / name) if name else ()
        except UnreadableError:
            continue
    return found


def _pending(
    certificate: Certificate,
    result: Result,
    *,
    call: Call,
    pool: tuple[Certificate, ...],
    every: Iterable[Certificate],
    settings: Settings,
) -> Pending:
    """Return the verdict on a certificate; it is not final until openssl has verified the signature."""
    role = _role(certificate, call.out, every)
    rules, notes = settings.rules_for(None if role == SERVER else role)
    return Pending(
        result=replace(result, certificate=certificate, notes=notes),
        case=Case(certificate, None, settings.at, settings.within),
        rules=rules,
        pool=pool,
    )


def _role(certificate: Certificate, path: str, every: Iterable[Certificate]) -> str:
    """Return what a certificate is judged as: one that issued another is judged as a CA, even without CA:TRUE.

    A client certificate that names a host is judged as a server certificate: scripts often get the usage wrong.
    """
    if any(
        other.der != certificate.der and not other.is_self_issued and issuer_among(other, [certificate])
        for other in every
    ):
        return AUTHORITY
    role = role_of(certificate, path=path).name
    names_host = any(name.kind in ("DNS", "IP") for name in certificate.names) or _HOST.search(
        certificate.subject.common_name or ""
    )
    return SERVER if role == CLIENT and names_host else role


_HOST = pattern(r"\A[^@\s]*[.:][^@\s]*\Z")
"""Matches only a server's name or address."""
