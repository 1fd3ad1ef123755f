"""Report that the Ansible collection was written, as text for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def collection_text(path: Path, files: Sequence[str], kept: Path | None) -> str:
    """Return where the collection and an old folder are, and the next step."""
    where = path if path.is_absolute() else f"./{path}"
    lines = [f"Wrote the collection opensslgen.fleet, {len(files)} files, to {path}"]
    lines += [f"Kept the old folder as {kept}"] if kept else []
    lines.append(f"Next: ansible-galaxy collection install {where}")
    return "\n".join(lines) + "\n"


def collection_json(path: Path, files: Sequence[str], kept: Path | None) -> dict[str, object]:
    """Return the same for a program."""
    return {"folder": str(path), "files": list(files), "kept": kept and str(kept)}
