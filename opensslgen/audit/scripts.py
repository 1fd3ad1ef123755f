"""Audits of shell scripts: which certificates they would make, found out without running them.

Three answers: a script complies if every openssl command in it that makes a certificate was followed to its extensions,
validity, digest and key, and the certificates would comply; it violates a rule if one of them certainly would.
Otherwise the answer is "cannot be told", with lines and reasons. The vendor's `gen_certs.sh` is also recognised.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from opensslgen.budget import CostlyError
from opensslgen.config.reader import DEFAULT, UNKNOWN
from opensslgen.config.use import openssl_time
from opensslgen.errors import UnreadableError
from opensslgen.files.read import File, content
from opensslgen.gen_certs.reader import SECTION, VALIDITY, read_script
from opensslgen.rules.apple import APPLE_LIMIT
from opensslgen.rules.roles import AUTHORITY
from opensslgen.rules.rule import ERROR, raised
from opensslgen.shell.builtins import BUILTINS
from opensslgen.shell.machine import Call, UnfollowedError, World, explore
from opensslgen.shell.parse import parse
from opensslgen.shell.values import is_known, unknown_names, with_names, without_names
from opensslgen.text import listed, visible

from .configs import judge_text
from .purpose import SERVER
from .result import Result
from .script_calls import (
    Issuer,
    Key,
    Made,
    follow,
    has_extension,
    is_digest,
    is_weak,
    system_file,
    why_unknown,
)

if TYPE_CHECKING:
    from opensslgen.gen_certs.reader import Script
    from opensslgen.rules.rule import Finding
    from opensslgen.shell.machine import Machine

    from .result import Settings

_LEAST_RSA = 2048  # bits
_LARGEST = 1 << 19
"""Maximum size of a script in bytes; easy-rsa has two fifths of it."""
_LARGEST_BESIDE = 1 << 18
"""Maximum size in bytes of a file next to the script."""
_MOST_CERTIFICATES = 100
"""Maximum number of different certificates of one script."""
_MOST_FINDINGS = 100
_LONGEST = 100
"""Maximum number of characters of a value in a message."""
HINT = "opensslgen run -- sh SCRIPT judges the certificates that it makes"

_NAME = r"(?i:openssl[\w.-]{0,40}|\$\{?\w{0,40}ssl\w{0,40}(?:[:?=+-][^}\s]{0,80})?\}?)"
SHELL = re.compile(rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-S[ \t]+)?)?(?:\S*/)?(?:ba|da|k|mk|pdk|z|a)?sh\b")
_BASH = re.compile(r"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-S[ \t]+)?)?(?:\S*/)?(bash|zsh|dash|ash)\b")
_SUBS = rb"(?:req|x509|ca|genrsa|genpkey|ecparam)\b"
_GAP = rb"(?:[ \t]|\\\r?\n)+"
_MAKES = re.compile(rb"%s[\"'}]{0,2}%s%s" % (_NAME.encode(), _GAP, _SUBS))
_SUBCOMMAND = re.compile(rb"[ \t]" + _SUBS)
_BEFORE = (
    rb"^(?:[^\n#]{0,200}(?:&&|\|\||[;|({`]))?[ \t]*(?:(?:[A-Za-z_]\w{0,80}=\S{0,200}"
    rb"|sudo|env|command|exec|time|nice|nohup|doas|if|while|until|then|else|do|!|\{|\()[ \t]+){0,9}"
    rb"[\"']?(?:[\w.-]{0,80}/){0,9}"
)
_VENDOR = re.compile(
    rb"^[ \t]*(?:(?:export|readonly|local|declare|typeset)(?:[ \t]+-\w+)*[ \t]+)?DEFAULT_SERVER_CERT_VALIDITY="
    rb"|^[ \t]*(?:echo|printf)[ \t]+(?:-e[ \t]+)?[\"']?[ \t]*\[[ \t]*v3_req[ \t]*\]",
    re.MULTILINE,
)
_COMMANDS = (
    b"openssl set cd mkdir umask export readonly declare local typeset if for while until case source . echo printf "
    b"function rm cp mv ln cat test [ [[ touch chmod chown install trap sudo doas : true unset exec command env read "
    b"pushd which type date sed hash ulimit shopt time eval { ( ! exit apt apt-get yum dnf hostname sleep clear nice"
).split()
_PLAIN = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:[A-Za-z_][\w-]*(?:=|\+=|[ \t]*\([ \t]*\))"
    rb"|(?:%s)(?=[ \t;\\]|\r?\n)|[\"']?(?:\$|\.{0,2}/)|\{|\()" % b"|".join(map(re.escape, _COMMANDS))
)


MAKE_RULE = re.compile(
    rb"^[\w./%$(){}-][^\n#:='\"`;|&<>]{0,500}:(?![=:])[^\n=]{0,500}\n(?:[ \t]*#[^\n]*\n)?\t[^\n]", re.MULTILINE
)
"""A target of a Makefile with a command."""


def looks_like_script(data: bytes) -> bool:
    """Tell whether a file, or its beginning, is a shell script that makes certificates."""
    if b"\0" in data:
        return False
    if SHELL.match(data):
        return bool(_MAKES.search(data) or _VENDOR.search(data) or (b"openssl" in data and _SUBCOMMAND.search(data)))
    # Without a `#!` line, a text that quotes commands must not be mistaken for a script.
    if data.startswith(b"#!") or not _PLAIN.match(data) or MAKE_RULE.search(data):
        return False
    return bool(_VENDOR.search(data) or re.search(_BEFORE + _MAKES.pattern, data, re.MULTILINE))


def judge_script(data: bytes, *, target: str, settings: Settings) -> list[Result]:
    """Return the verdict on the certificates that a shell script would make; the script is not run."""
    result = Result(target=target, kind="script")
    try:
        text = script_text(data)
        verdict = judge_commands(text, target=target, settings=settings)
    except CostlyError as error:
        return [replace(result, unreadable=visible(f"cannot be read: {error.message}"), line=error.line)]
    except UnreadableError as error:
        return [replace(result, unreadable=visible(error.message), line=error.line, is_unknown=True)]
    findings, reasons = verdict.findings, verdict.reasons
    notes = tuple(f"line {reason.line}: {visible(reason.text)}" for reason in reasons)
    if not reasons or any(finding.rule.severity == ERROR for finding in findings):
        if verdict.hosts:
            notes += (f"not checked: whether {visible(listed(verdict.hosts, 3))} is a host name or an address",)
        return [replace(result, findings=findings, notes=notes)]
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return [
        replace(
            result,
            findings=findings,
            notes=notes[1:],
            unreadable=f"{notes[0]}{more}; {HINT}",
            is_unknown=True,
            line=reasons[0].line,
        )
    ]


def script_text(data: bytes) -> str:
    """Return a script as text; raises UnreadableError if it is not a shell script."""
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if len(text) > _LARGEST:
        raise UnreadableError(f"more than {_LARGEST >> 10} KiB")
    if "\0" in text:
        raise UnreadableError("a NUL byte", line=text.count("\n", 0, text.index("\0")) + 1)
    return text


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something cannot be told."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a script."""

    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    """What cannot be told, and why."""
    made: int = 0
    """How many commands make certificates."""
    places: tuple[int, ...] = ()
    """Lines that write the extensions of certificates that violate a rule, and lines of the commands that make them;
    the line to change is rather one of the last."""
    authorities: tuple[tuple[int, str], ...] = ()
    """Line and days of each CA certificate."""
    refused: int = 0
    """How many certificates openssl would refuse to make."""
    hosts: tuple[str, ...] = ()
    """The names of unknown values that were taken for host names or addresses."""


