"""Judge the recorded config of a certificate by the kind of the certificate, and compare the two."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.config.use import canonical
from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern
from opensslgen.pki.folder import copy_of
from opensslgen.rules.rule import Finding, raised
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.extensions import EXTENSIONS

from .configs import judge_config
from .records import Record, folder_around, kind_of_certificate, record_of
from .throwaway import Extensions, References, extensions, issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .result import Result, Settings

_BY_KEY = ("subjectKeyIdentifier", "authorityKeyIdentifier")
"""Extensions whose values depend on the keys; OpenSSL 3.0 to 3.6 adds them even if the config does not."""
_COPYING = pattern(r"(?:^|,)\s*(?:email|issuer):(?:copy|move)")


def judge_config_file(data: bytes, *, target: str, settings: Settings) -> list[Result]:
    """Return the verdict on a config; a recorded one (SERIAL.cnf) is also compared with its certificate."""
    certificate = _made_by(target)
    if certificate is None:
        return judge_config(data, target=target, settings=settings)
    folder = folder_around(target)
    assert folder
    try:
        record, fault = record_of(folder, certificate)
    except UnreadableError:
        record = fault = None  # judge_config reports it
    rules, kind_notes = settings.rules_for(kind_of_certificate(target, certificate))
    sections = settings.sections if record is None else (record.section.name, *settings.sections)
    whole, *others = judge_config(data, target=target, settings=replace(settings, rules=rules, sections=sections))
    findings = [*whole.findings, *(raised(settings.rules, "pki-config-differs", fault) if fault else ())]
    if record and whole.unreadable is None and not others:
        findings += _differences(record, certificate, settings)
    return [replace(whole, findings=tuple(findings), notes=(*kind_notes, *whole.notes)), *others]


def _made_by(path: str) -> Certificate | None:
    """Return the certificate of a config that is named after its serial number, in a pki folder."""
    stem, suffix = os.path.splitext(os.path.basename(path))  # noqa: PTH119, PTH122
    folder = folder_around(path) if suffix == ".cnf" else None
    copy = copy_of(folder, stem) if folder else None
    try:
        certificate = load(copy) if copy else None
    except UnreadableError:
        return None
    return certificate if certificate and certificate.serial_hex == stem else None


def _differences(record: Record, certificate: Certificate, settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each extension that only the certificate has, only the config has, or that differs."""
    if settings.openssl is None:
        return
    asked = extensions(References(record.config), record.section)
    made = {each.oid: each for each in issue(asked, settings.openssl()).extensions}
    has = {each.oid: each for each in certificate.extensions}
    by_key = {EXTENSIONS[name] for name in _BY_KEY}
    unknown = {EXTENSIONS.get(name, name) for name in (*asked.unknown, *_copying(asked))}
    for oid in sorted((made.keys() | has.keys()) - unknown):
        name, line = canonical(oid), asked.lines.get(canonical(oid), record.section.line)
        if oid not in has:
            message = f"it asks for {name}, which is missing in the certificate"
        elif oid not in made:
            message = "" if oid in by_key else f"the certificate has {name}, which it does not ask for"
        elif has[oid].critical != made[oid].critical or (oid not in by_key and has[oid].value != made[oid].value):
            message = f"the certificate has a different {name} than it asks for"
        else:
            continue
        if message:
            yield from raised(settings.rules, "pki-config-differs", message, line=line)


def _copying(asked: Extensions) -> Iterator[str]:
    """Yield the extensions whose value openssl takes from subject or issuer, which differ in our certificate."""
    for entry in asked.sections[0].entries:
        if _COPYING.search(entry.value) and canonical(entry.key) not in _BY_KEY:
            yield canonical(entry.key)
