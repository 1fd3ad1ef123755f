"""What a section of extensions means, asked of openssl itself: it makes a certificate by that section, to be judged.

What openssl is given is written anew: values without variables, and nothing that reads a file, runs code or sees the
environment. Authority and key are made once per process, in a folder of our own, and are worth nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from opensslgen.config.reader import DEFAULT, UNKNOWN, Entry, Section, written
from opensslgen.errors import UnreadableError
from opensslgen.openssl.command import reason
from opensslgen.text import visible
from opensslgen.x509.certificate import decode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opensslgen.config.reader import Config
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.openssl.process import Process
    from opensslgen.x509.certificate import Certificate
from opensslgen.config.use import canonical

_ADDED = ("subjectKeyIdentifier", "authorityKeyIdentifier")
_OID = re.compile(r"[0-2](?:\.[0-9]+)+")
_REFUSED = re.compile(r"error in extension:.*?name=([^,\n]+), ?value=")
_SEPARATOR = re.compile(r"[,:;@]")
_HELD = re.compile(r"(?:SEQUENCE|SEQ|SET):([^,:;@]*)")
_LISTS = ("extendedKeyUsage", "certificatePolicies")
"""Extensions whose values are names of object identifiers, perhaps the config's own."""

_MOST = 100
"""Extensions of one section."""
_FARTHEST = 1000
"""Sections that one of them may refer to, and these to."""
_LARGEST = 10_000
"""Values in ASN.1 that one of them may have."""
_DEEPEST = 50
"""Sections in sections, as in openssl (ASN1_GEN_SEQ_MAX_DEPTH)."""

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
    """Openssl makes no certificate by a section."""

    def __init__(self, message: str, line: int | None) -> None:
        """Take openssl's reason, and the line of the key that it is about, if it says so."""
        super().__init__(message)
        self.line = line  # which the message leaves to the caller


@dataclass(frozen=True, slots=True)
class Extensions:
    """A section of extensions and the sections that it refers to, with nothing in them that is not there to be seen."""

    sections: tuple[Section, ...]
    """The extensions first, under the name DEFAULT."""
    lines: Mapping[str, int]
    """Where each extension is set, by openssl's short name or else as written."""
    unknown: Mapping[str, str]
    """Extensions of which a part, or all, was left out, and what that depends on."""
    missing: tuple[tuple[int, str], ...]
    """Line and name of sections that are referred to and are not there."""
    files: tuple[tuple[int, str], ...]
    """Line and name of files whose content would be a value."""


def extensions(references: References, section: Section) -> Extensions:
    """Return what a section asks for, as far as the config alone can tell; raises RefusedError if that is endless."""
    if len(section.entries) > _MOST:
        raise RefusedError(f"it has {len(section.entries)} keys, which cannot be meant", section.line)
    config = references.config
    names = _object_identifiers(config)
    # What is not known is so because of the one or the other.
    source = "the environment" if config.environment else "a file that is included"
    kept: list[Entry] = []
    copied: dict[str, Section] = {}
    lines: dict[str, int] = {}
    unknown: dict[str, str] = {}
    missing: list[tuple[int, str]] = []
    files: list[tuple[int, str]] = []
    for entry in section.entries:
        key = names.get(entry.key, entry.key)
        name = canonical(key)
        lines[name] = entry.line
        reached = references.behind(entry)
        items = [item.strip() for item in entry.value.split(",")]
        if name == "proxyCertInfo" and (found := [*_files(entry), *(file for part in reached for file in part.files)]):
            files += found
            unknown[name] = "a file"
        else:
            absent = [item for item in items if item[:1] == "@" and item[1:] not in config.sections]
            if not entry.is_known or not all(part.is_known for part in reached) or (absent and config.includes):
                unknown[name] = source
            elif absent:
                missing += [(entry.line, item[1:]) for item in absent]
                unknown[name] = "a section that is not there"
            if name in unknown:
                hollow = {f"@{part.section.name}" for part in reached if not part.section.entries}
                items = [item for item in items if UNKNOWN not in item and item not in hollow.union(absent)]
            if name not in unknown or any(item != "critical" for item in items):
                if name in _LISTS:
                    items = [names.get(item, item) for item in items]
                value = ",".join(items) if name in unknown or name in _LISTS else entry.value
                kept.append(replace(entry, key=key, value=value))
                copied |= {part.section.name: part.section for part in reached}
    copied.pop(DEFAULT, None)
    sections = (Section(DEFAULT, section.line, tuple(kept)), *copied.values())
    return Extensions(sections, lines, unknown, tuple(missing), tuple(files))


