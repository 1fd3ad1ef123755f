"""One certificate, found by its file, name or serial number, and what lies around it in the pki folder."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.names.general import file_name
from opensslgen.plan import layout
from opensslgen.rules.chain import issuer_among
from opensslgen.text import visible
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode_block, load
from opensslgen.x509.der import DecodeError
from opensslgen.x509.pem import pem_blocks

from . import index
from .folder import issued_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.x509.certificate import Certificate

    from .folder import Folder
    from .index import Entry

_SERIAL = re.compile(r"(?:0[xX])?[0-9A-Fa-f]+(?::[0-9A-Fa-f]+)*")
ROOT = "ca"
"""What the root is called where a name or serial number could stand."""
_MOST = 10
"""Certificates that a message lists."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A certificate, and what is known of it."""

    certificate: Certificate
    path: Path
    """Where it was read."""
    files: dict[str, Path]
    """What else the folder has of it, by what it is."""
    issuer: Certificate | None
    """By name and key identifier; its signature is not checked."""
    issuer_path: Path | None
    is_private: bool
    """Whether it comes from a private root: the folder's, or itself."""
    entry: Entry | None
    index_fault: str | None
    """Why the index could not be asked."""


def find(folder: Folder, wanted: str) -> Found:
    """Return the certificate in a file, else the one with such a file name, alternative name or serial number.

    Raises UsageError if there is none or more than one, and UnreadableError if it cannot be read.
    """
    path = Path(wanted)
    if not path.is_file():
        return find_in_folder(folder, wanted)
    return _around(folder, path, load(path))


def find_in_folder(folder: Folder, wanted: str) -> Found:
    """Return the same, but never what a file outside the folder holds."""
    path = _in_folder(folder, wanted)
    return _around(folder, path, load(path))


def stem_to_renew(folder: Folder, found: Found) -> str:
    """Return the stem of the files of a certificate that can be renewed, "ca" for the root; raises Error otherwise."""
    name = visible(found.certificate.subject.common_name or str(found.path))
    if found.entry and found.entry.state == index.REVOKED:
        raise Error(f"{name} was revoked, and is not renewed", hint="make a new one: opensslgen server NAME --force")
    path = found.files.get("certificate")
    if path is None:
        raise UsageError(f"{found.path} is not in {folder.path / layout.ISSUED}, so it cannot be renewed there")
    return ROOT if folder.root and path == folder.root.path else path.stem


def _in_folder(folder: Folder, wanted: str) -> Path:
    with suppress(UsageError):
        path = folder.path / layout.certificate(file_name(wanted))
        if path.exists():
            return path
    if wanted == ROOT and folder.root and folder.root.path:
        return folder.root.path
    found = _by_name(folder, wanted) or _by_index(folder, wanted)
    if not found:
        raise UsageError(
            f"{visible(wanted)} is no file, and no name or serial number of a certificate in"
            f" {visible(str(folder.path))}",
            hint="opensslgen list --all shows all of them",
        )
    if len(found) > 1:
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        listed = ", ".join(visible(str(path)) for path in found[:_MOST])
        raise UsageError(f"{visible(wanted)} is in {len(found)} certificates: {listed}{more}", hint="name its file")
    return found[0]


def _by_name(folder: Folder, wanted: str) -> list[Path]:
    """Return the files of `issued/` whose certificates have the alternative name."""
    folded = wanted.lower()
    found = []
    for path in issued_files(folder.path):
        with suppress(UnreadableError):
            if any(folded in (name.value.lower(), str(name).lower()) for name in load(path).names):
                found.append(path)
    return found


def _by_index(folder: Folder, wanted: str) -> list[Path]:
    """Return the copies of those that have the serial number, or else the common name, revoked ones included."""
    serial = int(wanted.replace(":", ""), 16) if _SERIAL.fullmatch(wanted) else None
    by_serial, by_name = [], []
    with suppress(FileNotFoundError):
        for entry in index.read(folder.index):
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


def _around(folder: Folder, path: Path, certificate: Certificate) -> Found:
    root = folder.root.certificate if folder.root else None
    root_path = folder.root.path if folder.root else None
    by_root = issuer_among(certificate, [root] if root else [])
    issuer = by_root or issuer_among(certificate, _others(path))
    entry, fault = _entry(folder, certificate, root)
    return Found(
        certificate=certificate,
        path=path,
        files=dict(_files(folder, certificate)),
        issuer=issuer,
        issuer_path=root_path if by_root else path if issuer else None,
        is_private=by_root is not None or certificate.is_self_issued,
        entry=entry,
        index_fault=fault,
    )


def _others(path: Path) -> list[Certificate]:
    """Return the certificates that follow the first in a PEM file."""
    data = read_file(path)
    try:
        blocks = [block for block in pem_blocks(data) if block.label in CERTIFICATE_LABELS]
        return [decode_block(block) for block in blocks[1:]]
    except DecodeError as error:
        raise UnreadableError(f"{visible(str(path))}: {error}") from error


def _entry(folder: Folder, certificate: Certificate, root: Certificate | None) -> tuple[Entry | None, str | None]:
    """Return the line of the index that is about this very certificate, or why it is not known."""
    if not folder.index.exists():
        return None, None
    try:
        for entry in index.read(folder.index):
            if entry.serial_number == certificate.serial_number:
                # Another authority's certificate may have the same number.
                copy = folder.copy(entry).certificate
                if copy.der == certificate.der if copy else root is None or certificate.issuer == root.subject:
                    return entry, None
    except UnreadableError as error:
        return None, error.message
    return None, None


def _files(folder: Folder, certificate: Certificate) -> Iterator[tuple[str, Path]]:
    """Yield what the folder has of a certificate: files are its own if the certificate beside them is."""
    issued = folder.issued.get(certificate.serial_number)
    if issued:
        with suppress(UnreadableError):
            if load(issued).der == certificate.der:
                stem = issued.stem
                yield from (
                    (what, file)
                    for what, file in (
                        ("certificate", issued),
                        ("chain", folder.path / layout.chain(stem)),
                        ("key", folder.path / layout.key(stem)),
                        ("p12", folder.path / layout.p12(stem)),
                        ("request", folder.path / layout.request(stem)),
                    )
                    if file.exists()
                )
    if folder.root and folder.root.certificate and folder.root.certificate.der == certificate.der:
        yield from (
            (what, file)
            for what, file in (("certificate", folder.root.path), ("key", folder.path / layout.CA_KEY))
            if file and file.exists()
        )
    copy = folder.path / layout.copy(certificate.serial_hex)
    if copy.exists():
        with suppress(UnreadableError):
            if load(copy).der == certificate.der:
                yield "copy by serial", copy
