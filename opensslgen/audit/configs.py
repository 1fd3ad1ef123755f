"""Audits of OpenSSL configs: what their sections of extensions, and their defaults, would make of a certificate.

A section is judged as what it makes. With CA:TRUE that is an authority, on which the rules for servers say nothing;
but one called v3_req, or with a DNS name or address of its own, is for a server, which must not be an authority. What
only `req_extensions` names is judged as a request; what `req` makes by `x509_extensions` signs itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from opensslgen.config.reader import DEFAULT, UNKNOWN, ConfigError, read_config
from opensslgen.config.use import (
    CA,
    COPIED,
    FILE,
    REQUEST,
    SELF,
    canonical,
    default_section,
    loaded_code,
    reads_requests,
    sections_used,
    signs_requests,
)
from opensslgen.errors import Error
from opensslgen.rules.profiles import PROFILES
from opensslgen.rules.rule import Case, Finding, judge, raised
from opensslgen.text import visible
from opensslgen.x509.certificate import Certificate
from opensslgen.x509.extensions import EXTENSIONS
from opensslgen.x509.names import Name
from opensslgen.x509.public_keys import PublicKey

from .result import AUTHORITY, Result
from .throwaway import References, RefusedError, extensions, issued

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from opensslgen.config.reader import Config, Entry, Section
    from opensslgen.rules.rule import Rule

    from .result import Settings
    from .throwaway import Extensions

ABOUT: dict[str, str | None] = {
    **dict.fromkeys(("apple-san", "public-san", "public-internal-name", "ip-as-dns"), "subjectAltName"),
    **dict.fromkeys(("dns-malformed", "san-twice", "wildcard-tld", "name-near-miss"), "subjectAltName"),
    **dict.fromkeys(("apple-eku", "public-eku", "strict-eku", "root-eku", "client-eku"), "extendedKeyUsage"),
    **dict.fromkeys(("key-usage", "strict-key-usage", "strict-key-cert-sign", "root-key-cert-sign"), "keyUsage"),
    **dict.fromkeys(("leaf-is-ca", "root-ca", "strict-basic-constraints"), "basicConstraints"),
    "strict-aki": "authorityKeyIdentifier",
    **dict.fromkeys(("strict-ski", "root-ski"), "subjectKeyIdentifier"),
    **dict.fromkeys(("critical-unknown", "strict-critical", "root-critical")),
}
"""The rules that a section of extensions can break, and the extension that each is about; None: its message says it."""

_OF_ONE_NAME = ("public-internal-name", "ip-as-dns", "dns-malformed", "san-twice", "wildcard-tld", "name-near-miss")
_VALIDITY = ("apple-validity", "public-validity")
_SUBJECT = Name((("CN", "opensslgen throwaway"),))
_MOST_SECTIONS = 100
_SHA2 = re.compile(r"(?:rsa-)?sha(?:2-)?-?(?:224|256|384|512)|default")
_LEAST_RSA = 2048  # bits

_NAMING = ("x509_extensions", "req_extensions", "distinguished_name", "default_ca", "openssl_conf", "oid_section")
_SIGN = re.compile(
    rf"^[ \t]*(?:\w+::)?(?:{'|'.join((*EXTENSIONS, *_NAMING, 'default_bits', 'default_md', 'default_days'))})[ \t]*=",
    re.MULTILINE,
)
_FITTING = re.compile(r"\[[^]=]*\]|[\w.:-]+[ \t]*=|\.(?:include|pragma)\b")


def looks_like_config(data: bytes) -> bool:
    """Tell whether a file is likely to be an OpenSSL config: it has one of the usual keys, and most lines fit in."""
    if b"\0" in data or data[:2] == b"#!":
        return False
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\\\r\n", "").replace("\\\n", "")
    if not _SIGN.search(text):
        return False
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    return 4 * sum(_FITTING.match(line) is not None for line in lines) >= 3 * len(lines)


def judge_config(data: bytes, *, target: str, settings: Settings) -> list[Result]:
    """Return what an OpenSSL config or extension file would make: one result, and one for each section that is refused.

    What another file or the environment would bring is left out, and said so; nothing in it is run.
    """
    result = Result(target=target, kind="config")
    try:
        config = read_config(data.decode("utf-8", "surrogateescape"))
        audit = _Audit(config, settings)
        audit.run()
    except ConfigError as error:
        return [replace(result, unreadable=error.message, line=error.line)]
    findings = sorted(dict.fromkeys(audit.findings), key=lambda finding: finding.line or 0)
    whole = replace(result, findings=tuple(findings), notes=tuple(audit.notes), unreadable=audit.nothing)
    return [whole, *(replace(result, unreadable=why, line=line) for why, line in audit.refused)]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a certificate, or request, would have by one section of extensions."""

    purpose: str | None = None
    """AUTHORITY for a section of a certificate authority; None for a server's, or what could be a server's."""
    findings: tuple[Finding, ...] = ()
    """With lines counted from 1 in the text that was judged."""
    unknown: str | None = None
    """What a rule needs to know and the text does not say, with the reason; such a section is never good."""
    unreadable: str | None = None
    """Why openssl would make nothing by it; such a section is never good either."""
    line: int | None = None
    """The line that `unknown` or `unreadable` is about."""
    notes: tuple[str, ...] = ()


