"""A pki folder as a whole: checks that index, copies by serial number, files and keys agree.

Errors within one file are reported for that file. This module reports what does not agree between files, and which
other users have access. The folder may be ours, easy-rsa's, or one of `openssl ca`. It is read once; only the serial
numbers are kept in memory.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import MOST_FINDINGS, Budget, CostlyError, Reserve
from opensslgen.bundles.holding import key_in_file
from opensslgen.errors import Error, UnreadableError
from opensslgen.files.read import read_file
from opensslgen.pki import index
from opensslgen.pki.folder import copy_of
from opensslgen.plan import layout
from opensslgen.rules.rule import Finding, raised
from opensslgen.text import listed, utc, visible
from opensslgen.x509 import crl
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.pem import REQUEST_LABELS, pem_blocks
from opensslgen.x509.request import decode_request

from .crls import age_of, issuers_of, verify_crl
from .records import authorities, former_authorities
from .result import Result, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.pki.index import Entry


_OURS = (*layout.FOLDERS, layout.REVOKED, "renewed", "newcerts", "certs", "crl", "certreqs")
"""Folders whose files are checked; other folders may have nothing to do with the CA."""
_CHUNK = 1 << 20
_MANY = 3
"""How many lines a message names if all have the same error."""


def judge_folder(path: str, settings: Settings) -> list[Result]:
    """Return the verdict on the folder that contains an index, and on the index, whose findings have line numbers."""
    folder = Path(path).parent
    audit = _Audit(folder, settings)
    unreadable = None
    try:
        audit.run()
    except UnreadableError as error:
        unreadable = error.message
    return [
        Result(
            target=str(folder),
            kind="folder",
            findings=tuple(audit.findings),
            notes=tuple(audit.notes),
            unreadable=audit.over or (unreadable and f"it was not checked as a whole: {unreadable}"),
        ),
        Result(target=path, kind="index", findings=tuple(audit.of_lines), unreadable=unreadable),
    ]


class _Line(NamedTuple):
    """What is kept in memory of a line of the index."""

    number: int
    is_revoked: bool
    has_ended: bool


@dataclass
class _Audit:
    folder: Path
    settings: Settings
    findings: list[Finding] = field(default_factory=list)
    of_lines: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: dict[int, _Line] = field(default_factory=dict)
    """By serial number."""
    over: str | None = None
    """The first file that took too long, so that it was not compared."""

    def run(self) -> None:
        closed = ""
        for judge in (
            self.judge_modes,
            self.judge_links,
            self.judge_key_of_authority,
            self.judge_index,
            self.judge_copies,
            self.judge_issued,
            self.judge_list_in_time,
        ):
            try:
                judge()
            except PermissionError as error:  # another user's folder; the rest of it can still be judged
                closed = closed or f"{visible(str(error.filename))}: permission denied"
        if closed:
            raise UnreadableError(closed)

    def judge_list_in_time(self) -> None:
        with suppress(CostlyError), self.limited(self.folder / layout.CRL):
            self.judge_revocation_list()

    def add(self, rule: str, message: str, *, line: int | None = None) -> None:
        found = self.findings if line is None else self.of_lines
        if len(found) >= MOST_FINDINGS:
            self.over = self.over or f"more than {MOST_FINDINGS} findings"
            return
        found += raised(self.settings.rules, rule, message, line=line)

    @cached_property
    def authority(self) -> Certificate | None:
        """The CA's certificate; None if it cannot be read, which is reported for its file."""
        for name in layout.CAS:
            with suppress(UnreadableError):
                if (self.folder / name).is_file():
                    return self.load(self.folder / name)
        return None

    @cached_property
    def reserve(self) -> Reserve:
        return Reserve(self.settings.time_limit)

    @contextmanager
    def limited(self, path: Path | str) -> Iterator[None]:
        """Charge a budget for the work on one file, and remember it if that is used up."""
        budget = Budget(self.settings.time_limit, reserve=self.reserve)
        try:
            with budget.running():
                yield
        finally:
            if budget.over:
                self.over = self.over or f"{visible(str(path))}: {budget.over.message}"

    def load(self, path: Path | str) -> Certificate:
        with self.limited(path):
            return load(path)

    def files(self, name: str, *suffixes: str) -> Iterator[os.DirEntry[str]]:
        """Yield the sorted entries of a folder in this one; nothing if the folder is missing."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder / name) as listing:
            entries = [entry for entry in listing if not suffixes or entry.name.endswith(suffixes)]
            yield from sorted(entries, key=lambda entry: entry.name)

    def judge_modes(self) -> None:
        """Find keys that other users can read, and files that other users can change."""
        for name in (".", *_OURS, layout.INDEX, *layout.CAS):
            status = self.status(name)
            if status is None:
                continue
            mode = stat.S_IMODE(status.st_mode)
            # In a sticky folder such as /tmp, users cannot delete each other's files, but they can add files.
            if mode & 0o022:
                who = "everybody" if mode & 0o002 else "its group"
                self.add("pki-open-to-others", f"{self.shown(name)} can be changed by {who} (mode {mode:04o})")
            elif name == layout.PRIVATE and mode & 0o055:
                who = "everybody" if mode & 0o005 else "its group"
                self.add(
                    "pki-open-to-others", f"{self.shown(name)} can be read by {who} (mode {mode:04o}); 0700 is usual"
                )
        for name in layout.CA_KEYS:
            status = self.status(name)
            if status and status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                who = "everybody" if mode & 0o007 else "its group"
                self.add("pki-open-to-others", f"{self.shown(name)} is open to {who} (mode {mode:04o}); 0600 is usual")

    def status(self, name: str) -> os.stat_result | None:
        try:
            return (self.folder / name).stat()
        except OSError:
            return None

    def shown(self, name: str) -> str:
        return visible(str(self.folder / name))

    def judge_links(self) -> None:
        """Find symbolic links that lead out of the folder."""
        home = self.folder.resolve()
        for name in (".", *dict.fromkeys((*_OURS, *(folder for folder, _ in layout.COPIES_BY_SERIAL)))):
            for entry in self.files(name):
                if entry.is_symlink():
                    with suppress(RuntimeError):  # a link to itself leads nowhere
                        target = Path(entry.path).resolve()
                        if not target.is_relative_to(home):
                            where = self.shown(os.path.normpath(f"{name}/{entry.name}"))
                            self.add("pki-link", f"{where} is a symbolic link to {visible(str(target))}")

    def judge_key_of_authority(self) -> None:
        keys = [name for name in layout.CA_KEYS if (self.folder / name).exists()]
        if self.authority and keys:
            self.judge_key(keys[0], self.authority, "the CA's certificate")
        elif not keys:
            self.notes.append("the CA's key is not in this folder")

    def judge_key(self, name: str, certificate: Certificate, whose: str) -> None:
        try:
            with self.limited(self.folder / name):
                key, why = key_in_file(
                    str(self.folder / name),
                    certificate.public_key,
                    openssl=self.settings.find_openssl,
                    limit=self.settings.limit,
                )
        except Error as error:
            self.notes.append(f"{self.shown(name)}: whether it is the key of {whose} was not checked: {error.message}")
            return
        self.notes += [f"{self.shown(name)}: {each}" for each in why]
        if key and key.der != certificate.public_key.der:
            self.add("pki-key-mismatch", f"{self.shown(name)} is not the key of {whose}")

    def judge_index(self) -> None:
        """Compare each line with its copy, and keep its serial number."""
        path = self.folder / layout.INDEX
        self.judge_line_ends(path)
        torn: list[str] = []

        def on_fault(number: int, fault: str) -> None:
            self.add("pki-index-line", fault, line=number)

        for entry in index.read(path, on_torn=torn.append, on_fault=on_fault):
            before = self.lines.get(entry.serial_number)
            if before:
                message = f"the serial number {entry.serial_hex} is also in line {before.number}"
                self.add("pki-index-twice", message, line=entry.line)
            self.lines[entry.serial_number] = _Line(
                entry.line, entry.state == index.REVOKED, entry.not_after < self.settings.at
            )
            self.judge_entry(entry)
        for each in torn:
            self.add("pki-index-line", each)

    def judge_line_ends(self, path: Path) -> None:
        with suppress(OSError), path.open("rb") as file:
            before = b""
            while chunk := file.read(_CHUNK):
                if b"\r\n" in before + chunk:
                    self.add("pki-index-line-ends", f"{self.shown(layout.INDEX)} has lines that end with CR LF")
                    return
                before = chunk[-1:]

    def judge_entry(self, entry: Entry) -> None:
        path = copy_of(self.folder, entry.serial_hex)
        if path is None:
            self.add("pki-copy-missing", f"the copy of {entry.serial_hex} ({entry.title}) is missing", line=entry.line)
            return
        try:
            certificate = self.load(path)
        except UnreadableError:
            return  # it is reported for that file
        where = visible(str(path))
        if certificate.serial_number != entry.serial_number:
            self.add("pki-copy-differs", f"{where} has the serial number {certificate.serial_hex}", line=entry.line)
        if certificate.not_after != entry.not_after:
            message = f"{where} expires {utc(certificate.not_after)}, but the index says {utc(entry.not_after)}"
            self.add("pki-copy-differs", message, line=entry.line)
        if not _is_subject(entry.text, certificate):
            message = f"{where} has the subject {certificate.subject}, but the index says {entry.title}"
            self.add("pki-copy-differs", message, line=entry.line)
        if self.authority and not certificate.is_self_issued and certificate.issuer != self.authority.subject:
            message = f"{where} was issued by {certificate.issuer}, which is not the CA of this folder"
            self.add("pki-other-issuer", message, line=entry.line)

    def judge_copies(self) -> None:
        """Find copies of certificates that are not in the index."""
        for name in dict.fromkeys(folder for folder, _ in layout.COPIES_BY_SERIAL):
            for entry in self.files(name, ".pem", ".crt"):
                stem = entry.name.rpartition(".")[0]
                if re.fullmatch("-?[0-9A-Fa-f]+", stem) and int(stem, 16) in self.lines:
                    continue
                with suppress(UnreadableError):
                    self.judge_recorded(f"{name}/{entry.name}", self.load(entry.path))

    def judge_recorded(self, name: str, certificate: Certificate) -> _Line | None:
        """Return a certificate's line in the index; a root needs no line, because it cannot be revoked by itself."""
        line = self.lines.get(certificate.serial_number)
        constraints = certificate.basic_constraints
        is_root = certificate.is_self_issued and constraints is not None and constraints.ca
        if line is None and not is_root:
            self.add("pki-unrecorded", f"{self.shown(name)} ({certificate.serial_hex}) is not in the index")
        return line

    def judge_issued(self) -> None:
        """Compare each certificate in use with its copy, its key and its request."""
        for entry in self.files(layout.ISSUED, ".crt"):
            name = f"{layout.ISSUED}/{entry.name}"
            try:
                certificate = self.load(entry.path)
            except UnreadableError:
                continue  # it is reported for that file
            line = self.judge_recorded(name, certificate)
            if line and line.is_revoked:
                message = f"{self.shown(name)} is revoked (line {line.number} of the index)"
                self.add("pki-revoked-in-use", message)
            copy = copy_of(self.folder, certificate.serial_hex)
            with suppress(UnreadableError):
                if copy and self.load(copy).der != certificate.der:
                    self.add("pki-copy-differs", f"{self.shown(name)} differs from {visible(str(copy))}")
            stem = entry.name.removesuffix(".crt")
            if (self.folder / layout.key(stem)).exists():
                self.judge_key(layout.key(stem), certificate, self.shown(name))
            self.judge_request(layout.request(stem), certificate, self.shown(name))

    def judge_request(self, name: str, certificate: Certificate, whose: str) -> None:
        try:
            with self.limited(self.folder / name):
                data = read_file(self.folder / name)
                blocks = [block.body for block in pem_blocks(data) if block.label in REQUEST_LABELS]
                request = decode_request(blocks[0] if blocks else data)
        except UnreadableError:
            return  # it is missing, or its error is reported for that file
        if request.public_key.der != certificate.public_key.der:
            self.add("pki-request-differs", f"{self.shown(name)} has a different key than {whose}")

    def judge_revocation_list(self) -> None:
        """Check the CRL's dates, its issuer, and that it agrees with the index."""
        where, path = self.shown(layout.CRL), self.folder / layout.CRL
        if not path.exists():
            return
        try:
            made = crl.load(path)
        except UnreadableError as error:
            self.add("pki-crl-stale", f"it cannot be read: {error.message}")
            return
        self.findings += age_of(made, self.settings, where=where)
        if self.authority and made.issuer != self.authority.subject:
            self.add("pki-crl-stale", f"{where} was issued by {made.issuer}, which is not the CA of this folder")
        elif self.authority:
            issuers = issuers_of(made, (*authorities(self.folder), *former_authorities(self.folder)))
            findings, unable = verify_crl(made, issuers, self.settings, where=where)
            self.findings += findings
            self.notes += [f"{where}: {unable}"] if unable else []
        in_list = {revocation.serial_number for revocation in made.revocations}
        revoked = {serial for serial, line in self.lines.items() if line.is_revoked}
        # Expired certificates may be left out (RFC 5280 section 3.3).
        missing = sorted(self.lines[serial].number for serial in revoked - in_list if not self.lines[serial].has_ended)
        if missing:
            lines = listed([*map(str, missing)], _MANY)
            self.add(
                "pki-crl-incomplete",
                f"certificates that the index lists as revoked are missing in {where}: line {lines}",
            )
        unknown = sorted(self.lines[serial].number for serial in in_list & (self.lines.keys() - revoked))
        if unknown:
            self.add(
                "pki-crl-incomplete", f"{where} revokes a certificate that the index lists as valid: line {unknown[0]}"
            )


def _is_subject(written: str, certificate: Certificate) -> bool:
    """Tell whether a subject is the one in the index, which writes a slash in a name like a separator.

    The types of its parts are not compared, because their names differ between versions of openssl.
    """
    # Since 1.1.1, openssl writes a backslash before characters that look like separators.
    text = written.replace("\\/", "/").replace("\\+", "+")
    at = 0
    for _, value in certificate.subject.attributes:
        at = text.find(f"={value}", at)
        if at < 0:
            return False
        at += len(value) + 1
    return not text[at:] or not certificate.subject.attributes
