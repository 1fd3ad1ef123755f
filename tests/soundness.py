"""Whether a pki folder is sound, by judges that are not ours: cryptography reads its files, openssl ca its index."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from opensslgen.errors import Error
from opensslgen.pki import index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

PASSPHRASE = "OPENSSLGEN_CA_PASSPHRASE"
CA = """\
[ ca ]
default_ca = it
[ it ]
dir = {pki}
database = {pki}/index.txt
serial = {pki}/serial
new_certs_dir = {pki}
certificate = {pki}/ca.crt
private_key = {pki}/private/ca.key
default_md = sha256
policy = any
[ any ]
commonName = supplied
"""

DATABASE = {
    "serial": b"(?:[0-9A-F]{2})+\n",
    "crlnumber": b"(?:[0-9A-F]{2})+\n",
    "index.txt.attr": b"unique_subject = no\n",
}


def leftovers(folder: Path) -> list[str]:
    """Return what work under way has left: hidden files and folders, but for the lock that stays."""
    hidden = [path for path in folder.rglob(".*") if path.name != ".lock"]
    return [f"left over: {path.relative_to(folder)}" for path in hidden + list(folder.rglob("*.tmp"))]


def shape(folder: Path, before: Path) -> Counter[tuple[str, ...]]:
    """Return what is in a folder, without what is random: names, which files have changed, lines of the index."""
    found: Counter[tuple[str, ...]] = Counter()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.name == ".lock" or not path.is_file():
            continue
        old = before / name
        changed = "changed" if old.is_file() and old.read_bytes() != path.read_bytes() else "there"
        name = re.sub("[0-9A-F]{16,}", "SERIAL", name)
        found[re.sub(r"\.old-\d{8}T\d{6}Z(-\d+)?", ".old", name), changed] += 1
    for database in folder.rglob("index.txt"):
        for entry in index.read(database):
            found["index.txt", entry.state, entry.reason or "", entry.subject] += 1
    return found


def unsound(folder: Path, environment: Mapping[str, str], *, at_once: bool = False) -> list[str]:
    """Return what is wrong in the pki folders below a folder.

    Right after a kill (`at_once`) only that is wrong which must not be even for a moment: half files, open keys.
    """
    return [
        f"{pki.relative_to(folder)}: {fault}"
        for pki in sorted({path.parent for path in folder.rglob("index.txt")} | set(folder.glob("pki")))
        if not any(part.startswith(".") for part in pki.relative_to(folder).parts)
        for fault in (*_open(pki), *_half(pki, environment), *(() if at_once else _unrecorded(pki, environment)))
    ]


def _open(pki: Path) -> Iterator[str]:
    for path in (pki, *pki.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode & 0o077 and (path.is_dir() or b"PRIVATE KEY" in path.read_bytes() or path.suffix == ".p12"):
            yield f"{path.relative_to(pki)} is open to others ({mode:04o})"


def _files(pki: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files under their final names, each with its suffix when it was not yet replaced by another."""
    for path in sorted(pki.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(pki).parts):
            yield path, Path(path.name.split(".old-")[0]).suffix


def _half(pki: Path, environment: Mapping[str, str]) -> Iterator[str]:
    for path, suffix in _files(pki):
        try:
            _read(path, suffix, environment)
        except (ValueError, Error) as error:
            yield f"{path.relative_to(pki)} is half a file: {error}"


def _read(path: Path, suffix: str, environment: Mapping[str, str]) -> None:
    """Read a whole file as what it is, or raise ValueError."""
    data = path.read_bytes()
    if path.parent.name == "certs_by_serial" and suffix in {".cnf", ".sh"}:
        wanted = b"[" if suffix == ".cnf" else b"openssl "
        if wanted not in data or not data.endswith(b"\n"):
            raise ValueError(data)
    elif path.name == "crl.pem":
        x509.load_pem_x509_crl(data)
    elif path.name == "crl.der":
        x509.load_der_x509_crl(data)
    elif suffix in {".crt", ".pem"}:
        _certificates(data)
    elif suffix == ".key":
        _key(path, environment)
    elif suffix == ".req":
        x509.load_pem_x509_csr(data)
    elif suffix == ".p12":
        pkcs12.load_key_and_certificates(data, environment["OPENSSLGEN_P12_PASSWORD"].encode())
    elif path.name == "index.txt":
        torn: list[str] = []
        list(index.read(path, on_torn=torn.append))
        if torn:
            raise ValueError(torn[0])
    elif path.name in DATABASE and not re.fullmatch(DATABASE[path.name], data):
        raise ValueError(data)