def judge_text(text: str, *, section: str | None = None, use: str = FILE, settings: Settings) -> Judged:
    """Return what openssl would make by one section of a config or extension file that a command names.

    `use` is a way of `config.use`: FILE for `x509 -extfile` and `ca -extfile`, SELF for `req -x509`, REQUEST for
    `req -new`, CA for `ca -config`. Without a section it is the one that openssl takes by itself; an empty text is
    the command without a file. The character `config.reader.UNKNOWN` stands in the text for what is not known, such as
    a variable of the shell: within a value, or as a line. Raises nothing that is an `Error`.
    """
    try:
        audit = _Audit(read_config(text), settings)
        name = section or default_section(audit.config, use)
        found = audit.config.sections.get(name)
        if found is None:
            return Judged(unreadable=f"there is no section [ {_shown(name)} ]")
        made = audit.made(found, {use})
        findings = tuple(audit.judged(made)) if made else ()
    except ConfigError as error:
        return Judged(unreadable=error.message, line=error.line)
    refused, line = audit.refused[0] if audit.refused else (None, None)
    unknown = f"{', '.join(map(visible, made.asked.unknown))} cannot be told" if made and made.asked.unknown else None
    return Judged(
        purpose=AUTHORITY if made and made.is_authority else None,
        findings=(*audit.findings, *findings),
        unknown=unknown,
        unreadable=refused,
        line=line,
        notes=tuple(audit.notes),
    )


