"""Audit OpenSSL configs: the certificates that their sections of extensions and their defaults would produce.

Every section that looks like certificate extensions is judged, even if nothing names it. `audit.purpose`
decides whether it is for servers, CAs or clients, and a note says which and why. A section that only `req_extensions`
names is judged as a request; one that `req` uses by `x509_extensions`, as self-signed. If a rule needs a value that is
not in the config, the answer is "cannot be told".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opensslgen import budget
from opensslgen.budget import MOST_FINDINGS, CostlyError
from opensslgen.config.reader import DEFAULT, UNKNOWN, Config, ConfigError, Entry, Section, read_config
from opensslgen.config.use import (
    CA,
    COMMON,
    COPIED,
    FILE,
    REQUEST,
    SELF,
    copies_extensions,
    default_section,
    is_for_lists,
    is_for_proxies,
    is_for_subjects,
    issues_certificates,
    loaded_code,
    looks_like_extensions,
    named_for_lists,
    named_for_subjects,
    openssl_time,
    reads_requests,
    sections_used,
    signs_requests,
)
from opensslgen.errors import Error, UnreadableError
from opensslgen.orders.kinds import SERVER_USAGES
from opensslgen.patterns import pattern
from opensslgen.rules.form import UNDERSTOOD
from opensslgen.rules.profiles import PROFILES
from opensslgen.rules.roles import AUTHORITY, CLIENT
from opensslgen.rules.rule import ANY, ERROR, Case, Finding, Rule, judge, raised
from opensslgen.text import did_you_mean, visible
from opensslgen.x509.certificate import Certificate
from opensslgen.x509.extensions import EXTENSIONS
from opensslgen.x509.names import Name
from opensslgen.x509.public_keys import PublicKey

from .purpose import OTHER, SERVER, purpose, sounds_like_server
from .result import Result, Settings
from .throwaway import MISSING, UNSAID, Extensions, References, RefusedError, extensions, issue

_VALIDITY = ("apple-validity", "public-validity")
_SUBJECT = Name((("CN", "opensslgen throwaway"),))
_MOST_SECTIONS = 100
_SHA2 = re.compile(r"(?:rsa-)?sha(?:2-)?-?(?:224|256|384|512)|default")
_LEAST_RSA = 2048  # bits

_NAMING = ("x509_extensions", "req_extensions", "distinguished_name", "default_ca", "openssl_conf", "oid_section")
_SIGN = pattern(
    rf"^[ \t]*(?:\w+::)?(?:{'|'.join((*EXTENSIONS, *_NAMING, 'default_bits', 'default_md', 'default_days'))})[ \t]*=",
    re.MULTILINE,
)
_FITTING = pattern(r"\[[^]=]*\]|[\w.:-]+[ \t]*=|\.(?:include|pragma)\b")


_TEMPLATE = {
    "KEY_USAGE": "digitalSignature,keyEncipherment",
    "SUBJECT_ALT_NAME": "DNS:server.example.com",
    "EXTENDED_KEY_USAGE": ",".join(SERVER_USAGES),
    "CRL_URL": "URI:http://example.com/crl.pem",
    "NAME_CONSTRAINTS": "permitted;DNS:example.com",
    "AUTHORITY_KEY_IDENTIFIER": "keyid:always",
    **dict.fromkeys(("SUBJECT", "CERTIFICATE", "KEY"), UNKNOWN),
}
"""The values of the variables in opensslgen's templates, as far as extensions need them."""


def _template_value(section: str, name: str) -> str | None:
    if name == "CA":
        return "CA:TRUE" if section == "v3_ca" else "CA:FALSE"
    return _TEMPLATE.get(name)


def looks_like_config(data: bytes) -> bool:
    """Tell whether a file looks like an OpenSSL config: it has a usual key, and most lines have the right form."""
    if b"\0" in data or data[:2] == b"#!":
        return False
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\\\r\n", "").replace("\\\n", "")
    if not _SIGN.search(text):
        return False
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    return 4 * sum(_FITTING.match(line) is not None for line in lines) >= 3 * len(lines)


