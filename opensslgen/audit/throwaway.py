"""Let openssl make a throwaway certificate from an extension section, to be judged.

openssl gets a new config: its values have no variables, and nothing in it reads a file, runs code or sees the
environment. The CA and the key are generated once per process, in a private folder, and are worthless.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from opensslgen.budget import Budget, CostlyError, current
from opensslgen.config.reader import DEFAULT, UNKNOWN, Config, Entry, Section, config_text
from opensslgen.config.use import canonical
from opensslgen.errors import UnreadableError
from opensslgen.openssl.command import OpenSSL, reason, said_on_stderr
from opensslgen.patterns import pattern
from opensslgen.text import visible
from opensslgen.x509.certificate import Certificate, decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from opensslgen.openssl.process import Process

_ADDED = ("subjectKeyIdentifier", "authorityKeyIdentifier")
_OID = pattern(r"[0-2](?:\.[0-9]+)+")
_REFUSED = pattern(r"error in extension:.*?name=([^,\n]+), ?value=")
_SEPARATOR = pattern(r"[,:;@]")
_HELD = pattern(r"(?:SEQUENCE|SEQ|SET):([^,:;@]*)")
_LISTS = ("extendedKeyUsage", "certificatePolicies")
"""Extensions whose values are names of object identifiers, which the config may define."""

_MOST = 100
"""Most extensions in one section."""
_FARTHEST = 1000
"""Most sections that one of them may refer to, directly or not."""
_LARGEST = 10_000
"""Most values in ASN.1 of one of them."""
_DEEPEST = 50
"""Most levels of nested sections, as in openssl (ASN1_GEN_SEQ_MAX_DEPTH)."""

MISSING = "a section that does not exist"
UNSAID = "an unknown value"
"""What an extension may depend on."""
_NESTED = 4
"""Levels of nested sections that openssl follows outside of ASN.1: the notice of a policy is on the third."""
MOST_VALUES = 10_000
"""Most values of one config; a value counts as often as openssl would make it."""

_ROOT = """\
[req]
prompt = no
distinguished_name = subject
x509_extensions = root
[subject]
CN = opensslgen
emailAddress = someone@example.com
[root]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
subjectAltName = URI:https://example.com/
"""


class RefusedError(UnreadableError):
    """openssl issues no certificate from a section."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line  # the caller adds the line to the message


@dataclass(frozen=True, slots=True)
class Extensions:
    """An extension section and the sections that it refers to, without their unknown parts."""

    sections: tuple[Section, ...]
    """First the extensions, under the name DEFAULT."""
    lines: Mapping[str, int]
    """The line of each extension, by openssl's short name, or else as written."""
    unknown: Mapping[str, str]
    """Extensions that were left out in part or as a whole, and what they depend on."""
    missing: tuple[tuple[int, str], ...]
    """Line and name of missing sections."""
    files: tuple[tuple[int, str], ...]
    """Line and path of files whose content would be a value."""
    maybe_critical: frozenset[str] = frozenset()
    """Extensions that may or may not be critical."""