@dataclass
class _Audit:
    """One config, and what has been found in it so far."""

    config: Config
    settings: Settings
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[tuple[str, int | None]] = field(default_factory=list)
    nothing: str | None = None
    authorities: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.references = References(self.config)

    def run(self) -> None:
        for line, name in self.config.environment:
            self.add("config-reads-environment", f"it takes {visible(name)} from the environment", line)
        for line, path in self.config.includes:
            self.add_file(line, path)
        if oid_file := self.config.entry(DEFAULT, "oid_file"):
            self.add_file(oid_file.line, oid_file.value)
        for line, what in loaded_code(self.config):
            self.add("config-runs-code", f"it loads {_shown(what)}", line)
        self.judge_sections()
        self.judge_defaults()

    def add(self, rule: str, message: str, line: int) -> None:
        self.findings += raised(self.settings.rules, rule, message, line=line)

    def add_file(self, line: int, path: str) -> None:
        self.add("config-reads-files", f"it takes what is in {_shown(path)}, which was not read", line)

    def judge_sections(self) -> None:
        used, absent, unnamed = sections_used(self.config, self.settings.sections)
        for line, name in absent:
            self.add_absent(line, name)
        for line, key in unnamed:
            self.notes.append(f"line {line}: the section that {visible(key)} names cannot be known, and is not judged")
        asked = [name for name in self.settings.sections if name not in self.config.sections]
        if asked and not used:
            self.nothing = f"it has no section [ {' ], [ '.join(map(visible, asked))} ]"
        elif asked:
            self.notes += [f"it has no section [ {visible(name)} ]" for name in asked]
        elif not used:
            self.tell_unused()
        if len(used) > _MOST_SECTIONS:
            raise ConfigError(1, f"it names {len(used)} sections of extensions, which cannot be meant")
        made = [made for name, uses in used.items() if (made := self.made(self.config.sections[name], uses))]
        self.authorities = {each.section.name for each in made if each.is_authority}
        is_for_roots = any(rule.id == "root-ca" for rule in self.settings.rules)
        for each in made:
            if is_for_roots and self.authorities and not each.is_authority:
                self.notes.append(f"{_title(each.section)}is for no root, and is not judged as one")
            else:
                self.findings += self.judged(each)

    def add_absent(self, line: int, name: str) -> None:
        if not self.config.includes:
            self.add("config-section-missing", f"there is no section [ {_shown(name)} ]", line)

    def tell_unused(self) -> None:
        unused = [
            section
            for section in self.config.sections.values()
            if section.name != DEFAULT and any(canonical(entry.key) in EXTENSIONS for entry in section.entries)
        ]
        for section in unused:
            name = visible(section.name)
            message = (
                f"nothing names the section [ {name} ]: openssl needs -extensions {name}, and audit --section {name}"
            )
            self.add("config-section-unused", message, section.line)
        if not unused:
            self.notes.append("it has no section of extensions")

    def made(self, section: Section, uses: set[str]) -> _Made | None:
        """Return what openssl makes of a section; what it refuses is noted, and gives None."""
        try:
            asked = extensions(self.references, section)
            for line, name in asked.missing:
                self.add_absent(line, name)
            for line, path in asked.files:
                self.add_file(line, path)
            if self.settings.openssl is None:
                raise RefusedError("openssl is needed to read it", None)
            return _Made(section, uses, asked, issued(asked, self.settings.openssl()))
        except RefusedError as error:
            self.refused.append((f"{_title(section)}{error.message}", error.line or section.line))
        except Error as error:
            self.refused.append((f"{_title(section)}{error.message}", section.line))
        return None

    def judged(self, made: _Made) -> Iterator[Finding]:
        subject = str(_SUBJECT)
        for name, source in made.asked.unknown.items():
            line = made.asked.lines[name]
            self.notes.append(
                f"{_title(made.section)}{visible(name)} (line {line}) depends on {source}, and is not judged as a whole"
            )
        copied: dict[str, None] = {}
        for finding in judge(Case(made.certificate_at(self.settings.at), None, self.settings.at), self.rules(made)):
            name = _extension(finding)
            line = made.asked.lines.get(name, made.section.line)
            if name in made.asked.unknown and finding.rule.id not in _OF_ONE_NAME:
                continue
            if made.uses == {COPIED} and name not in made.asked.lines:
                copied[name] = None
                continue
            if name == "subjectAltName":
                line = self.line_of_name(made, finding.message) or line
            # It is an answer of ours that has this subject, and no certificate of theirs.
            message = finding.message.replace(f"the authority {subject}", "the authority").replace(subject, "it")
            yield replace(finding, message=f"{_title(made.section)}{message}", line=line)
        if copied:
            self.notes.append(
                f"{_title(made.section)}lacks {', '.join(copied)}, which openssl ca copies from requests that have it"
            )

    def rules(self, made: _Made) -> list[Rule]:
        rules = [rule for rule in self.settings.rules if rule.id in ABOUT]
        if made.uses == {REQUEST}:
            rules = [rule for rule in rules if rule.of_requests]
        if made.is_authority:
            rules = [rule for rule in rules if rule.id not in PROFILES["root"].instead]
        return rules

    def line_of_name(self, made: _Made, message: str) -> int | None:
        """Return the line of the name that a message begins with, if it has a line of its own."""
        entries = [entry for section in made.asked.sections[1:] for entry in section.entries]
        named = [
            each
            for each in entries
            if message.startswith(
                tuple(f"{kind}{visible(each.value)} " for kind in ("", f"{each.key.partition('.')[0]}:"))
            )
        ]
        return named[-1].line if named else None

    def judge_defaults(self) -> None:
        """Judge the keys of the sections that req and ca read."""
        for name in self.config.sections:
            if reads_requests(self.config, name):
                self.judge_default_bits(self.known(name, "default_bits"))
                self.judge_default_md(self.known(name, "default_md"))
            elif signs_requests(self.config, name):
                self.judge_default_md(self.known(name, "default_md"))
                self.judge_default_days(name, self.known(name, "default_days"))

    def known(self, section: str, key: str) -> Entry | None:
        entry = self.config.entry(section, key)
        return entry if entry and entry.is_known else None

    def judge_default_bits(self, entry: Entry | None) -> None:
        bits = _number(entry)
        if entry and bits is not None and bits < _LEAST_RSA:
            self.add("config-default-bits", f"default_bits is {bits}; 2048 is the least", entry.line)

    def judge_default_md(self, entry: Entry | None) -> None:
        if entry and not _SHA2.fullmatch(entry.value.lower()):
            message = f"default_md is {_shown(entry.value)}, which is not of the SHA-2 family; sha256 is"
            self.add("config-default-md", message, entry.line)

    def judge_default_days(self, section: str, entry: Entry | None) -> None:
        days = _number(entry)
        named = self.config.entry(section, "x509_extensions")
        if not entry or days is None or (named and named.value in self.authorities):
            return
        at = self.settings.at
        certificate = Certificate(
            serial_number=1,
            signature_algorithm="",
            signature_hash=None,
            issuer=_SUBJECT,
            subject=_SUBJECT,
            not_before=at,
            not_after=at + timedelta(days=min(days, 365_000)),
            public_key=PublicKey("EC", 256, "P-256", b""),
        )
        rules = [rule for rule in self.settings.rules if rule.id in _VALIDITY]
        for finding in judge(Case(certificate, None, at), rules):
            self.add("config-default-days", f"default_days is {days}: {finding.message}", entry.line)