def judge_commands(text: str, *, target: str, settings: Settings) -> Verdict:
    """Return the verdict on a script's text; raises UnreadableError for shell that is not understood."""
    tree = parse(text)
    shebang = _BASH.match(text)
    is_bash = None if not shebang else shebang[1] in ("bash", "zsh")
    folder = os.path.dirname(target) or "."  # noqa: PTH120
    world = World(
        builtins=BUILTINS,
        name=visible(posixpath.basename(target)) or "script.sh",
        is_bash=is_bash,
        is_zsh=shebang is not None and shebang[1] == "zsh",
        read=lambda path: _beside(folder, path) if target != "-" else None,
        call=follow,
        system=system_file,
    )
    if settings.openssl is None:
        settings = replace(settings, openssl=settings.find_openssl)
    for expects_variables in (False, True):
        audit = _Audit(settings)
        try:
            for machine in explore(tree, replace(world, expects_variables=expects_variables)):
                audit.take(machine)
        except UnfollowedError as error:
            audit.unfollowed = Reason(error.line or 1, error.reason)
        # Many scripts end at once if a variable is not set.
        if audit.sites or ":-}" not in text:
            break
    findings, reasons = audit.answers()
    if VALIDITY in text or (SECTION in text and not audit.has_calls and not audit.unfollowed):
        script = read_script(tree)
        if script.validities or script.blocks:
            vendors = judge_vendor(script, settings)
            findings += vendors.findings
            # What the form passes to the vendor's script decides which commands run; its own places can be judged.
            is_vendors = bool(script.validities) and not audit.sites
            return _verdict(findings, [*vendors.reasons, *([] if is_vendors else reasons)], audit)
    if not audit.has_calls and not audit.unfollowed:
        reasons.append(Reason(1, "no openssl command was found in it"))
    elif not audit.makes_something and not reasons:
        reasons.append(Reason(1, "no command in it makes a certificate"))
    return _verdict(findings, reasons, audit)


