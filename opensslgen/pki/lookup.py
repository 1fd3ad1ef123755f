"""Find a certificate by its file, name or serial number, with what the pki folder has for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.general import file_name
from opensslgen.orders.kinds import kind_of
from opensslgen.patterns import pattern
from opensslgen.plan import layout
from opensslgen.rules.chain import issuer_among
from opensslgen.suggest import suggest
from opensslgen.text import did_you_mean, listed, visible
from opensslgen.x509.certificate import load, load_all

from . import index
from .folder import issued_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opensslgen.x509.certificate import Certificate

    from .folder import Folder
    from .index import Entry

_SERIAL = pattern(r"(?:0[xX])?[0-9A-Fa-f]+(?::[0-9A-Fa-f]+)*")
ROOT = "ca"
"""The name of the root, in place of a name or serial number."""
_MOST = 10
"""Most certificates that a message lists."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A certificate, and what the pki folder knows about it."""

    certificate: Certificate
    path: Path
    """The file that it was read from."""
    others: tuple[Certificate, ...]
    """The other certificates in this file."""
    files: dict[str, Path]
    """The files that the folder has for it, by what they are, such as "key"."""
    issuer: Certificate | None
    """Found by name and key identifier; its signature is not checked."""
    issuer_path: Path | None
    is_private: bool
    """Whether a private root issued it: that of the folder, or itself."""
    entry: Entry | None
    index_fault: str | None
    """Why the index could not be read."""


def find(folder: Folder, wanted: str) -> Found:
    """Return the certificate in a file, or else the one with this file name, alternative name or serial number.

    Raises UsageError if none or more than one is found, and UnreadableError if it cannot be read.
    """
    path = Path(wanted)
    if not path.is_file():
        return find_in_folder(folder, wanted)
    return around(folder, path, [*load_all(path)])


def find_in_folder(folder: Folder, wanted: str) -> Found:
    """Return the same, but never read a file outside of the folder."""
    path = _in_folder(folder, wanted)
    return around(folder, path, [*load_all(path)])


def find_by_serial(folder: Folder, serial: str) -> Found:
    """Return the certificate of a folder with this serial number in hex, or the root for ROOT; raises as `find` does.

    It reads the index and this certificate only, where a name could be in any.
    """
    if serial == ROOT:
        return find_in_folder(folder, ROOT)
    found = _by_index(folder, serial)
    if len(found) != 1:
        raise UsageError(f"no certificate in {visible(str(folder.path))} has the serial number {visible(serial)} alone")
    return around(folder, found[0], [*load_all(found[0])])


def stem_to_renew(folder: Folder, found: Found) -> str:
    """Return the stem of the files of a certificate, "ca" for the root; raises Error if it cannot be renewed."""
    name = visible(found.certificate.subject.common_name or str(found.path))
    if found.entry and found.entry.state == index.REVOKED:
        command = another_like(folder, found.certificate)
        raise Error(f"{name} was revoked, so it cannot be renewed", hint=command and f"to issue a new one: {command}")
    path = found.files.get("certificate")
    if path is None:
        raise UsageError(f"{found.path} is not in {folder.path / layout.ISSUED}, so it cannot be renewed there")
    return ROOT if folder.root and path == folder.root.path else path.stem


def another_like(folder: Folder, certificate: Certificate, *options: str) -> str | None:
    """Return the command that issues another certificate for the same names, with some options; None if none can."""
    kind, names = kind_of(certificate), [name.value for name in certificate.names]
    main, *others = names or [certificate.subject.common_name or ""]
    if kind not in ("server", "client") or not main:
        return None
    san = (word for other in others for word in ("--san", other))
    return suggest(kind, main, *san, *options, pki=folder.path)


def _in_folder(folder: Folder, wanted: str) -> Path:
    if not wanted.strip():
        raise UsageError("the name of the certificate is empty: write one such as pbx.example.com")
    with suppress(UsageError):
        path = folder.path / layout.certificate(file_name(wanted))
        if path.exists():
            return path
    if wanted == ROOT and folder.root and folder.root.path:
        return folder.root.path
    found = _by_name(folder, wanted) or _by_index(folder, wanted)
    if not found:
        question = did_you_mean(wanted, (path.stem for path in issued_files(folder.path)))
        raise UsageError(
            f"{visible(wanted)} is neither a file, nor the name or serial number of a certificate in"
            f" {visible(str(folder.path))}",
            hint=f"{question}to see all certificates: {suggest('list', '--all', pki=folder.path)}",
        )
    if len(found) > 1:
        files = listed([visible(str(path)) for path in found], _MOST)
        raise UsageError(f"{visible(wanted)} is in {len(found)} certificates: {files}", hint="use the name of its file")
    return found[0]