@dataclass(frozen=True)
class _Made:
    """What openssl makes of a section."""

    section: Section
    uses: set[str]
    asked: Extensions
    certificate: Certificate

    @property
    def is_authority(self) -> bool:
        constraints = self.certificate.basic_constraints
        if not (constraints and constraints.ca) or self.section.name == "v3_req":
            return False
        return not any(name.kind in ("DNS", "IP") for name in self.certificate.names)

    def certificate_at(self, at: datetime) -> Certificate:
        """Return it as if it were made then, for someone else, in the way that the section is used."""
        signs_itself = {SELF} <= self.uses <= {SELF, REQUEST} or (self.is_authority and not self.uses & {CA, COPIED})
        return replace(
            self.certificate,
            subject=_SUBJECT,
            issuer=_SUBJECT if signs_itself else self.certificate.issuer,
            not_before=at,
            not_after=at + timedelta(days=1),
        )


def _title(section: Section) -> str:
    return "" if section.name == DEFAULT else f"[ {visible(section.name)} ]: "


def _shown(text: str) -> str:
    return visible(text.replace(UNKNOWN, "…"))


def _number(entry: Entry | None) -> int | None:
    digits = re.match(r"[0-9]{1,9}", entry.value) if entry else None
    return int(digits[0]) if digits else None


def _extension(finding: Finding) -> str:
    """Return the short name of the extension that a finding is about, else its object identifier."""
    name = ABOUT[finding.rule.id]
    if name:
        return name
    message = finding.message.replace("key usage", "keyUsage")
    if number := re.search(r"\b[0-2](?:\.[0-9]+)+", message):
        return canonical(number[0])
    return next((name for name in EXTENSIONS if name in message), "")
