"""Back up a pki folder into one encrypted file, and restore it from there.

The file is a gzipped tar archive that `openssl enc` encrypts with a passphrase, so that it can be opened without us:
DECRYPT is the command. SHA256SUMS, its first member, lists the checksum of every other file, as sha256sum writes it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.files.write import overwrite_refusal, remove_folder, sync, write_new
from opensslgen.openssl.command import OpenSSLError
from opensslgen.plan import layout
from opensslgen.plan.secrets import BACKUP_PASSPHRASE
from opensslgen.plan.steps import Plan, Publish

from .destination import Destination
from .job import root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store

DECRYPT = "openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -in {archive} | tar -xz"
"""The command that opens an archive without opensslgen; openssl asks for the passphrase."""

_CIPHER = ("-aes-256-cbc", "-pbkdf2", "-iter", "600000", "-md", "sha256", "-pass", f"env:{BACKUP_PASSPHRASE}")
"""The iterations are those that OWASP's Password Storage Cheat Sheet asks of PBKDF2 with SHA-256."""
_SUMS = "SHA256SUMS"
_TOP = "pki"
"""The folder in the archive that holds the files."""


@dataclass
class Backup:
    """A backup, and the folder into which it was restored to see that it can be."""

    files: int
    """The number of files in it."""
    restored: Path
    """The folder, until the archive gets its name."""
    old: Path | None = None
    """Where the file is that had the archive's name, as soon as the archive has it."""


@contextmanager
def back_up(store: Store, archive: Path, *, openssl: OpenSSL, passphrase: str, force: bool = False) -> Iterator[Backup]:
    """Write all files of the pki folder, keys included, into a new encrypted archive that only we can read.

    Yields it restored into an empty folder and compared; it gets its name when the block ends without an error. Raises
    Error without a CA, for what is neither a file nor a folder, if the archive exists (without `force`), or if openssl
    cannot encrypt it.
    """
    root_of(store)
    openssl.require("enc -pbkdf2")
    into = Destination(archive.parent)
    plan = Plan(f"back up {store.path}", (), publish=(Publish("archive", archive.name, 0o600),), database=False)
    if force:
        plan = plan.keep_existing()
    elif into.existing(plan):
        raise overwrite_refusal(archive.parent, [archive.name])
    with into.work() as work:
        with _packed(store, work, openssl=openssl, passphrase=passphrase) as backup:
            yield backup
        old, _ = into.publish(plan, work=work, force=force)
        backup.old = archive.parent / old[archive.name] if old else None


@contextmanager
def backup_contents(
    store: Store, *, openssl: OpenSSL, passphrase: str, on_command: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[bytes, Backup]]:
    """Yield the archive that `back_up` makes, which is then nowhere on the disk, and the same about it."""
    root_of(store)
    openssl.require("enc -pbkdf2")
    # Keys are written where keys are, and nowhere else.
    with Destination(store.path).work() as work:
        on_command(f"cd {shlex.quote(str(work))}")
        on_command(shlex.join(["openssl", *_encryption()]))
        with _packed(store, work, openssl=openssl, passphrase=passphrase) as backup:
            yield (work / "archive").read_bytes(), backup


@contextmanager
def _packed(store: Store, work: Path, *, openssl: OpenSSL, passphrase: str) -> Iterator[Backup]:
    """Make the file `archive` in a work folder, restored and compared there until the block ends."""
    with store.lock():
        sums = _pack(store.path, work / "plain")
    _encrypt(openssl, work, passphrase)
    (work / "plain").unlink()
    if _unpack(openssl, work / "archive", work / "check", passphrase) != sums:
        raise Error("the backup could not be verified, so it was not written")
    yield Backup(len(sums), work / "check" / _TOP)
    remove_folder(work / "check")


def restore(archive: Path, folder: Path, *, openssl: OpenSSL, passphrase: str) -> int:
    """Restore the files of a backup into a new folder, all or none, and return their number.

    Raises Error if the folder exists and is not empty, and UnreadableError if the archive was not made by `back_up`,
    is damaged, or has another passphrase.
    """
    openssl.require("enc -pbkdf2")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Error(f"{folder} exists", hint="restore into a new folder with --pki DIR, or move the old one away")
    with Destination(folder.absolute().parent).work() as work:
        sums = _unpack(openssl, archive, work / "restored", passphrase)
        inside = work / "restored" / _TOP
        for path in (*inside.rglob("*"), inside):
            sync(path)
        inside.rename(folder)
        sync(folder.absolute().parent)
    return len(sums)


def _paths(folder: Path) -> Iterator[Path]:
    """Yield the files and folders of a pki folder in order, without locks and work folders; raises Error."""
    ours = (".lock", ".work-", ".script.", ".opensslgen-")
    for path in sorted(folder.rglob("*")):
        if path.relative_to(folder).parts[0].startswith(ours):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise Error(f"{path} is neither a file nor a folder", hint="replace it by the file itself, or remove it")
        yield path


def _pack(folder: Path, plain: Path) -> dict[str, str]:
    """Write the archive before it is encrypted, and return the checksums of its files by name."""
    names = {f"{_TOP}/{path.relative_to(folder).as_posix()}": path for path in _paths(folder)}
    sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items() if path.is_file()}
    write_new(plain, b"")
    with tarfile.open(plain, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        text = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode("utf-8", "surrogateescape")
        listed = tarfile.TarInfo(_SUMS)
        listed.size = len(text)
        tar.addfile(listed, io.BytesIO(text))
        for name, path in names.items():
            tar.add(path, name, recursive=False)
    return sums


def _encryption() -> list[str]:
    return ["enc", "-e", *_CIPHER, "-in", "plain", "-out", "archive"]


def _encrypt(openssl: OpenSSL, work: Path, passphrase: str) -> None:
    openssl.run(_encryption(), cwd=work, secrets={BACKUP_PASSPHRASE: passphrase})


def _unpack(openssl: OpenSSL, archive: Path, into: Path, passphrase: str) -> dict[str, str]:
    """Decrypt an archive into a new folder that only we can read, compare its checksums, and return them."""
    into.mkdir(mode=0o700)
    if not archive.is_file():
        raise UnreadableError(f"there is no file {archive}")
    wrong = UnreadableError(
        f"{archive} cannot be opened: the passphrase is wrong, or the file is damaged or no backup of opensslgen"
    )
    command = ["enc", "-d", *_CIPHER, "-in", str(archive.absolute()), "-out", "plain"]
    try:
        openssl.run(command, cwd=into, secrets={BACKUP_PASSPHRASE: passphrase})
        with tarfile.open(into / "plain", "r:gz") as tar:
            found = {member.name: digest for member in tar if (digest := _extract(tar, member, into))}
        listed = (into / _SUMS).read_text("utf-8", "surrogateescape").splitlines()
    except (OpenSSLError, tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise wrong from error
    (into / "plain").unlink()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in listed)}
    found.pop(_SUMS, None)
    if found != sums or not {f"{_TOP}/{name}" for name in layout.CAS} & set(sums):
        raise wrong
    return sums


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> str | None:
    """Write a file or folder of the archive below `into`; return the checksum of a file.

    A file gets at most the mode 0644, a folder 0700. Raises ValueError for anything else.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not (member.isreg() or member.isdir()):
        raise ValueError(member.name)
    folder = into / (name if member.isdir() else name.parent)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        return None
    data = content.read()
    write_new(into / name, data, member.mode & 0o644)
    os.utime(into / name, (member.mtime, member.mtime))
    return hashlib.sha256(data).hexdigest()
