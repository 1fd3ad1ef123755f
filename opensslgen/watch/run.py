"""Run a command with the wrapper in front of openssl, and return the openssl calls that it made."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opensslgen.openssl.command import OpenSSLError, find
from opensslgen.openssl.process import exit_code_of, run_in_foreground

from . import cover
from .calls import Call, mask_passphrases, read_calls, read_unseen, wait_for_calls
from .scripts import Bypass, Script, bypasses, openssls, scripts_of
from .wrapper import wrapper_script


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A command's exit code and its openssl calls."""

    argv: tuple[str, ...]
    exit_code: int
    """Negative: the signal that ended it."""
    calls: tuple[Call, ...]
    """The calls that make a request or a certificate, in the order in which they began."""
    scripts: tuple[Script, ...]
    passed_by: tuple[Bypass, ...]
    """Where a script may have called an openssl that could not be watched."""
    unseen: tuple[str, ...]
    """Calls that could not be checked."""


def watch(argv: Sequence[str], *, fix: bool = False, names: str = "", stdout: int | None = None) -> Watched:
    """Run a command and watch its openssl calls; with `fix`, correct the certificates that they make.

    `names` is a subjectAltName for certificates without one; `stdout` is a descriptor that replaces the
    command's standard output. The command inherits everything else. Raises OSError if it cannot be run.
    """
    scripts = scripts_of(argv)
    past = bypasses(scripts)
    environment = dict(os.environ)
    programs = openssls(past, environment)
    folder = Path(tempfile.mkdtemp(prefix="opensslgen-"))
    try:
        # Every user that the command may switch to has to reach the wrapper; only we may read the records.
        folder.chmod(0o711)
        versions = functools.cache(_version if fix else lambda _: "")
        records = folder / "records"
        records.mkdir(0o700)
        write = functools.partial(_write_wrapper, fix=fix, names=names, record=str(records))
        covers = _covers(folder, programs) if any(not each.is_elsewhere for each in past) else ()
        for each in covers:
            write(each.wrapper, openssl=str(each.hidden), version=versions(each.program))
        if covers and exit_code_of(functools.partial(cover.put, covers)) != 0:
            covers = ()
        if programs:
            first = str(covers[0].hidden) if covers else programs[0]
            (folder / "bin").mkdir(0o755)
            write(folder / "bin" / "openssl", openssl=first, version=versions(programs[0]))
            environment["PATH"] = os.pathsep.join([str(folder / "bin"), environment.get("PATH", os.defpath)])

        def prepare() -> None:
            cover.die_with_parent(signal.SIGKILL)
            if covers:
                cover.put(covers)

        exit_code = run_in_foreground(argv, env=environment, stdout=stdout, prepare=prepare)
        wait_for_calls(records)
        return Watched(
            argv=mask_passphrases(argv),
            exit_code=exit_code,
            calls=read_calls(records),
            scripts=scripts,
            passed_by=tuple(each for each in past if each.is_elsewhere or not covers),
            unseen=read_unseen(records),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _version(program: str) -> str:
    """Return the version that an openssl prints; empty if it is not supported."""
    try:
        return find(program).banner
    except OpenSSLError:
        return ""


def _covers(folder: Path, programs: Sequence[str]) -> tuple[cover.Cover, ...]:
    """Return the cover for each program, and create the folders for it."""
    if not cover.is_possible():
        return ()
    found = []
    for number, program in enumerate(programs):
        place = folder / "covers" / str(number)
        (place / "real").mkdir(parents=True)
        hidden = place / "real" / "openssl"
        hidden.touch()
        found.append(cover.Cover(program, place / "openssl", hidden))
    return tuple(found)


def _write_wrapper(path: Path, *, openssl: str, version: str, fix: bool, names: str, record: str) -> None:
    script = wrapper_script(openssl=openssl, fix=fix, log="record", names=names, record=record, version=version)
    path.write_text(script, encoding="utf-8", errors="surrogateescape")
    path.chmod(0o755)