def judge_config(data: bytes, *, target: str, settings: Settings) -> list[Result]:
    """Return the verdict on an OpenSSL config or extension file.

    That is one result for the whole file, and one for each section that openssl refuses or that cannot be told.
    The first is left out if it would say that the file complies although another result is unknown. Other files and the
    environment are not read, and nothing in the config is run.
    """
    result = Result(target=target, kind="config")
    try:
        audit = _Audit(read_config(data.decode("utf-8", "surrogateescape"), fill=_template_value), settings)
        audit.run()
    except (ConfigError, CostlyError) as error:
        return [replace(result, unreadable=error.message, line=error.line)]
    findings = sorted(dict.fromkeys(audit.findings), key=lambda finding: finding.line or 0)
    whole = replace(result, findings=tuple(findings[:MOST_FINDINGS]), notes=tuple(audit.notes))
    others = [
        replace(result, unreadable=doubt.why, line=doubt.line, is_unknown=doubt.is_unknown) for doubt in audit.doubts
    ]
    doubt = audit.doubt_about_all(len(findings))
    if doubt is not None:
        return [replace(whole, unreadable=doubt.why, line=doubt.line, is_unknown=doubt.is_unknown), *others]
    # A config with an unknown part never complies.
    if others and not any(finding.rule.severity == ERROR for finding in findings):
        return [replace(others[0], findings=whole.findings, notes=whole.notes), *others[1:]]
    return [whole, *others]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on one extension section."""

    purpose: str = SERVER
    """SERVER, AUTHORITY, CLIENT or OTHER, of `audit.purpose`."""
    why: str = ""
    """Why it is for this purpose."""
    findings: tuple[Finding, ...] = ()
    """With line numbers in the text, and messages that do not name the section.

    OTHER has no findings; CLIENT has no findings if the user chose a profile.
    """
    unknown: str | None = None
    """What a rule needs to know, but the text does not contain; such a section never complies."""
    unreadable: str | None = None
    """Why openssl refuses it; such a section never complies."""
    line: int | None = None
    """The line of `unknown` or `unreadable`."""
    notes: tuple[str, ...] = ()


def judge_text(text: str, *, section: str | None = None, use: str = FILE, settings: Settings) -> Verdict:
    """Return the verdict on the section that a command uses, of a config or extension file.

    `use` is a way of `config.use`: FILE for `x509 -extfile` and `ca -extfile`, SELF for `req -x509`, REQUEST for
    `req -new`, CA for `ca -config`. Without a section, it is openssl's default; an empty text is a command without a
    file. `config.reader.UNKNOWN` may stand in the text for an unknown value, such as a shell variable: in a
    value, or as a line. Raises no `Error`.
    """
    try:
        config = read_config(text)
        name = section or default_section(config, use)
        if name not in config.sections:
            return Verdict(unreadable=f"the section [ {_shown(name)} ] is missing")
        audit = _Audit(config, settings, has_titles=False)
        audit.add_repeated()
        made = audit.make(config.sections[name], {use}, named_by=None)
        findings = tuple(audit.judge(made)) if made else ()
    except (ConfigError, CostlyError) as error:
        return Verdict(unreadable=error.message, line=error.line)
    doubts = [*filter(None, [audit.doubt_about_all(len(findings))]), *audit.doubts]
    doubt = min(doubts, key=lambda doubt: doubt.is_unknown, default=None)
    return Verdict(
        purpose=made.purpose if made else SERVER,
        why=made.why if made else "",
        findings=(*audit.findings, *findings),
        unknown=doubt.why if doubt and doubt.is_unknown else None,
        unreadable=doubt.why if doubt and not doubt.is_unknown else None,
        line=doubt.line if doubt else None,
        notes=tuple(audit.notes),
    )


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Why something does not comply, although no rule is certainly violated."""

    why: str
    line: int | None
    is_unknown: bool
    """Whether a rule needs an unknown value; otherwise openssl refuses the section."""


