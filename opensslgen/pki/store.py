"""The pki folder: lock it, and publish all files or none.

`plan.layout` names its files. They are written to `.work-…`. When they are complete, one rename adds a decision: what
goes where, and the new lines of the index. Before that, nothing has happened; after it, everything will happen, if
necessary in the next run.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error, UnreadableError
from opensslgen.files import locks, place
from opensslgen.files.place import Decision, Move
from opensslgen.files.write import (
    copy_file,
    explain_errors,
    explanation,
    free_name,
    remove_folder,
    replace_attributes,
    sync,
    write_new,
)
from opensslgen.patterns import pattern
from opensslgen.plan import layout, template
from opensslgen.suggest import suggest
from opensslgen.x509.certificate import Certificate, load, load_all

from . import decision
from .index import VALID
from .index import read as read_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.plan.steps import Plan, Publish

LOCK_TIMEOUT = 120.0
"""Seconds to wait for another process that uses the folder."""

_UNIQUE = pattern(r"^\s*unique_subject\s*=\s*[yYtT1]", re.MULTILINE)
"""yes, true, 1, as `openssl ca` reads it."""
_DATABASE = {layout.INDEX: "", layout.INDEX_ATTRIBUTES: "unique_subject = no\n", layout.SERIAL: "01\n"}


class Publication(NamedTuple):
    """Files that are ready to be published."""

    decision: Decision
    kept: dict[str, str]
    """The name under which each old file is kept, by its present name."""
    notes: tuple[str, ...] = ()
    """What the user should know about the modes of files that are replaced."""


@dataclass(frozen=True)
class Store:
    """A pki folder, which may not exist yet."""

    path: Path

    @property
    def ca_certificate(self) -> str:
        """The file of the CA's certificate, relative to the folder."""
        return self._there(*layout.CAS)

    @property
    def ca_key(self) -> str:
        """The file of the CA's key, relative to the folder."""
        return self._there(*layout.CA_KEYS)

    def _there(self, name: str, other: str) -> str:
        """Return `name`, unless only `other` exists; raises UnreadableError if the folder cannot be read."""
        try:
            return name if (self.path / name).exists() or not (self.path / other).exists() else other
        except OSError as error:
            raise UnreadableError(f"cannot read {error.filename or self.path}: {error.strerror}") from error

    def issuer(self) -> Certificate | None:
        """Return the certificate of the CA, None if there is none yet; raises UnreadableError."""
        path = self.path / self.ca_certificate
        return load(path) if path.exists() else None

    def above(self) -> tuple[Certificate, ...]:
        """Return the certificates above that of the CA, its issuer first and the root last; raises UnreadableError."""
        path = self.path / layout.CA_CHAIN
        return tuple(load_all(path)) if path.exists() else ()

    def ca_key_is_encrypted(self) -> bool:
        """Tell whether the CA's key has a passphrase; raises UnreadableError if it cannot be read."""
        path = self.path / self.ca_key
        try:
            text = path.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            beside = self.path / "ca.key"  # easy-rsa 2 has it there
            certificate = str(self.path / self.ca_certificate)
            hint = suggest("adopt", certificate, "--key", str(beside)) if beside.exists() else None
            raise UnreadableError(f"cannot read the root's key {path}: {error.strerror}", hint=hint) from error
        return "ENCRYPTED" in text

    @contextmanager
    def lock(self, *, timeout: float = LOCK_TIMEOUT) -> Iterator[Path]:
        """Lock the folder, finish or remove what killed runs have left, and yield a private work folder.

        Creates the pki folder if necessary, and removes it again if nothing was published. Raises Error if the folder
        cannot be locked within `timeout` seconds, or cannot be written.
        """
        with explain_errors(self.path):
            made = not self.path.exists()
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A symbolic link could lead our work, or the CA's key, out of the folder.
            self._refuse_ways_out([*self.path.iterdir(), self.path / self.ca_key])
            with locks.hold(self.path, timeout=timeout, finish=self._leave if made else lambda: None):
                decision.recover(self.path)
                work = self.new_work()
                try:
                    yield work
                finally:
                    if not place.is_decided(work):
                        remove_folder(work)

    def new_work(self) -> Path:
        """Create one more private work folder, for files that are published separately; hold the lock for this."""
        work = self.path / f".work-{os.urandom(4).hex()}"
        work.mkdir(mode=0o700)
        return work

    def _refuse_ways_out(self, paths: Iterable[Path]) -> None:
        """Raise Error if a path leads out of the folder by a symbolic link."""
        home = self.path.resolve()
        for path in paths:
            try:
                inside = path.resolve().is_relative_to(home)
            except RuntimeError:  # it leads in circles; newer Pythons take it for a file
                inside = False
            if not inside:
                raise Error(
                    f"{path} is a symbolic link that leads out of {self.path}",
                    hint="replace it by the file or folder itself",
                )

    def refuse_odd_files(self, plan: Plan) -> None:
        """Raise Error if the plan would read or replace anything but a file, or a file outside of the folder."""
        paths = [self.path / name for name in plan.touches]
        self._refuse_ways_out(paths)
        for path in paths:
            if path.exists() and not path.is_file():
                raise Error(f"{path} is not a regular file")

    def warnings(self) -> tuple[str, ...]:
        """Return a warning for each file or folder that other users can read or change, but should not."""
        private = self.path / layout.PRIVATE
        found = [*_open(self.path, 0o022, "go-w"), *_open(private, 0o077, "700")]
        with suppress(UnreadableError):  # who may only look at certificates need not see the keys
            found += _open(self.path / self.ca_key, 0o077, "600")
        with suppress(OSError):
            # Nobody can open the files in a folder that is closed.
            if private.stat().st_mode & 0o011:
                keys = [path for path in private.glob("*.key") if path.lstat().st_mode & 0o044 and path.stem != "ca"]
                if keys:
                    cure = f"chmod 600 {shlex.quote(str(private))}/*.key"
                    found.append(
                        f"{len(keys)} more key{'s' * (len(keys) > 1)} in {private} can be read by other users: {cure}"
                    )
        return tuple(found)

    def finish(self) -> None:
        """Finish or remove what killed runs have left, if anything, so that the folder can be judged."""
        try:
            left = any(self.path.glob(".work-*")) or any(self.path.glob(".script.*"))
        except OSError as error:
            raise UnreadableError(f"cannot read {self.path}: {error.strerror}") from error
        if left:
            with self.lock():
                pass

    def existing(self, plan: Plan) -> list[str]:
        """Return the existing files that the plan would overwrite, but must not."""
        from opensslgen.plan.steps import Existing  # a list has no plan

        targets = [publish.target for publish in plan.publish if publish.existing is Existing.REFUSE]
        return [target for target in targets if os.path.lexists(self.path / target)]

    def refuse_repeated(self, plan: Plan) -> None:
        """Raise Error if a subject would be in the index twice, but `unique_subject = yes` forbids it.

        `openssl ca` could no longer read the index.
        """
        subjects = {record.subject for record in plan.records if record.subject is not None}
        path = self.path / layout.INDEX_ATTRIBUTES
        try:
            if not subjects or not path.exists() or not _UNIQUE.search(path.read_text("utf-8", "replace")):
                return
        except OSError as error:
            raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
        for entry in read_index(self.path / layout.INDEX):
            if entry.state == VALID and entry.subject in subjects:
                raise Error(
                    f"{self.path / layout.INDEX}, line {entry.line}, has a certificate for {entry.title} already,"
                    f" and {path.name} says unique_subject = yes",
                    hint=f"revoke that certificate first, or write unique_subject = no in {path}",
                )

    def stage(self, plan: Plan, *, work: Path) -> Publication:
        """Prepare the files that a plan publishes, in its work folder, and write them to the disk.

        An old file of the same name will be kept next to the new one, unless the plan replaces it without a copy.
        """
        self.refuse_odd_files(plan)
        self.refuse_repeated(plan)
        targets = {str(Path(publish.target).parent) for publish in plan.publish} - {"."}
        for folder in dict.fromkeys((*layout.FOLDERS, *sorted(targets))):
            self._make_folder(folder)
            # A decision must be possible: no file can be renamed to another file system.
            if (self.path / folder).stat().st_dev != work.stat().st_dev:
                raise Error(f"{self.path / folder} is on another file system than {self.path}")
            if not os.access(self.path / folder, os.W_OK | os.X_OK):
                raise Error(f"cannot write to {self.path / folder}: Permission denied")
        for name, content in self._database().items():
            if not (self.path / name).exists():
                # By a rename: a kill in between would leave an empty file, which openssl refuses.
                write_new(work / f"new-{name}", content.encode())
                (work / f"new-{name}").rename(self.path / name)
        moves: list[Move] = []
        lines = []
        wanted = Counter(publish.source for publish in plan.publish)
        for record in plan.records:
            wanted.update((record.certificate, record.config, record.commands))
        for record in plan.records:
            certificate = load(work / record.certificate)
            made_from = (("pem", record.certificate), ("cnf", record.config), ("sh", record.commands))
            for suffix, source in made_from:
                name = f"{certificate.serial_hex}.{suffix}"
                kept_source = _for_the_record(source, name, work, alone=wanted[source] == 1)
                moves.append(Move(kept_source, f"{layout.COPIES}/{name}"))
            if record.subject is not None:
                lines.append(_index_line(certificate, record.subject))
        from opensslgen.plan.steps import Existing  # a list has no plan

        kept = {
            publish.target: free_name(self.path, publish.target)
            for publish in plan.publish
            if publish.existing is not Existing.REPLACE and os.path.lexists(self.path / publish.target)
        }
        for number, (target, old) in enumerate(kept.items()):
            copy_file(self.path / target, work / f"old-{number}")
            moves.append(Move(f"old-{number}", old))
        notes = []
        for publish in plan.publish:
            notes.append(self._set_mode(publish, work))
            moves.append(Move(publish.source, publish.target))
        for publish in plan.publish:
            sync(work / publish.source)
        return Publication(Decision(tuple(moves), tuple(lines)), kept, tuple(filter(None, notes)))

    def publish(self, publication: Publication, *, work: Path) -> None:
        """Record and publish what was prepared in a work folder: everything or nothing."""
        place.decide(work, publication.decision)
        try:
            decision.carry_out(work, fresh=True)
        except OSError as error:
            if not place.is_decided(work):
                raise
            raise Error(
                explanation(error, self.path),
                hint="the new files are kept; the next run in this folder puts them in place",
            ) from error

    def _set_mode(self, publish: Publish, work: Path) -> str | None:
        """Set the mode of a finished file: of the file that it replaces, or else of the plan; return a note about it.

        So others can still read it, such as an OCSP responder the index.
        """
        if publish.source.startswith("../"):
            if publish.mode is not None:
                (work / publish.source).chmod(publish.mode)
            return None
        new = work / publish.source
        mode = stat.S_IMODE(new.stat().st_mode) if publish.mode is None else publish.mode
        return replace_attributes(new, self.path / publish.target, mode=mode, is_secret=publish.is_secret)

    def _database(self) -> dict[str, str]:
        """Return the files that `openssl ca` and easy-rsa need, with their initial content."""
        # easy-rsa cannot use a folder of `openssl ca`.
        if (self.path / layout.CAS[1]).exists():
            return _DATABASE
        return _DATABASE | {template.EASYRSA_CONFIG: template.shipped(template.EASYRSA_CONFIG)}

    def _make_folder(self, name: str) -> None:
        """Create a folder that only we can open, with its parents."""
        for folder in (*reversed(Path(name).parents[:-1]), Path(name)):
            (self.path / folder).mkdir(mode=0o700, exist_ok=True)

    def _leave(self) -> None:
        """Remove a folder that was created for a run that published nothing."""
        with suppress(OSError):
            if any(self.path.glob(".work-*")):
                return  # its decision must still be carried out
            if (self.path / layout.CA).exists() or (self.path / layout.INDEX).stat().st_size:
                return
        with suppress(OSError):
            for folder in layout.FOLDERS:
                if (self.path / folder).exists():
                    (self.path / folder).rmdir()
            for name in (*_DATABASE, template.EASYRSA_CONFIG, locks.LOCK):
                (self.path / name).unlink(missing_ok=True)
            self.path.rmdir()


def _for_the_record(source: str, name: str, work: Path, *, alone: bool) -> str:
    """Return the file to keep for the record, on the disk: the source if it has no other use, else a copy."""
    if not alone:
        write_new(work / name, (work / source).read_bytes())
        return name
    (work / source).chmod(0o600)
    sync(work / source)
    return source


def _open(path: Path, bits: int, cure: str) -> Iterator[str]:
    """Yield a warning if the mode of a file or folder has any of these bits."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & bits:
            who = "everybody" if mode & bits & 0o007 else "its group"
            yield f"{path} is open to {who} (mode {mode:04o}): chmod {cure} {shlex.quote(str(path))}"


def _index_line(certificate: Certificate, subject: str) -> str:
    """Return a line of the index (state, expiry, revocation, serial number, file, subject)."""
    end = certificate.not_after
    # As in the certificate: UTCTime until 2049 (RFC 5280 section 4.1.2.5).
    stamp = f"{end:%y%m%d%H%M%SZ}" if end.year < 2050 else f"{end:%Y%m%d%H%M%SZ}"
    return f"V\t{stamp}\t\t{certificate.serial_hex}\tunknown\t{subject}\n"