@dataclass(frozen=True, slots=True)
class _Part:
    """A section that values refer to."""

    section: Section
    """Without the entries that are not known."""
    is_known: bool
    """Whether there are none of them."""
    files: tuple[tuple[int, str], ...]
    refers_to: tuple[str, ...]
    holds: tuple[str, ...]
    """Those of them that ASN.1 has as a whole inside this one."""


class References:
    """What the values of a config refer to, each section looked through once."""

    def __init__(self, config: Config) -> None:
        """Take the config; nothing is looked at yet."""
        self.config = config
        self.parts: dict[str, _Part] = {}
        self.sizes: dict[str, int] = {}

    def _part(self, name: str) -> _Part:
        if name not in self.parts:
            section = self.config.sections[name]
            known = tuple(entry for entry in section.entries if entry.is_known)
            self.parts[name] = _Part(
                replace(section, entries=known),
                len(known) == len(section.entries),
                tuple(file for entry in section.entries for file in _files(entry)),
                tuple({name: None for entry in known for name in self._tokens(entry.value)}),
                tuple(name for entry in known for name in self._held(entry.value)),
            )
        return self.parts[name]

    def _tokens(self, value: str) -> list[str]:
        """Return the sections that a value names, be it as @name, dirName:name or SEQUENCE:name."""
        return [token for token in map(str.strip, _SEPARATOR.split(value)) if token in self.config.sections]

    def _held(self, value: str) -> list[str]:
        return [name for name in map(str.strip, _HELD.findall(value)) if name in self.config.sections]

    def behind(self, entry: Entry) -> list[_Part]:
        """Return the sections that a value refers to, and those that they refer to; raises RefusedError."""
        if sum(self._size(name, 1, entry.line) for name in self._held(entry.value)) > _LARGEST:
            raise _endless(entry.line)
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

    def _size(self, name: str, depth: int, line: int) -> int:
        """Return how many values openssl would write for a SEQUENCE or SET; each one may hold the next one twice."""
        if depth > _DEEPEST:
            raise _endless(line)
        if name not in self.sizes:
            part = self._part(name)
            held = sum(self._size(other, depth + 1, line) for other in part.holds)
            self.sizes[name] = len(part.section.entries) + held
        return self.sizes[name]


def _endless(line: int) -> RefusedError:
    return RefusedError("the sections behind it are without an end", line)


def _files(entry: Entry) -> tuple[tuple[int, str], ...]:
    _, colon, path = entry.value.partition("file:")
    return ((entry.line, path),) if colon else ()


def _object_identifiers(config: Config) -> dict[str, str]:
    """Return the names that the config gives to object identifiers (oid_section)."""
    named = config.entry(DEFAULT, "oid_section")
    section = config.sections.get(named.value) if named else None
    pairs = {entry.key: entry.value.rpartition(",")[2].strip() for entry in section.entries} if section else {}
    return {name: oid for name, oid in pairs.items() if _OID.fullmatch(oid)}


def issued(asked: Extensions, openssl: OpenSSL) -> Certificate:
    """Return a certificate with these extensions, made by openssl; raises RefusedError if it makes none."""
    first, *others = asked.sections
    # OpenSSL 3.0 to 3.6 adds what is not there; who uses another one gets none.
    if openssl.flavour == "OpenSSL" and (3, 0, 0) <= openssl.version < (4, 0, 0):
        present = {canonical(entry.key) for entry in first.entries}
        added = tuple(Entry(name, "none", 0) for name in _ADDED if name not in present)
        first = replace(first, entries=first.entries + added)
    process = _asked(written([first, *others]), openssl)
    if process.exit_code != 0:
        raise _refusal(process, asked)
    return decode(process.stdout)


@lru_cache(maxsize=64)
def _asked(config: str, openssl: OpenSSL) -> Process:
    """Have openssl make a certificate; what is asked again at once is remembered."""
    return openssl.run(
        ["x509", "-req", "-in", "request.pem", "-CA", "root.pem", "-CAkey", "key.pem", "-set_serial", "0x7468726F77"]
        + ["-days", "30", "-sha256", "-extfile", "/dev/stdin", "-extensions", DEFAULT, "-outform", "DER"],
        cwd=_workshop(openssl),
        stdin=config.encode("utf-8", "surrogateescape"),
        check=False,
    )


def _refusal(process: Process, asked: Extensions) -> RefusedError:
    told = _REFUSED.search(process.stderr.decode("utf-8", "replace"))
    key = told[1] if told else ""
    line = asked.lines.get(canonical(key))
    why = reason(process)
    # The rest says that it is about the section "default", which is ours.
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