@dataclass
class _Audit:
    """One config, and what was found in it so far."""

    config: Config
    settings: Settings
    has_titles: bool = True
    """Whether messages begin with the section."""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[_Doubt] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Sections that the user chose, but that are missing."""
    is_missing: bool = False
    """Whether all chosen sections are missing, and nothing else is used."""
    has_judged: bool = False
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
        self.add_repeated()
        if self.config.filled:
            names = ", ".join(dict.fromkeys(f"${name}" for _, name in self.config.filled))
            self.notes.append(f"a template of opensslgen, judged with the default values of {names}")
        self.judge_sections()
        has_sections = self.has_judged or bool(self.doubts)
        self.judge_defaults()
        if self.has_judged and not has_sections:
            self.notes.append("it has no extension section: only its defaults were judged")
            # What complies by its defaults alone may still be a certificate without names and usages.
            is_wrong = any(finding.rule.severity == ERROR for finding in self.findings)
            self.has_judged = is_wrong or not issues_certificates(self.config)

    def add(self, rule: str, message: str, line: int) -> None:
        if len(self.findings) <= MOST_FINDINGS:
            self.findings += raised(self.settings.rules, rule, message, line=line)

    def title(self, section: Section) -> str:
        return f"{_bracketed(section)}: " if self.has_titles and section.name != DEFAULT else ""

    def add_file(self, line: int, path: str) -> None:
        self.add("config-reads-files", f"it reads {_shown(path)}, which was not checked", line)

    def add_repeated(self) -> None:
        for each in self.config.repeated:
            message = f"{_shown(each.key)} occurs twice: openssl ignores the value in line {each.first}"
            self.add("config-key-twice", message, each.line)

    def doubt_about_all(self, findings: int) -> _Doubt | None:
        """Return why the verdict on the whole config is in doubt; None if it is not."""
        if findings > MOST_FINDINGS:
            return _Doubt(f"more than {MOST_FINDINGS} findings", None, is_unknown=False)
        if self.config.includes:
            line, path = self.config.includes[0]
            return _Doubt(f"{_shown(path)}, which it includes, may change every section", line, is_unknown=True)
        if self.config.holes:
            return _Doubt("an unknown line may change every section", self.config.holes[0], is_unknown=True)
        if self.is_missing:
            return _Doubt(
                f"it has no section [ {' ], [ '.join(self.missing)} ]{self._meant(self.missing[0])}",
                None,
                is_unknown=False,
            )
        if self.has_judged or self.doubts:
            return None
        return _Doubt("it has no extension section for servers or CAs", None, is_unknown=True)

    def _meant(self, name: str) -> str:
        """Return a question about the section that was probably meant; nothing if no name is close."""
        question = did_you_mean(name, self.config.sections).strip()
        return f"; {question}" if question else ""

    def judge_sections(self) -> None:
        used, absent, unnamed = sections_used(self.config, self.settings.sections)
        for line, name in absent:
            self.add_absent(line, name)
        for line, key in unnamed:
            self.doubts.append(_Doubt(f"the section that {visible(key)} names is unknown", line, is_unknown=True))
        self.missing = [visible(name) for name in self.settings.sections if name not in self.config.sections]
        self.notes += [f"the section [ {name} ] is missing{self._meant(name)}" for name in self.missing if used]
        self.is_missing = bool(self.missing) and not used
        is_alone = not (used or self.missing or self.config.filled)
        others = self.sections_unused(used, is_alone=is_alone)
        if len(used) + len(others) > _MOST_SECTIONS:
            raise ConfigError(
                1, f"{len(used) + len(others)} extension sections are more than the limit of {_MOST_SECTIONS}"
            )
        uses = {COPIED if copies_extensions(self.config) else CA}
        made = [
            *(
                self.make(self.config.sections[name], used[name], named_by=self.naming(name, used[name]))
                for name in used
            ),
            *(self.make(section, uses, named_by=None) for section in others),
        ]
        self.judge_all([each for each in made if each])

    def naming(self, name: str, uses: set[str]) -> str | None:
        """Return why a section is judged, by the ways in which it is used; None if nothing names it."""
        if name == DEFAULT and not self.config.own(DEFAULT, "extensions"):
            return None
        if name in self.settings.sections:
            return "--section names it"
        if uses == {FILE}:
            return "its name" if name == COMMON else "extensions names it"
        keys = dict.fromkeys("req_extensions" if use == REQUEST else "x509_extensions" for use in sorted(uses - {FILE}))
        return f"{' and '.join(keys)} names it"

    def sections_unused(self, used: Collection[str], *, is_alone: bool) -> list[Section]:
        """Return the sections with certificate extensions that nothing names; add a note about other kinds."""
        found = [
            section
            for section in self.config.sections.values()
            if section.name not in used and section.name != DEFAULT and looks_like_extensions(section)
        ]
        named = named_for_lists(self.config)
        lists = {
            section.name: section
            for section in found
            if is_for_lists(section, named) and ("crl" in section.name.lower() or not sounds_like_server(section.name))
        }
        proxies = {section.name: section for section in found if is_for_proxies(section)}
        of_subjects = named_for_subjects(self.config)
        subjects = {section.name: section for section in found if is_for_subjects(section, of_subjects)}
        for what, sections in (
            ("CRLs", lists),
            ("proxy certificates", proxies),
            ("subjects, which have no extensions", subjects),
        ):
            if sections:
                self.notes.append(f"for {what}, so not judged: {', '.join(map(_bracketed, sections.values()))}")
        found = [section for section in found if section.name not in {*lists, *proxies, *subjects}]
        for section in found if is_alone else ():
            name = visible(section.name)
            message = f"nothing names the section [ {name} ]: openssl applies it only with -extensions {name}"
            self.add("config-section-unused", message, section.line)
        return found

    def judge_all(self, made: list[_Made]) -> None:
        self.authorities = {each.section.name for each in made if each.purpose == AUTHORITY}
        is_for_roots = any(rule.id == "root-ca" for rule in self.settings.rules)
        judged: dict[str, list[str]] = {}
        skipped: list[str] = []
        for each in made:
            because = f"{_bracketed(each.section)} ({each.why})"
            if is_for_roots and self.authorities and each.purpose != AUTHORITY:
                self.notes.append(f"{self.title(each.section)}is not for a root, so it was not judged")
            elif self.rules(each) is None:
                skipped.append(because)
            else:
                self.findings += self.judge(each)
                if each.section.name != DEFAULT:
                    judged.setdefault(each.purpose, []).append(because)
        for kind, sections in judged.items():
            self.notes.append(f"for {_PLURALS[kind]}: {', '.join(sections)}")
        if skipped:
            self.notes.append(f"not for servers or CAs, so not judged: {', '.join(skipped)}")

    def add_absent(self, line: int, name: str) -> None:
        if not self.config.includes:
            self.add("config-section-missing", f"the section [ {_shown(name)} ] is missing", line)

    def make(self, section: Section, uses: set[str], *, named_by: str | None) -> _Made | None:
        """Return what openssl makes of a section; None if openssl refuses it, and add a doubt."""
        try:
            asked = extensions(self.references, section)
            for line, name in asked.missing:
                self.add_absent(line, name)
            for line, path in asked.files:
                self.add_file(line, path)
            if self.settings.openssl is None:
                raise RefusedError("openssl is needed to read it", None)
            budget.check()
            made = issue(asked, self.settings.openssl())
            kind, why = purpose(section.name, made, unknown=asked.unknown, named_by=named_by)
            return _Made(section, uses, asked, made, kind, why)
        except CostlyError:
            raise
        except Error as error:
            line = error.line if isinstance(error, UnreadableError) and error.line else section.line
            self.doubts.append(_Doubt(f"{self.title(section)}{error.message}", line, is_unknown=False))
        return None

    def judge(self, made: _Made) -> Iterator[Finding]:
        """Yield the findings on a section; add a doubt for what cannot be told."""
        rules = self.rules(made) or ()
        self.has_judged = self.has_judged or bool(rules)
        self.add_unknown(made, rules)
        copied: dict[str, None] = {}
        lines = made.lines_of_names()
        for finding in judge(Case(made.certificate_at(self.settings.at), None, self.settings.at), rules):
            name = "subjectAltName" if finding.name else finding.extension or finding.rule.extension or ""
            line = made.asked.lines.get(name, made.section.line)
            if name in made.asked.unknown and not finding.name:
                continue
            if made.uses == {COPIED} and name not in made.asked.lines:
                copied[name] = None
                continue
            if finding.name:
                line = lines.get(_place(finding.name.kind, finding.name.value), line)
            yield finding._replace(message=f"{self.title(made.section)}{finding.message}", line=line)
        if copied:
            source = "requests, from which openssl ca copies missing extensions"
            why = f"{self.title(made.section)}{_depends(copied, source)}"
            self.doubts.append(_Doubt(why, made.section.line, is_unknown=True))

    def add_unknown(self, made: _Made, rules: Iterable[Rule]) -> None:
        """Add what each extension with an unknown value depends on."""
        needed = {rule.extension for rule in rules}
        if ANY in needed:  # rules about all critical extensions
            needed |= {name for name in made.asked.maybe_critical if EXTENSIONS.get(name, name) not in UNDERSTOOD}
        is_missing_reported = any(rule.id == "config-section-missing" for rule in self.settings.rules)
        unknown: dict[str, list[str]] = {}
        for name, source in made.asked.unknown.items():
            line = made.asked.lines[name]
            if name in needed and not (source == MISSING and is_missing_reported):
                unknown.setdefault(source, []).append(name)
            else:
                self.notes.append(
                    f"{self.title(made.section)}{visible(name)} (line {line}) depends on {source}, so it was not judged"
                )
        for source, names in unknown.items():
            why = f"{self.title(made.section)}{_depends(names, source)}"
            self.doubts.append(_Doubt(why, made.asked.lines[names[0]], is_unknown=True))

    def rules(self, made: _Made) -> list[Rule] | None:
        """Return the rules for a section; None if there are no rules for its purpose."""
        rules = self.settings.rules
        if made.purpose == OTHER or (made.purpose == CLIENT and CLIENT not in self.settings.rules_by_kind):
            return None
        if made.purpose == CLIENT:
            rules, _ = self.settings.rules_for(CLIENT)
        return [
            rule
            for rule in rules
            if rule.extension
            and (made.uses != {REQUEST} or rule.of_requests)
            and (made.purpose != AUTHORITY or rule.id not in PROFILES["root"].instead)
        ]

    def judge_defaults(self) -> None:
        """Judge the default values in the sections that `req` and `ca` read."""
        unknown: dict[str, int] = {}
        for name in self.config.sections:
            of_requests, of_ca = reads_requests(self.config, name), signs_requests(self.config, name)
            for key, judge_default, is_read in (
                ("default_bits", self.judge_default_bits, of_requests),
                ("default_md", self.judge_default_md, of_requests or of_ca),
                ("default_days", self.judge_default_days, of_ca and not of_requests),
                ("default_enddate", self.judge_default_enddate, of_ca and not of_requests),
            ):
                entry = self.config.entry(name, key) if is_read else None
                if entry and entry.is_known:
                    self.has_judged = True
                    judge_default(name, entry)
                elif entry:
                    unknown.setdefault(key, entry.line)
        if unknown:
            source = "the environment" if self.config.environment else UNSAID
            self.doubts.append(_Doubt(_depends(unknown, source), min(unknown.values()), is_unknown=True))

    def judge_default_bits(self, _: str, entry: Entry) -> None:
        bits = _number(entry)
        if bits is not None and bits < _LEAST_RSA:
            self.add("config-default-bits", f"default_bits is {bits}; the minimum is 2048", entry.line)

    def judge_default_md(self, _: str, entry: Entry) -> None:
        if not _SHA2.fullmatch(entry.value.lower()):
            message = f"default_md is {_shown(entry.value)}, which is not of the SHA-2 family; sha256 is"
            self.add("config-default-md", message, entry.line)

    def judge_default_days(self, section: str, entry: Entry) -> None:
        days = _number(entry)
        # An expiry date takes precedence.
        if days is not None and not self.config.entry(section, "default_enddate"):
            days = min(days, 365_000)
            self.judge_validity(section, entry, self.settings.at + timedelta(days=days), f"default_days is {days}")

    def judge_default_enddate(self, section: str, entry: Entry) -> None:
        until = openssl_time(entry.value)
        if until is not None:
            self.judge_validity(section, entry, until, f"default_enddate is {_shown(entry.value)}")

    def judge_validity(self, section: str, entry: Entry, until: datetime, what: str) -> None:
        named = self.config.entry(section, "x509_extensions")
        if named and named.value in self.authorities:
            return
        begin = self.config.entry(section, "default_startdate")
        # openssl counts the days from now, even if the certificate begins at another time.
        at = (openssl_time(begin.value) if begin else None) or self.settings.at
        certificate = Certificate(
            serial_number=1,
            signature_algorithm="",
            signature_hash=None,
            issuer=_SUBJECT,
            subject=_SUBJECT,
            not_before=at,
            not_after=until,
            public_key=PublicKey("EC", 256, "P-256", b""),
        )
        rules = [rule for rule in self.settings.rules if rule.id in _VALIDITY]
        for finding in judge(Case(certificate, None, at), rules):
            self.add("config-default-days", f"{what}: {finding.message}", entry.line)


@dataclass(frozen=True)
class _Made:
    """What openssl makes of a section."""

    section: Section
    uses: set[str]
    asked: Extensions
    certificate: Certificate
    purpose: str
    why: str

    def certificate_at(self, at: datetime) -> Certificate:
        """Return the certificate as if issued at that time, by the CA or self-signed, as the section is used."""
        is_authority = self.purpose == AUTHORITY
        signs_itself = {SELF} <= self.uses <= {SELF, REQUEST} or (is_authority and not self.uses & {CA, COPIED})
        return replace(
            self.certificate,
            subject=_SUBJECT,
            issuer=_SUBJECT if signs_itself else self.certificate.issuer,
            not_before=at,
            not_after=at + timedelta(days=1),
        )

    def lines_of_names(self) -> dict[tuple[str, str], int]:
        """Return the lines of the names that are on separate lines."""
        return {
            _place(entry.key.partition(".")[0], entry.value): entry.line
            for section in self.asked.sections[1:]
            for entry in section.entries
        }


_PLURALS = {SERVER: "servers", AUTHORITY: "certificate authorities", CLIENT: "clients"}


def _place(kind: str, value: str) -> tuple[str, str]:
    """Return type and value of a name in one form, for comparison."""
    return kind.upper(), value.strip().lower()


def _depends(names: Iterable[str], source: str) -> str:
    """Return a sentence about what some extensions or keys depend on."""
    some = list(names)
    if source == UNSAID:
        return f"{', '.join(some)} cannot be told"
    return f"{', '.join(some)} {'depends' if len(some) == 1 else 'depend'} on {source}"


def _bracketed(section: Section) -> str:
    return f"[ {visible(section.name)} ]"


def _shown(text: str) -> str:
    return visible(text.replace(UNKNOWN, "…"))


def _number(entry: Entry) -> int | None:
    digits = re.match(r"[0-9]{1,9}", entry.value)
    return int(digits[0]) if digits else None