def _verdict(findings: list[Finding], reasons: list[Reason], audit: _Audit) -> Verdict:
    findings = sorted(dict.fromkeys(findings), key=lambda finding: finding.line or 0)
    reasons = sorted(dict.fromkeys(reasons), key=lambda reason: (reason == audit.unfollowed, reason.line))
    if len(findings) > _MOST_FINDINGS:
        raise UnreadableError(f"more than {_MOST_FINDINGS} findings")
    return Verdict(
        tuple(findings),
        tuple(reasons[:_MOST_FINDINGS]),
        len(audit.sites),
        tuple(line for made in reversed(audit.wrong()) for line in (*_section_lines(made), made.line)),
        tuple((made.line, made.days) for (made, _), answer in audit.asked.items() if answer.is_authority),
        sum(answer.refused is not None for answer in audit.asked.values()),
        tuple(audit.hosts),
    )


def _section_lines(made: Made) -> list[int]:
    """Return the lines of the script that write the extensions of a certificate."""
    found, is_inside = [], made.section in (None, DEFAULT)
    for text, line in zip(made.text.split("\n"), made.lines, strict=False):
        if header := re.match(r"[ \t]*\[[ \t]*([^\]]*?)[ \t]*\]", text):
            is_inside = header[1] == made.section
        if is_inside and line and text.strip():
            found.append(line)
    return list(dict.fromkeys(found))


def _beside(folder: str, path: str) -> str | None:
    """Return the text of a regular file in or below the script's folder; None if it is missing."""
    if path.startswith(("/", "..")) or "\0" in path or "/../" in path:
        return None
    name = f"{folder}/{path}"
    try:
        if os.path.realpath(name) != f"{os.path.realpath(folder)}/{path}":
            return None
        found = content(File(name, named=False), limit=_LARGEST_BESIDE)
    except (OSError, ValueError, UnreadableError):
        return None
    if found is None or found.size > _LARGEST_BESIDE or b"\0" in found.data:
        return None
    return found.data.decode("utf-8", "surrogateescape")