def _by_name(folder: Folder, wanted: str) -> list[Path]:
    """Return the files in `issued/` whose certificates have this subject alternative name."""
    folded = wanted.lower()
    found = []
    for path in issued_files(folder.path):
        with suppress(UnreadableError):
            if any(folded in (name.value.lower(), str(name).lower()) for name in load(path).names):
                found.append(path)
    return found


def _by_index(folder: Folder, wanted: str) -> list[Path]:
    """Return the copies of those with this serial number or, if there are none, this common name, also if revoked."""
    serial = int(wanted.replace(":", ""), 16) if _SERIAL.fullmatch(wanted) else None
    by_serial, by_name = [], []
    for entry in index.read(folder.index) if folder.index.exists() else ():
        if entry.serial_number == serial:
            by_serial.append(entry)
        elif f"CN={wanted}" in entry.subject.split("/"):
            by_name.append(entry)
    return [_path(folder, entry) for entry in by_serial or by_name]


def _path(folder: Folder, entry: Entry) -> Path:
    copy = folder.copy(entry)
    if copy.path is None:
        shown = visible(str(folder.index))
        raise UnreadableError(f"{shown}, line {entry.line}: the certificate {entry.serial_hex}: {copy.fault}")
    return copy.path


def around(folder: Folder, path: Path, certificates: Sequence[Certificate]) -> Found:
    """Return what the folder knows about the first of the certificates that a file holds."""
    certificate, *others = certificates
    root = folder.root.certificate if folder.root else None
    root_path = folder.root.path if folder.root else None
    by_root = issuer_among(certificate, [root] if root else [])
    issuer = by_root or issuer_among(certificate, others)
    entry, fault = _entry(folder, certificate, root)
    return Found(
        certificate=certificate,
        path=path,
        others=tuple(others),
        files=dict(_files(folder, certificate)),
        issuer=issuer,
        issuer_path=root_path if by_root else path if issuer else None,
        is_private=by_root is not None or certificate.is_self_issued,
        entry=entry,
        index_fault=fault,
    )


def _entry(folder: Folder, certificate: Certificate, root: Certificate | None) -> tuple[Entry | None, str | None]:
    """Return the entry of this certificate in the index, or why the index cannot be read."""
    if not folder.index.exists():
        return None, None
    try:
        for entry in index.read(folder.index):
            if entry.serial_number == certificate.serial_number:
                # A certificate of another CA may have the same number.
                copy = folder.copy(entry).certificate
                if copy.der == certificate.der if copy else root is None or certificate.issuer == root.subject:
                    return entry, None
    except UnreadableError as error:
        return None, error.message
    return None, None


def _files(folder: Folder, certificate: Certificate) -> Iterator[tuple[str, Path]]:
    """Yield the files for a certificate: those of a name belong to it if the certificate of that name does."""
    issued = folder.file_of(certificate)
    stem = issued.stem if issued else ""
    root = folder.root.path if folder.root else None
    copy = folder.path / layout.copy(certificate.serial_hex)
    chain, key, p12, request = layout.chain(stem), layout.key(stem), layout.p12(stem), layout.request(stem)
    for path, others in (
        (issued, {"chain": chain, "key": key, "p12": p12, "request": request}),
        (root, {"key": layout.CA_KEY}),
        (copy, {}),
    ):
        if path and _contains(path, certificate):
            yield "copy by serial" if path == copy else "certificate", path
            for what, name in others.items():
                with suppress(PermissionError):  # private/ is closed to all but its owner
                    if (folder.path / name).exists():
                        yield what, folder.path / name


def _contains(path: Path, certificate: Certificate) -> bool:
    try:
        return load(path).der == certificate.der
    except UnreadableError:
        return False
