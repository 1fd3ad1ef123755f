"""Read a pki folder: its root, its index, and the certificate that belongs to a line of the index."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import Budget, Reserve
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.general import file_name
from opensslgen.plan import layout
from opensslgen.suggest import shell_words, suggest
from opensslgen.x509.certificate import Certificate, load

from .index import REVOKED, Entry, read

if TYPE_CHECKING:
    from pathlib import Path

    from opensslgen.x509.public_keys import PublicKey


_LARGEST = 2 << 20
"""Bytes of a certificate's file; most have a thousandth."""
# As `openssl ca` and easy-rsa write the reasons; a date follows the last two.
_COMPROMISED = ("keycompromise", "cacompromise", "keytime", "cakeytime")


class Copy(NamedTuple):
    """The certificate that belongs to a line of the index, or why it is missing."""

    path: Path | None
    certificate: Certificate | None
    fault: str | None
    """What is wrong with the copy; None if it is in order."""


def issued_files(folder: Path) -> list[Path]:
    """Return the files of a pki folder's `issued/`; raises UnreadableError if that cannot be read."""
    try:
        return sorted((folder / layout.ISSUED).glob("*.crt"))
    except OSError as error:
        raise UnreadableError(f"cannot read {folder / layout.ISSUED}: {error.strerror}") from error


def copy_of(folder: Path, serial_hex: str) -> Path | None:
    """Return the file of the copy by serial number; None if it is missing."""
    for name, suffix in layout.COPIES_BY_SERIAL:
        # openssl writes upper case; others write the index, and name the copies, in lower case as well.
        for stem in dict.fromkeys((serial_hex, serial_hex.upper(), serial_hex.lower())):
            path = folder / name / f"{stem}{suffix}"
            if path.exists():
                return path
    return None


class Enclosing(NamedTuple):
    """The pki folder of a CA, around another folder."""

    path: Path
    is_part: bool
    """Whether the other folder is one that every pki folder has, such as private/."""


def enclosing(path: Path) -> Enclosing | None:
    """Return the pki folder of a CA that a folder without a CA lies in, directly or one folder deeper; else None."""
    absolute = path.absolute()
    for level, around in enumerate(absolute.parents[:2]):
        has_ca = any((around / name).is_file() for name in layout.CAS)
        if has_ca and any((around / name).exists() for name in (layout.INDEX, *layout.CA_KEYS)):
            typed = path.parents[level] if level < len(path.parents) else around
            first = absolute.relative_to(around).parts[0]
            return Enclosing(typed, first in layout.PARTS)
    return None


def inside_of_ca(path: Path) -> UsageError | None:
    """Return the error for a pki folder that is a file, or inside the pki folder of a CA; None if it is neither."""
    if path.exists() and not path.is_dir():
        return UsageError(f"{path} is not a folder", hint="add --pki DIR")
    found = enclosing(path)
    return found and UsageError(
        f"there is no CA in {path}, which is inside the pki folder of a CA, {found.path}",
        hint=f"to use that CA, write --pki {shell_words(str(found.path))}",
    )


def around_ca(path: Path) -> UsageError | None:
    """Return the error for a folder without a CA that has the pki folder of one in it, such as pki/; else None."""
    try:
        inside = sorted(path.iterdir(), key=lambda folder: (folder.name != "pki", folder))
        found = [
            folder
            for folder in inside
            if any((folder / name).is_file() for name in layout.CAS) and (folder / layout.PRIVATE).is_dir()
        ]
    except OSError:
        return None
    return UsageError(
        f"there is no CA in {path}, but one in {found[0]}",
        hint=f"to use that CA, write --pki {shell_words(str(found[0]))}",
    ) if found else None  # fmt: skip


def missing_ca(path: Path) -> Error:
    """Return the error for a pki folder without a CA, where one is needed."""
    if near := inside_of_ca(path) or around_ca(path):
        return near
    key = next((path / name for name in layout.CA_KEYS if (path / name).exists()), None)
    if key:
        return Error(f"{path / layout.CA} is missing, but its key {key} is there", hint="restore it from a backup")
    return Error(f"{path} has no root yet: {path / layout.CA} does not exist", hint=suggest("root", pki=path))


@dataclass(frozen=True)
class Folder:
    """A pki folder; it is only read, and only as far as needed.

    To read its certificates costs no more than to audit them: what takes longer counts as unreadable.
    """

    path: Path

    @cached_property
    def _reserve(self) -> Reserve:
        return Reserve()

    def load(self, path: Path) -> Certificate:
        """Return a certificate of the folder; raises UnreadableError, also if it takes too long."""
        with Budget(reserve=self._reserve).running():
            return load(path, limit=_LARGEST)

    @property
    def index(self) -> Path:
        """The file of the index."""
        return self.path / layout.INDEX

    @cached_property
    def root(self) -> Copy | None:
        """The certificate of the CA; None if it is missing."""
        for name in layout.CAS:
            path = self.path / name
            if path.exists():
                try:
                    return Copy(path, self.load(path), None)
                except UnreadableError as error:
                    return Copy(path, None, error.message)
        return None

    @cached_property
    def issued(self) -> dict[int, Path]:
        """The files of `issued/` by the serial numbers of their certificates, without those that cannot be read."""
        found = {}
        for path in issued_files(self.path):
            try:
                found[self.load(path).serial_number] = path
            except UnreadableError:
                continue
        return found

    def file_of(self, certificate: Certificate) -> Path | None:
        """Return the file of a certificate in `issued/`; None if it has none there.

        The file with its name is tried first, as it takes seconds to read all of 10,000.
        """
        first = certificate.names[0].value if certificate.names else None
        for name in filter(None, (first, certificate.subject.common_name)):
            with suppress(UnreadableError, UsageError):
                path = self.path / layout.certificate(file_name(name))
                if self.load(path).der == certificate.der:
                    return path
        return self.issued.get(certificate.serial_number)

    @cached_property
    def replaced(self) -> frozenset[int]:
        """The serial numbers of replaced certificates whose files were kept in `issued/`."""
        found = set()
        for path in (self.path / layout.ISSUED).glob("*.crt.old-*"):
            with suppress(UnreadableError):
                found.add(self.load(path).serial_number)
        return frozenset(found)

    @cached_property
    def compromised(self) -> frozenset[PublicKey]:
        """The keys of certificates that were revoked as compromised; raises UnreadableError if the index has an error.

        A certificate without a readable copy is left out, as its key can no longer be known.
        """
        entries = read(self.index, mend=True, state=REVOKED) if self.index.exists() else ()
        reasons = ((entry, (entry.reason or "").partition(",")[0].lower()) for entry in entries)
        copies = [self.copy(entry).certificate for entry, reason in reasons if reason in _COMPROMISED]
        return frozenset(certificate.public_key for certificate in copies if certificate)

    def copy(self, entry: Entry) -> Copy:
        """Return the certificate of a line of the index: its copy by serial number, or else its file in `issued/`."""
        path = copy_of(self.path, entry.serial_hex) or self.issued.get(entry.serial_number)
        if path is None:
            return Copy(None, None, "its copy is missing")
        try:
            certificate = self.load(path)
        except UnreadableError as error:
            return Copy(path, None, f"its copy cannot be read: {error.message}")
        if certificate.serial_number != entry.serial_number:
            return Copy(path, None, f"{path} is another certificate, with the serial number {certificate.serial_hex}")
        if certificate.not_after != entry.not_after:
            return Copy(path, certificate, f"it expires on {certificate.not_after.date()}, not as in the index")
        return Copy(path, certificate, None)