def _certificates(data: bytes) -> list[x509.Certificate]:
    certificates = x509.load_pem_x509_certificates(data)
    if len(certificates) != data.count(b"-----BEGIN ") or not data.endswith(b"-----END CERTIFICATE-----\n"):
        raise ValueError("there is more in it than certificates")
    return certificates


def _key(path: Path, environment: Mapping[str, str]) -> PrivateKeyTypes:
    data = path.read_bytes()
    return load_pem_private_key(data, environment[PASSPHRASE].encode() if b"ENCRYPTED" in data else None)


def _unrecorded(pki: Path, environment: Mapping[str, str]) -> Iterator[str]:
    entries = {entry.serial_number: entry for entry in index.read(pki / "index.txt")}
    copies = {int(path.stem, 16): path for path in pki.glob("certs_by_serial/*.pem")}
    for path, suffix in _files(pki):
        if suffix == ".crt" and path != pki / "ca.crt":
            name = path.relative_to(pki)
            certificate = _certificates(path.read_bytes())[0]
            copy = copies.get(certificate.serial_number)
            if copy is None or copy.read_bytes() != path.read_bytes():
                yield f"{name} has no copy by its serial number"
            if name.parts[0].startswith("ca.crt"):
                continue  # an old root
            if certificate.serial_number not in entries:
                yield f"{name} is not in the index"
            yield from _other_key(pki / "private" / path.name.replace(".crt", ".key", 1), path, environment)
    yield from _by_serial(copies, entries)
    if (pki / "ca.crt").exists() != (pki / "private" / "ca.key").exists():
        yield "of the root's certificate and key one is missing"
    elif (pki / "ca.crt").exists():
        yield from _other_key(pki / "private" / "ca.key", pki / "ca.crt", environment)
        yield from _refused_by_openssl_ca(pki, environment)
    if (pki / "crl.pem").exists():
        yield from _crl(pki, entries)


def _other_key(key: Path, path: Path, environment: Mapping[str, str]) -> Iterator[str]:
    certificate = _certificates(path.read_bytes())[0]
    if key.exists() and _key(key, environment).public_key() != certificate.public_key():
        yield f"{key.name} does not fit {path.name}"


def _by_serial(copies: Mapping[int, Path], entries: Mapping[int, index.Entry]) -> Iterator[str]:
    for serial, copy in copies.items():
        certificate = _certificates(copy.read_bytes())[0]
        if certificate.serial_number != serial:
            yield f"{copy.name} holds the certificate {certificate.serial_number:X}"
        if certificate.issuer != certificate.subject and serial not in entries:
            yield f"{copy.name} is not in the index"
        yield from (f"{copy.name} has no {end}" for end in (".cnf", ".sh") if not copy.with_suffix(end).exists())
    yield from (f"index line {entry.line} has no copy" for serial, entry in entries.items() if serial not in copies)


def _refused_by_openssl_ca(pki: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Let `openssl ca` read a copy of the database, write it anew, and tell each certificate's state."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(pki, Path(place) / "pki"))
        (Path(place) / "ca.cnf").write_text(CA.format(pki=copy))
        config = ["-config", f"{place}/ca.cnf", "-passin", f"env:{PASSPHRASE}"]
        if b"ENCRYPTED" not in (pki / "private" / "ca.key").read_bytes():
            config = config[:2]
        entries = list(index.read(pki / "index.txt"))
        for command in (["-updatedb"], *(["-status", entry.serial_hex] for entry in entries[-1:])):
            done = subprocess.run(
                ["openssl", "ca", *config, *command],
                env={**os.environ, **environment, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
            told = done.stdout + done.stderr
            if command == ["-updatedb"] and done.returncode != 0:
                yield f"openssl ca does not take the index: {told}"
            if command != ["-updatedb"] and not re.search(r"=(Valid \(V\)|Revoked \(R\))", told):
                yield f"openssl ca does not know {command[1]}: {told}"


def _crl(pki: Path, entries: Mapping[int, index.Entry]) -> Iterator[str]:
    crl = x509.load_pem_x509_crl((pki / "crl.pem").read_bytes())
    issuer = _certificates((pki / "ca.crt").read_bytes())[0]
    if not crl.is_signature_valid(issuer.public_key()):
        yield "crl.pem is not signed by ca.crt"
    listed = {revoked.serial_number for revoked in crl}
    if listed != {serial for serial, entry in entries.items() if entry.state == index.REVOKED}:
        yield "crl.pem lists others than are revoked in the index"
    der = pki / "crl.der"
    if der.exists() and x509.load_der_x509_crl(der.read_bytes()) != crl:
        yield "crl.der is another than crl.pem"
