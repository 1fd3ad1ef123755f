"""How a certificate was made, as the pki folder records it: SERIAL.cnf and SERIAL.sh next to its copy.

The record shows whether a certificate was meant for a client or a CA, or is a server's with an error. Without a record,
the certificate itself decides, and for a CA also the place of its file.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UnreadableError
from opensslgen.files.read import read_file
from opensslgen.patterns import pattern
from opensslgen.plan import layout
from opensslgen.rules.roles import AUTHORITY, CLIENT, SERVER, Role, role_of
from opensslgen.text import visible
from opensslgen.x509.certificate import Certificate, load, load_all
from opensslgen.x509.extensions import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opensslgen.config.reader import Config, Section
    from opensslgen.x509.request import Request

_EASY_RSA = ("openssl-easyrsa.cnf", "safessl-easyrsa.cnf")
_COPIES = frozenset(name.rpartition("/")[2] for name, _ in layout.COPIES_BY_SERIAL)
"""The names of the folders with records."""
_REPLACED = pattern(r"\.old-[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?\Z")
_DEPTH = 3
"""How deep below a pki folder its files can be: revoked/certs_by_serial/SERIAL.crt."""
_LARGEST = 1 << 20
"""Bytes of a recorded config or script."""
_MOST_FILES = 1000
"""Files of a folder in which the issuer of a CRL is looked for."""
_SECTIONS = ("v3_req", "v3_ca")


class Record(NamedTuple):
    """How a certificate was made."""

    config: Config
    section: Section
    """The section that openssl applied."""

    def words(self, extension: str) -> list[str]:
        """Return what the section asks for under an extension, the words between commas."""
        for entry in self.section.entries:
            if entry.key in (extension, EXTENSIONS[extension]) and entry.is_known:
                return [word.strip() for word in entry.value.split(",")]
        return []

    @property
    def kind(self) -> str | None:
        """AUTHORITY or CLIENT, if the section asks for nothing else."""
        if "CA:TRUE" in self.words("basicConstraints"):
            return AUTHORITY
        usages = self.words("extendedKeyUsage")
        return CLIENT if "clientAuth" in usages and "serverAuth" not in usages else None


def is_pki_folder(path: str) -> bool:
    """Tell whether a folder has an index and a CA certificate."""
    return os.path.isfile(os.path.join(path, layout.INDEX)) and any(  # noqa: PTH113, PTH118 - as fast as walk
        os.path.isfile(os.path.join(path, name))  # noqa: PTH113, PTH118
        for name in layout.CAS
    )


def is_index(path: str) -> bool:
    """Tell whether a file is the index of a pki folder."""
    folder, name = os.path.split(path)
    return name == layout.INDEX and is_pki_folder(folder or ".")


def folder_around(path: str) -> Path | None:
    """Return the pki folder that contains a file; None if it is not in a pki folder."""
    folder = os.path.dirname(path) or "."  # noqa: PTH120
    for _ in range(_DEPTH):
        if is_pki_folder(folder):
            from pathlib import Path  # most files are in no pki folder

            return Path(folder)
        folder = os.path.join(folder, "..")  # noqa: PTH118
    return None


def authorities(folder: Path) -> Iterator[Certificate]:
    """Yield the folder's CA and the CAs above it, as far as they can be read."""
    for name in (*layout.CAS, layout.CA_CHAIN):
        with suppress(UnreadableError):
            if (folder / name).is_file():
                yield from load_all(folder / name)


def former_authorities(folder: Path) -> Iterator[Certificate]:
    """Yield the former CAs of the folder; certificates that they issued may still be in use."""
    for name in layout.CAS:
        for path in sorted(folder.glob(f"{name}.old-*")):
            with suppress(UnreadableError):
                yield from load_all(path)


def certificates_beside(folder: str) -> Iterator[Certificate]:
    """Yield the certificates in the files of a folder that openssl can read; nothing from the folders in it."""
    from pathlib import Path

    try:
        names = sorted(os.listdir(folder))[:_MOST_FILES]  # noqa: PTH208
    except OSError:
        return
    for name in names:
        path = Path(folder) / name
        with suppress(UnreadableError, OSError):
            if path.is_file() and path.stat().st_size <= _LARGEST:
                yield from load_all(path)


def is_crl_of_folder(path: str) -> bool:
    """Tell whether a file is the CRL of a pki folder, which is judged with the folder."""
    folder, name = os.path.split(path)
    return name == layout.CRL and is_pki_folder(folder or ".")


def kind_of_certificate(path: str, certificate: Certificate) -> str | None:
    """Return AUTHORITY or CLIENT if a certificate in a file is judged as such, else None."""
    role = role_in(path, certificate)
    return None if role.name == SERVER else role.name


