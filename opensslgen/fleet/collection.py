"""The Ansible collection that lies in this package, written out so that ansible-galaxy can install it."""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files.place import beside
from opensslgen.files.write import explain_errors, name_beside

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path


def write_collection(folder: Path, *, force: bool = False) -> tuple[list[str], Path | None]:
    """Write the collection's files into a new or empty folder; return them, and what was replaced by `force`.

    An old folder is kept under another name. Raises Error if there is one and `force` is not given, and for `/`.
    """
    if folder.name in ("", ".."):
        folder = folder.resolve()
    if not folder.name:
        raise Error(f"{folder} cannot be the collection's folder")
    if os.path.lexists(folder) and not force and not _is_empty(folder):
        raise Error(f"{folder} exists", hint="--force replaces it, and keeps the old one beside it")
    kept = None
    with explain_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with beside(folder) as new:
            files = sorted(_copy(resources.files("opensslgen") / "ansible", new))
            if _is_empty(folder):
                # Not replaced: it may be the one that the shell is in, which would be left without.
                for path in new.iterdir():
                    path.rename(folder / path.name)
            else:
                if os.path.lexists(folder):
                    kept = folder.with_name(name_beside(folder.parent, folder.name))
                    folder.rename(kept)
                new.rename(folder)
    return files, kept


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _copy(source: Traversable, folder: Path, prefix: str = "") -> list[str]:
    """Copy what a folder of the package holds, which may be inside a zipapp."""
    folder.mkdir()
    files = []
    for entry in source.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            files += _copy(entry, folder / entry.name, f"{prefix}{entry.name}/")
        elif entry.is_file():
            (folder / entry.name).write_bytes(entry.read_bytes())
            files.append(prefix + entry.name)
    return files
