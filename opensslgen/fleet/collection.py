"""Write the Ansible collection of this package to a folder, so that ansible-galaxy can install it."""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files.place import temporary_name
from opensslgen.files.write import explain_errors, free_name

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path


def write_collection(folder: Path, *, force: bool = False) -> tuple[list[str], Path | None]:
    """Write the collection to a new or empty folder; return its files, and the new name of an old folder.

    With `force`, an old folder is kept under another name. Without it, raises Error if there is one; always for `/`.
    """
    if folder.name in ("", ".."):
        folder = folder.resolve()
    if not folder.name:
        raise Error(f"{folder} cannot be the collection's folder")
    if os.path.lexists(folder) and not force and not _is_empty(folder):
        raise Error(f"{folder} exists", hint="to replace it, add --force; the old one is kept")
    kept = None
    with explain_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_name(folder) as new:
            files = sorted(_copy(resources.files("opensslgen") / "ansible", new))
            if _is_empty(folder):
                # Filled instead of replaced, as it may be the working directory of the shell.
                for path in new.iterdir():
                    path.rename(folder / path.name)
            else:
                if os.path.lexists(folder):
                    kept = folder.with_name(free_name(folder.parent, folder.name))
                    folder.rename(kept)
                new.rename(folder)
    return files, kept


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _copy(source: Traversable, folder: Path, prefix: str = "") -> list[str]:
    """Copy a folder of the package, which may be inside a zipapp."""
    folder.mkdir()
    files = []
    for entry in source.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            files += _copy(entry, folder / entry.name, f"{prefix}{entry.name}/")
        elif entry.is_file():
            (folder / entry.name).write_bytes(entry.read_bytes())
            files.append(prefix + entry.name)
    return files