def extensions(references: References, section: Section) -> Extensions:
    """Return the extensions of a section, as far as the config alone determines them.

    Raises RefusedError if references are endless, and CostlyError if there is too much to do.
    """
    if len(section.entries) > _MOST:
        raise RefusedError(f"it has {len(section.entries)} keys; the limit is {_MOST}", section.line)
    asked = [_asked_for(entry, references) for entry in section.entries]
    kept = tuple(each.kept for each in asked if each.kept)
    behind = {part.section.name: part.section for each in asked if each.kept for part in each.behind}
    behind.pop(DEFAULT, None)
    return Extensions(
        (Section(DEFAULT, section.line, kept), *behind.values()),
        {each.name: each.line for each in asked},
        {each.name: each.unknown for each in asked if each.unknown},
        tuple(missing for each in asked for missing in each.missing),
        tuple(file for each in asked for file in each.files),
        frozenset(each.name for each, entry in zip(asked, section.entries, strict=True) if entry.value[:1] == UNKNOWN),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One extension, as the config has it."""

    name: str
    """openssl's short name, or else as written."""
    line: int
    kept: Entry | None
    """Its known value; None if nothing is known."""
    behind: Sequence[_Part] = ()
    unknown: str | None = None
    """What the rest depends on."""
    missing: tuple[tuple[int, str], ...] = ()
    files: tuple[tuple[int, str], ...] = ()


def _asked_for(entry: Entry, references: References) -> _Asked:
    config, names = references.config, references.object_identifiers
    key = names.get(entry.key, entry.key)
    name = canonical(key)
    behind = references.behind(entry)
    if name == "proxyCertInfo" and (files := (*_files(entry), *(file for part in behind for file in part.files))):
        return _Asked(name=name, line=entry.line, kept=None, unknown="a file", files=files)
    items = [item.strip() for item in entry.value.split(",")]
    absent = {item for item in items if item[:1] == "@" and UNKNOWN not in item and item[1:] not in config.sections}
    unknown = _depends_on(entry, behind, config, absent=bool(absent))
    if unknown:
        items = _known_items(items, behind, absent)
    if name in _LISTS:
        items = [names.get(item, item) for item in items]
    is_empty = unknown is not None and all(item == "critical" for item in items)
    value = ",".join(items) if unknown or name in _LISTS else entry.value
    return _Asked(
        name=name,
        line=entry.line,
        kept=None if is_empty else replace(entry, key=key, value=value),
        behind=behind,
        unknown=unknown,
        missing=() if config.includes else tuple((entry.line, item[1:]) for item in sorted(absent)),
    )


def _depends_on(entry: Entry, behind: Sequence[_Part], config: Config, *, absent: bool) -> str | None:
    """Return what a value depends on besides the config; None if it is completely known."""
    if not entry.is_known or not all(part.is_known for part in behind) or (absent and config.includes):
        # The first of these is the reason.
        if config.environment:
            return "the environment"
        return "a file that is included" if config.includes else UNSAID
    return MISSING if absent else None


def _known_items(items: list[str], behind: Sequence[_Part], absent: set[str]) -> list[str]:
    hollow = {f"@{part.section.name}" for part in behind if not part.section.entries}
    return [item for item in items if UNKNOWN not in item and item not in hollow and item not in absent]


@dataclass(frozen=True, slots=True)
class _Part:
    """A section that values refer to."""

    section: Section
    """Without the entries that are not completely known."""
    is_known: bool
    """Whether all its entries are known."""
    files: tuple[tuple[int, str], ...]
    refers_to: tuple[str, ...]
    """Names of sections, each as often as a value has it."""
    holds: tuple[str, ...]
    """Those that ASN.1 includes as a whole."""
    weight: int
    """The sum of the weights of all values."""


class References:
    """The sections that the values of a config refer to, each read once, and the work so far."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.object_identifiers = _object_identifiers(config)
        self.parts: dict[str, _Part] = {}
        self.sizes: dict[str, int] = {}
        self.counts: dict[tuple[str, int], int] = {}
        self.values = 0
        """Values that openssl was asked for, or will be."""

    def _part(self, name: str) -> _Part:
        if name not in self.parts:
            section = self.config.sections[name]
            known = tuple(entry for entry in section.entries if entry.is_known)
            self.parts[name] = _Part(
                replace(section, entries=known),
                len(known) == len(section.entries),
                tuple(file for entry in section.entries for file in _files(entry)),
                tuple(name for entry in known for name in self._tokens(entry.value)),
                tuple(name for entry in known for name in self._nested_names(entry.value)),
                sum(_weight(entry.value) for entry in known),
            )
        return self.parts[name]

    def _tokens(self, value: str) -> list[str]:
        """Return the sections that a value names, as @name, dirName:name or SEQUENCE:name."""
        return [token for token in map(str.strip, _SEPARATOR.split(value)) if token in self.config.sections]

    def _nested_names(self, value: str) -> list[str]:
        return [name for name in map(str.strip, _HELD.findall(value)) if name in self.config.sections]

    def behind(self, entry: Entry) -> list[_Part]:
        """Return the sections that a value refers to, directly or not.

        Raises RefusedError if the references are endless, and CostlyError if openssl would have too much to do.
        """
        if sum(self._size(name, 1, entry.line) for name in self._nested_names(entry.value)) > _LARGEST:
            raise _endless(entry.line)
        self._count(entry)
        found: dict[str, _Part] = {}
        waiting = self._tokens(entry.value)
        while waiting:
            name = waiting.pop()
            if name not in found:
                if len(found) == _FARTHEST:
                    raise _endless(entry.line)
                found[name] = self._part(name)
                waiting += found[name].refers_to
        return list(found.values())

    def _count(self, entry: Entry) -> None:
        """Count the values that openssl makes from one; raises CostlyError if they are too many."""
        named = sum(1 + self._values_of(name, _NESTED) for name in self._tokens(entry.value))
        self.values += _weight(entry.value) + named
        if self.values > MOST_VALUES:
            raise CostlyError(f"more than {MOST_VALUES} values")

    def _values_of(self, name: str, depth: int) -> int:
        """Return the number of values in a section and, down to a depth, in those that it names."""
        if (name, depth) not in self.counts:
            part = self._part(name)
            deeper = sum(1 + self._values_of(other, depth - 1) for other in part.refers_to) if depth else 0
            self.counts[name, depth] = part.weight + deeper
        return self.counts[name, depth]

    def _size(self, name: str, depth: int, line: int) -> int:
        """Return how many values openssl would write for a SEQUENCE or SET; each may include the next one twice."""
        if depth > _DEEPEST:
            raise _endless(line)
        if name not in self.sizes:
            part = self._part(name)
            held = sum(self._size(other, depth + 1, line) for other in part.holds)
            self.sizes[name] = len(part.section.entries) + held
        return self.sizes[name]


def _weight(value: str) -> int:
    """Return how many values one counts for: one for each word between commas, and for each 400 characters."""
    return 1 + value.count(",") + len(value) // 400


def _endless(line: int) -> RefusedError:
    return RefusedError("its references to sections are endless", line)


def _files(entry: Entry) -> tuple[tuple[int, str], ...]:
    _, colon, path = entry.value.partition("file:")
    return ((entry.line, path),) if colon else ()


def _object_identifiers(config: Config) -> dict[str, str]:
    """Return the names that the config defines for object identifiers (oid_section)."""
    named = config.entry(DEFAULT, "oid_section")
    section = config.sections.get(named.value) if named else None
    pairs = {entry.key: entry.value.rpartition(",")[2].strip() for entry in section.entries} if section else {}
    return {name: oid for name, oid in pairs.items() if _OID.fullmatch(oid)}


def issue(asked: Extensions, openssl: OpenSSL) -> Certificate:
    """Return a certificate with these extensions, made by openssl.

    Raises RefusedError if openssl refuses them, and CostlyError if it takes too long.
    """
    first, *others = asked.sections
    # Some versions add these extensions, others do not.
    if openssl.can("key identifier none") and not openssl.can("x509 -req adds nothing"):
        present = {canonical(entry.key) for entry in first.entries}
        added = tuple(Entry(name, "none", 0) for name in _ADDED if name not in present)
        first = replace(first, entries=first.entries + added)
    process = _run_openssl(config_text([first, *others]), openssl)
    if process.exit_code != 0:
        raise _refusal(process, asked)
    return decode(process.stdout)


@lru_cache(maxsize=64)
def _run_openssl(config: str, openssl: OpenSSL) -> Process:
    """Let openssl make a certificate; recent answers are cached."""
    # `opensslgen run` judges the configs of commands without a budget of its own.
    with nullcontext() if current() else Budget().running():
        return _run_limited(config, openssl)


def _run_limited(config: str, openssl: OpenSSL) -> Process:
    return openssl.run(
        ["x509", "-req", "-in", "request.pem", "-CA", "root.pem", "-CAkey", "key.pem", "-set_serial", "0x7468726F77"]
        + ["-days", "30", "-sha256", "-extfile", "/dev/stdin", "-extensions", DEFAULT, "-outform", "DER"],
        cwd=_workshop(openssl),
        stdin=config.encode("utf-8", "surrogateescape"),
        check=False,
    )


def _refusal(process: Process, asked: Extensions) -> RefusedError:
    named = _REFUSED.search(said_on_stderr(process))
    key = named[1] if named else ""
    line = asked.lines.get(canonical(key))
    why = reason(process)
    # The rest names the section "default", which exists only in our config.
    why = (re.search(r"\((.*)\)\Z", why) or re.match(r"(.*)", why) or [why])[1]
    return RefusedError(f"openssl refuses {visible(key)}: {why}" if line else f"openssl refuses it: {why}", line)


@cache
def _workshop(openssl: OpenSSL) -> Path:
    """Return a folder with a root, a request, and a key for both."""
    import atexit
    import shutil
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="opensslgen-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "root.cnf").write_text(_ROOT)
    openssl.run(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem"], cwd=folder)
    common = ["-new", "-key", "key.pem", "-config", "root.cnf", "-sha256"]
    openssl.run(["req", "-x509", *common, "-days", "30", "-set_serial", "1", "-out", "root.pem"], cwd=folder)
    openssl.run(["req", *common, "-out", "request.pem"], cwd=folder)
    return folder