def role_in(path: str, certificate: Certificate, *, alone: bool = True) -> Role:
    """Return what a certificate in a file is judged as; a client's is recognised only in a pki folder.

    A certificate that is not `alone` in its file comes with a key or with certificates that it issued, so the file is
    probably a server's: a CA there is an error, unless its folder has it as a CA.
    """
    role = role_of(certificate, path=path)
    if alone and role.name == AUTHORITY and role.is_sure:
        return role
    # Most are for servers, and need no lookup.
    folder = folder_around(path) if certificate.is_authority or role.name == CLIENT else None
    if folder is not None:
        from opensslgen.pki.folder import copy_of  # few certificates are in a pki folder

        if certificate.is_authority and any(certificate.der == authority.der for authority in authorities(folder)):
            return Role(AUTHORITY, True)
        copy = copy_of(folder, certificate.serial_hex)
        with suppress(UnreadableError):
            record, fault = record_of(folder, certificate)
            if copy and load(copy).der == certificate.der and (record or fault):
                asked = AUTHORITY if certificate.is_authority else CLIENT
                return Role(asked if record and record.kind == asked else SERVER, True)
    if role.name == CLIENT:
        return role if folder is not None else Role(SERVER, True)
    return role if alone or role.name == SERVER else Role(SERVER, False)


def answer_to(path: str, request: Request) -> tuple[str, Certificate] | None:
    """Return the certificate for the same key as a request in a pki folder, and its file."""
    folder = folder_around(path)
    parent, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    where = os.path.basename(parent)  # noqa: PTH119
    if folder is None or where not in (layout.REQUESTS, "reqs_by_serial"):
        return None
    certificate = folder / layout.ISSUED / name.replace(".req", ".crt")
    if where == "reqs_by_serial":  # of revoked certificates
        from opensslgen.pki.folder import copy_of

        certificate = copy_of(folder, name.removesuffix(".req")) or certificate
    with suppress(UnreadableError):
        made = load(certificate)
        if made.public_key.der == request.public_key.der:
            return os.path.normpath(certificate), made
    return None


def is_kept(path: str, certificate: Certificate) -> bool:
    """Tell whether a file of a pki folder is a copy by serial number, or was replaced by a newer one."""
    where, name = os.path.split(path)
    if _REPLACED.search(name):
        return folder_around(path) is not None
    stem = name.rpartition(".")[0].removesuffix("-chain")
    is_copy = stem == certificate.serial_hex and os.path.basename(where) in _COPIES  # noqa: PTH119
    return is_copy and folder_around(path) is not None


def is_of_easy_rsa(path: str) -> bool:
    """Tell whether a file of a pki folder is easy-rsa's own config, which easy-rsa completes at each run."""
    where, name = os.path.split(path)
    return name in _EASY_RSA and is_pki_folder(where)


def is_record_of_commands(path: str) -> bool:
    """Tell whether a script of a pki folder records the commands that made the certificate next to it.

    The certificate and its config are judged instead; the commands name files that no longer exist.
    """
    stem, ending = os.path.splitext(path)  # noqa: PTH122
    beside = any(os.path.exists(stem + suffix) for suffix in (".pem", ".crt", ".cnf"))  # noqa: PTH110
    return ending == ".sh" and beside and folder_around(path) is not None


def record_of(folder: Path, certificate: Certificate) -> tuple[Record | None, str | None]:
    """Return how a certificate was made, and what is wrong with its script; raises UnreadableError.

    Older versions, easy-rsa and `openssl ca` keep no record.
    """
    path = _record_path(folder, f"{certificate.serial_hex}.cnf")
    if path is None:
        return None, None
    from opensslgen.config.reader import read_config  # most folders need none read

    config = read_config(_text(path))
    script = _record_path(folder, f"{certificate.serial_hex}.sh")
    named, fault = _section_named(_text(script) if script else "", certificate)
    if script is None:
        fault = f"{certificate.serial_hex}.sh, which shows how it was used, is missing"
    for name in (named,) if named else _SECTIONS:
        if name in config.sections:
            return Record(config, config.sections[name]), fault
    return (
        None,
        fault or f"{certificate.serial_hex}.sh names the section [ {visible(named or '')} ], which is missing",
    )


def _record_path(folder: Path, name: str) -> Path | None:
    for where in (layout.COPIES, layout.REVOKED_COPIES):
        if (folder / where / name).is_file():
            return folder / where / name
    return None


def _text(path: Path) -> str:
    return read_file(path, limit=_LARGEST).decode("utf-8", "surrogateescape")


def _section_named(script: str, certificate: Certificate) -> tuple[str | None, str | None]:
    """Return the section that the command for a certificate names, or why there is no such command."""
    for line in reversed(script.splitlines()):
        serial = re.search(r"-set_serial 0x([0-9A-Fa-f]{1,64})(?![0-9A-Fa-f])", line)
        section = re.search(r"-extensions ([\w.-]+)", line)
        if serial and section and int(serial[1], 16) == certificate.serial_number:
            return section[1], None
    return None, f"{certificate.serial_hex}.sh does not contain the command that made it"