def _shown(value: str) -> str:
    """Return a value for a message; an unknown part appears by its name."""
    text = with_names(value)
    return visible(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


# What the openssl commands make

_COMPLIES, _VIOLATES, _UNKNOWN, _REFUSED = "complies", "violates", "unknown", "refused"


@dataclass(slots=True)
class _Answer:
    """The verdict on one certificate."""

    findings: list[Finding] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    values: list[Reason] = field(default_factory=list)
    """Those of the reasons that an unknown value gives, such as the number of days."""
    refused: str | None = None
    is_authority: bool = False

    @property
    def status(self) -> str:
        if any(finding.rule.severity == ERROR for finding in self.findings):
            return _VIOLATES
        if self.refused:
            return _REFUSED
        return _UNKNOWN if self.reasons else _COMPLIES


class _Audit:
    """The certificates of one script, over all ways through it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sites: dict[int, list[tuple[_Answer, bool]]] = {}
        """The answers on all ways, by command, and whether the script gets options on that way."""
        self.lines: dict[int, int] = {}
        self.asked: dict[tuple[Made, bool], _Answer] = {}
        self.unclear: dict[str, int] = {}
        self.hosts: dict[str, None] = {}
        self.keys: dict[Key, None] = {}
        self.has_calls = False
        self.unfollowed: Reason | None = None
        """Why not all ways were followed."""
        self.makes_something = False
        """Whether it makes a certificate, request or key."""

    def take(self, machine: Machine) -> None:
        """Judge what one way through the script makes."""
        self.unclear.update({what: line for what, line in machine.unclear.items() if what not in self.unclear})
        self.hosts.update(machine.hosts)
        issuers = {each.path for each in machine.records if isinstance(each, Issuer)}
        self.has_calls = self.has_calls or any(isinstance(each, Call) for each in machine.records)
        self.makes_something = self.makes_something or any(not isinstance(each, Call) for each in machine.records)
        on_this_way: dict[int, list[_Answer]] = {}
        for each in machine.records:
            if isinstance(each, Key):
                self.keys[each] = None
            elif isinstance(each, Made):
                is_issuer = bool(each.out) and machine.path(each.out) in issuers
                on_this_way.setdefault(each.start, []).append(self.answer(each, is_issuer=is_issuer))
                self.lines[each.start] = each.line
        for start, answers in on_this_way.items():
            self.sites.setdefault(start, []).append((_together(answers), machine.has_options))

    def answer(self, made: Made, *, is_issuer: bool) -> _Answer:
        if (made, is_issuer) not in self.asked:
            if len(self.asked) >= _MOST_CERTIFICATES:
                raise UnreadableError(f"more than {_MOST_CERTIFICATES} different certificates")
            self.asked[made, is_issuer] = _Judge(made, self.settings, is_issuer=is_issuer).answer()
        return self.asked[made, is_issuer]

    def wrong(self) -> list[Made]:
        """Return the certificates that violate a rule."""
        return [made for (made, _), answer in self.asked.items() if answer.status == _VIOLATES]

    def answers(self) -> tuple[list[Finding], list[Reason]]:
        """Return the findings that hold for all ways, and why the rest cannot be told."""
        findings: list[Finding] = []
        reasons = [Reason(line, what) for what, line in self.unclear.items()]
        reasons += [self.unfollowed] if self.unfollowed else []
        for start, ways in self.sites.items():
            answers = _with_defaults(ways)
            statuses = {each.status for each in answers}
            if _VIOLATES in statuses and statuses <= {_VIOLATES, _REFUSED} and not self.unfollowed:
                findings += [finding for each in answers for finding in each.findings]
                continue
            if statuses == {_COMPLIES}:
                findings += [finding for each in answers for finding in each.findings]
                continue
            reasons += [reason for each in answers for reason in each.reasons]
            reasons += [Reason(self.lines[start], each.refused) for each in answers if each.refused]
            if _VIOLATES in statuses:
                found = [finding for each in answers if each.status == _VIOLATES for finding in each.findings]
                message = f"how the script is called decides whether {found[0].message}"
                reasons.append(Reason(found[0].line or self.lines[start], message))
        for key in self.keys:
            if 0 < key.bits < _LEAST_RSA and key.algorithm == "RSA":
                findings += _small_key(key, self.settings)
        return findings, reasons


def _with_defaults(ways: list[tuple[_Answer, bool]]) -> list[_Answer]:
    """Return the answers for a script without options and arguments, and those for options that may break a rule."""
    if all(has_options for _, has_options in ways):
        return [answer for answer, _ in ways]
    found = [answer for answer, has_options in ways if not has_options or answer.status in (_COMPLIES, _VIOLATES)]
    if all(each.status == _COMPLIES for each in found):
        given = [reason for answer, has_options in ways if has_options for reason in answer.values]
        reasons = [replace(each, text=f"{each.text}, which the caller may give") for each in given]
        found += [_Answer(reasons=reasons)] if reasons else []
    return found


def _together(answers: list[_Answer]) -> _Answer:
    """Merge the verdicts on certificates that one command makes, such as in a loop."""
    if len(answers) == 1:
        return answers[0]
    refused = [each.refused for each in answers if each.refused]
    return _Answer(
        [finding for each in answers for finding in each.findings],
        [reason for each in answers for reason in each.reasons],
        [reason for each in answers for reason in each.values],
        refused[0] if refused else None,
    )


def _small_key(key: Key, settings: Settings) -> tuple[Finding, ...]:
    message = f"it makes an RSA key of {key.bits} bits; the minimum is {_LEAST_RSA}"
    return raised(settings.rules, "script-small-key", message, line=key.line)


_SCRIPT_RULES = {"apple-eku": "script-no-eku", "apple-validity": "script-days"}
_CA_NAME = re.compile(r"(?:^|[^a-z])(?:ca|cas|root|rootca|caroot|authority|issuer|intermediate|sub-?ca|signing)"
                      r"(?:[^a-z]|$)"
                      r"|[a-z]CA(?:[^a-zA-Z]|$)|(?:^|[^a-zA-Z])CA[A-Z_0-9]|[rR]oot|ROOT|Authority|AUTHORITY"
                      r"|[Ii]ntermediate|cacert|myca|(?:^|[^a-z])ca[._-]?(?:cert|crt|pem|key)")  # fmt: skip
_HOST = re.compile(
    r"(?:\*\.)?(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,}|(?:[0-9]{1,3}\.){3}[0-9]{1,3}|localhost|[0-9a-f:]*:[0-9a-f:]+"
)


_SERVER_NAME = re.compile(r"(?i)server|host|site|www|web|tls|https|pbx")
_CLIENT_NAME = re.compile(r"(?i)client|user|person|usr_cert")
_UNKNOWN_LINE = re.compile(rf"^[ \t]*(?:\[[ \t]*)?{UNKNOWN}.*", re.MULTILINE)


def _line_of(match: re.Match[str]) -> int:
    return match.string.count("\n", 0, match.start()) + 1


class _Judge:
    """One certificate against the rules."""

    def __init__(self, made: Made, settings: Settings, *, is_issuer: bool) -> None:
        self.made = made
        self.settings = settings
        self.is_issuer = is_issuer
        self.found = _Answer()

    def add(self, rule: str, message: str, line: int, *, days: int | None = None) -> None:
        self.found.findings += raised(self.settings.rules, rule, message, line=line, days=days)

    def wonder(self, text: str, line: int | None = None, *, value: str = "") -> None:
        """Note why something cannot be told; `value` is the unknown value that decides it."""
        reason = Reason(line or self.made.line, text)
        self.found.reasons.append(reason)
        if value:
            self.found.values.append(reason)

    def answer(self) -> _Answer:
        made = self.made
        for text in made.unknown:
            self.wonder(text)
        is_authority = self.extensions()
        self.found.is_authority = is_authority is True
        if is_authority is None or is_authority:
            if is_authority:
                self.digest(authority=True)
            return self.found
        self.days()
        self.digest(authority=False)
        self.key()
        return self.found

    def extensions(self) -> bool | None:
        """Judge the extensions; return whether they are for a CA, or None if unknown."""
        made = self.made
        if not made.has_section:
            return self.may_be_authority()
        text = made.text
        if unknown_line := _UNKNOWN_LINE.search(text):
            # It may be anything: another extension, or the header of another section.
            self.wonder(f"a part of its extensions {why_unknown(unknown_line[0])}", self.place(_line_of(unknown_line)))
            return self.may_be_authority()
        judged = judge_text(without_names(text), section=made.section, use=made.use, settings=self.settings)
        if judged.unreadable:
            self.found.refused = f"openssl issues no certificate: {judged.unreadable}"
            return None
        is_authority = judged.purpose == AUTHORITY
        if judged.unknown:
            self.wonder(self.why(judged.unknown, judged.line), self.place(judged.line), value=judged.unknown)
        if is_authority and not self.is_issuer and not made.unknown:
            # `req -x509` takes CA:TRUE from openssl's default config; other commands only from what is given to them.
            is_deliberate = not made.signs_itself and made.command != "req"
            seems = self.seems_server() if not is_deliberate else self.is_named_for_server()
            if seems is None:
                what = "self-signed with CA:TRUE: a root" if made.signs_itself else "made with CA:TRUE: a CA"
                self.wonder(f"it is {what} complies, a server certificate would not")
                return None
            if seems:
                if not has_extension(text, made.section, "extendedKeyUsage"):
                    self.add("script-no-eku", "it has no extended key usage; serverAuth is needed", made.line)
                self.add("leaf-is-ca", "it is a server certificate with CA:TRUE", made.line)
                if not has_extension(text, made.section, "subjectAltName"):
                    self.add(
                        "apple-san", "it has no subject alternative name; the common name does not count", made.line
                    )
                return False
        has_usages = has_extension(text, made.section, "extendedKeyUsage")
        if self.is_issuer and not is_authority and not has_usages:
            self.wonder("it issues certificates, but it is not marked as a CA (CA:TRUE)")
            return None
        if not is_authority and judged.purpose != SERVER:
            self.other()
            return False
        lacks_usage = any(finding.rule.id == "apple-eku" for finding in judged.findings)
        if has_usages and lacks_usage and self.seems_client() and not self.seems_named(_SERVER_NAME):
            return False
        for finding in judged.findings:
            rule = _SCRIPT_RULES.get(finding.rule.id)
            line = self.place(finding.line) or made.line
            if is_authority:
                continue
            if rule:
                self.add(rule, finding.message, line)
            else:
                self.found.findings.append(finding._replace(line=line))
        return is_authority

    def other(self) -> None:
        """Judge a certificate without serverAuth: as a client's if its name suggests it, otherwise as a server's."""
        made = self.made
        has_usages = has_extension(made.text, made.section, "extendedKeyUsage")
        if has_usages and self.seems_client() and not self.is_server_by_name():
            return
        has_names = has_extension(made.text, made.section, "subjectAltName")
        if has_usages and not has_names and not self.seems_named(_SERVER_NAME):
            self.wonder("its extended key usage lacks serverAuth: for a client it complies, for a server it would not")
            return
        what = "its extended key usage lacks serverAuth" if has_usages else "it has no extended key usage"
        self.add("script-no-eku", f"{what}; serverAuth is needed", made.line)
        if not has_names:
            self.add("apple-san", "it has no subject alternative name; the common name does not count", made.line)

    def seems_named(self, pattern: re.Pattern[str]) -> bool:
        """Return whether its file, subject or section has such a name."""
        made = self.made
        names = (posixpath.basename(with_names(made.out)), with_names(made.subject or ""), made.wanted_section)
        return any(pattern.search(each) for each in names)

    def is_server_by_name(self) -> bool:
        """Return whether its file or subject says that it is for a server, and not that it is for a client."""
        names = (posixpath.basename(with_names(self.made.out)), with_names(self.made.subject or ""))
        found = [bool(pattern.search(each)) for pattern in (_SERVER_NAME, _CLIENT_NAME) for each in names]
        return any(found[:2]) and not any(found[2:])

    def seems_client(self) -> bool:
        return self.seems_named(_CLIENT_NAME)

    def why(self, text: str, line: int | None) -> str:
        """Return the text, and the names of the unknown values that it depends on."""
        pieces = self.made.text.split("\n")
        names = unknown_names(pieces[line - 1]) if line and line <= len(pieces) else unknown_names(self.made.text)
        return f"{text}: it depends on {', '.join(names[:3])}" if names else text

    def place(self, line: int | None) -> int | None:
        """Return the line of the script that writes a line of the config."""
        lines = self.made.lines
        return lines[line - 1] or None if line and line <= len(lines) else None

    def may_be_authority(self) -> bool | None:
        """Return whether a certificate with unknown extensions is for a CA; None if unknown."""
        made = self.made
        if self.seems_authority(names=(made.wanted_section, made.out)):
            return None
        return self.is_issuer or None if made.signs_itself and made.command == "req" else self.is_issuer

    def seems_authority(self, *, names: tuple[str, ...]) -> bool:
        return self.is_issuer or any(_CA_NAME.search(with_names(name)) for name in names if name)

    def seems_server(self) -> bool | None:
        """Return whether a self-signed certificate with CA:TRUE is meant for a server; None if unknown."""
        made = self.made
        subject = made.subject
        if has_extension(made.text, made.section, "extendedKeyUsage"):
            return True
        name = posixpath.basename(with_names(made.out))
        if subject is not None and is_known(subject):
            if " " in subject.strip():
                return False
            if _HOST.fullmatch(subject) and not _CA_NAME.search(name):
                return True
            if _CA_NAME.search(subject):
                return False
            if _SERVER_NAME.search(subject):
                return True
        if _CA_NAME.search(name):
            return False
        if _SERVER_NAME.search(name):
            return True
        return None

    def is_named_for_server(self) -> bool:
        """Return whether only its names say that a certificate with CA:TRUE is for a server."""
        return (
            not has_extension(self.made.text, self.made.section, "extendedKeyUsage")
            and self.seems_named(_SERVER_NAME)
            and not self.seems_named(_CA_NAME)
        )

    def days(self) -> None:
        made = self.made
        if made.until is not None:
            self.until(made.until)
            return
        if not is_known(made.days):
            self.wonder(f"-days {_shown(made.days)} {why_unknown(made.days)}", made.days_line, value=made.days)
            return
        if made.days == "unset":
            return
        match = re.fullmatch(r"[ \t]*\+?([0-9]{1,9})[ \t]*", made.days, re.ASCII)
        if not match:
            self.wonder(f"-days {_shown(made.days)} is not a number", made.days_line)
            return
        days = int(match[1])
        if days > APPLE_LIMIT.days:
            message = f"-days is {days} days; the limit for a server is {APPLE_LIMIT.days}"
            self.add("script-days", message, made.days_line, days=days)
        elif days == 0:
            self.wonder("-days is 0", made.days_line)
        elif made.since is not None and made.since != "today":
            # openssl counts the days from now, not from the begin.
            self.until((self.settings.at + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ"))

    def until(self, end: str) -> None:
        since = self.made.since if self.made.since != "today" else None
        ends, begins = openssl_time(end), openssl_time(since) if since else self.settings.at
        if ends is None or begins is None:
            self.wonder(
                f"its validity from {_shown(since or 'now')} to {_shown(end)} {why_unknown(end + (since or ''))}",
                value=end,
            )
        elif ends - begins > APPLE_LIMIT:
            days = (ends - begins) // timedelta(days=1)
            message = f"it is valid for {days} days; the limit for a server is {APPLE_LIMIT.days}"
            self.add("script-days", message, self.made.line, days=days)

    def digest(self, *, authority: bool) -> None:
        made = self.made
        digest = made.digest
        # A self-signed CA is trusted directly; its signature does not matter.
        if digest is None or digest == "default" or (authority and made.signs_itself):
            return
        if not is_known(digest):
            self.wonder(f"the digest {_shown(digest)} {why_unknown(digest)}", made.digest_line, value=digest)
        elif is_weak(digest):
            self.add("script-sha1", f"it signs with {_shown(digest)}; sha256 is needed", made.digest_line)
        elif not is_digest(digest):
            self.wonder(f"the digest {_shown(digest)} is unknown", made.digest_line)
        elif not re.fullmatch(r"(?:rsa-)?sha-?(?:224|256|384|512)", digest, re.IGNORECASE):
            self.add("script-sha1", f"it signs with {_shown(digest)}; sha256 is needed", made.digest_line)

    def key(self) -> None:
        key = self.made.key
        if key is None or (key.algorithm == "RSA" and key.bits == 0) or key.curve == UNKNOWN:
            self.wonder("the type and size of its key are unknown", value="" if key is None else UNKNOWN)
        elif key.algorithm == "RSA":
            if key.bits < _LEAST_RSA:
                self.found.findings += _small_key(key, self.settings) if key.line else raised(
                    self.settings.rules,
                    "script-small-key",
                    f"its RSA key has {key.bits} bits; the minimum is {_LEAST_RSA}",
                    line=self.made.line,
                )  # fmt: skip
        elif key.algorithm != "EC" or key.curve not in ("P-256", "P-384", "P-521"):
            kind = (
                f"an EC key on the curve {key.curve}" if key.algorithm == "EC" else f"a key of the type {key.algorithm}"
            )
            message = f"it has {visible(kind)}; Apple supports RSA and the curves P-256, P-384 and P-521"
            self.add("apple-key-type", message, key.line or self.made.line)


# The vendor's script


def judge_vendor(script: Script, settings: Settings, *, days: int = APPLE_LIMIT.days) -> Verdict:
    """Return the verdict on what is known of the vendor's script; `days` is the longest default validity."""
    findings: list[Finding] = []
    reasons: list[Reason] = []

    def add(rule: str, message: str, line: int) -> None:
        findings.extend(raised(settings.rules, rule, message, line=line))

    for validity in script.validities:
        if validity.days is None:
            reasons.append(Reason(validity.line, f"{VALIDITY} cannot be told without running the script"))
        elif not 1 <= validity.days <= days:
            message = f"the default validity is {validity.days} days; the limit is {days}"
            add("script-validity", message, validity.line)
    for block in script.extended_blocks:
        if not block.usages:
            add("script-no-eku", f"the section [ {SECTION} ] has no extendedKeyUsage; serverAuth is needed", block.line)
        for usage in block.usages:
            shown = visible(usage.text)
            if not usage.known and not usage.server:
                message = f"the extended key usage {shown} cannot be told without running the script"
                reasons.append(Reason(usage.line, message))
            elif not usage.server:
                add("script-no-eku", f"the extended key usage is {shown}; serverAuth is needed", usage.line)
            elif not all(block.ways):
                add("script-no-eku", "extendedKeyUsage is written only under an additional condition", usage.line)
            elif any(len(way) > 1 for way in block.ways):
                reasons.append(Reason(usage.line, "extendedKeyUsage is written more than once"))
    if not script.extended_blocks and (script.validities or script.blocks):
        line = script.blocks[0].line if script.blocks else script.validities[0].line
        message = f"the place that writes the section [ {SECTION} ] for phones was not found, so its usages are unknown"
        reasons.append(Reason(line, message))
    wrong = next((block for block in script.extended_blocks if not block.complies), None)
    places = wrong.places if wrong and wrong.usages else wrong.places[-1:] if wrong else ()
    twice = sum(len(way) > 1 for block in script.extended_blocks for way in block.ways)
    return Verdict(tuple(findings), tuple(reasons), len(script.blocks), places, refused=twice)
