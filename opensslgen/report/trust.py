"""Report what `opensslgen trust` has written or shares, as text for people and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.rules.profiles import PROFILES
from opensslgen.suggest import suggest
from opensslgen.text import visible
from opensslgen.trust.devices import DEVICES
from opensslgen.trust.mobileconfig import title
from opensslgen.trust.pages import fingerprint_groups

from .made import certificate_json, finding_json

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from opensslgen.errors import Error
    from opensslgen.rules.rule import Finding
    from opensslgen.trust.files import TrustFile
    from opensslgen.x509.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files that were written, and how."""

    root: Certificate
    folder: Path
    files: Sequence[TrustFile]
    signer: str | None
    """The name of the certificate that signed the profile."""
    allow: Collection[str]
    findings: Sequence[Finding]
    """Warnings and notes of the rules."""
    kept: Sequence[Path]
    """Files that were replaced, under their new names."""
    sharing: str
    """The command that offers the same root to phones."""


def trust_text(written: Written) -> str:
    """Return the files for each device, the fingerprint to compare, what was checked, and the next step."""
    folder = written.folder
    rules = [rule for rule in PROFILES["root"].rules if rule not in written.allow]
    rows = [(device.title, f"{', '.join(device.files)}; guide: {device.id}.html") for device in DEVICES]
    rows += [("servers", "servers.html"), ("all devices", "index.html")]
    if written.signer:
        rows.append(("signed", f"root.mobileconfig, with the certificate of {written.signer}"))
    lines = [
        f"The root certificate {title(written.root)}, in {folder}/:",
        *(f"  {what:<16} {names}" for what, names in rows),
        *_fingerprint(written.root),
        "Checked:",
        f"  ✓ {len(rules)} rules: {PROFILES['root'].title}",
        *(f"Kept the old file as {path}" for path in written.kept),
        f"Next: copy {folder}/ to the devices (on iPhones, install the profile, and then switch the root on in"
        " Settings > General > About > Certificate Trust Settings), or let them download it:"
        f" {visible(written.sharing)}",
    ]
    return "\n".join(lines) + "\n"


def trust_json(written: Written) -> dict[str, object]:
    """Return the same for a program."""
    return {
        "root": certificate_json(written.root),
        "folder": str(written.folder),
        "files": [
            {
                "name": file.name,
                "path": str(written.folder / file.name),
                "media_type": file.media_type,
                "devices": list(file.devices),
            }
            for file in written.files
        ],
        "signed_by": written.signer,
        "findings": [finding_json(finding) for finding in written.findings],
        "kept": [str(path) for path in written.kept],
    }


def sharing_command(*, pki: Path, root: Path | None, sign: str | None, allow: Collection[str]) -> str:
    """Return the command that offers the same root to phones, with the options that differ from their defaults."""
    words = ["trust", "--share"]
    words += ["--root", str(root)] if root else []
    words += ["--sign", sign] if sign else []
    return suggest(*words, *(word for rule in allow for word in ("--allow", rule)), pki=pki)


def sharing_text(root: Certificate, url: str, seconds: int, *, was_chosen: bool) -> str:
    """Return what is shared, where, and for how long; `was_chosen`: nobody typed the address."""
    minutes, rest = divmod(seconds, 60)
    time = f"{seconds} seconds" if rest or not minutes else f"{minutes} minute{'' if minutes == 1 else 's'}"
    lines = [
        f"The root certificate {title(root)} is at",
        f"  {url}",
        f"for {time}; Ctrl-C stops it earlier. Nothing else is shared.",
    ]
    if was_chosen:
        lines.append("This is the address of this machine on its network; --address selects another.")
    return "\n".join([*lines, *_fingerprint(root)])


def check_text(url: str | None, missing: Error | None) -> str:
    """Return where phones can check that they trust the root, or what is missing for that."""
    if url:
        return f"Phones check at {url} whether they trust it."
    if missing is None:
        return "There is no check page, as the key of this root is not here."
    return f"There is no check page: {missing.message}" + (f"\nHint: {missing.hint}" if missing.hint else "")


_MOST = 1000
"""Fetches that are remembered; what comes after them is neither shown nor counted."""


class Fetches:
    """Who has fetched what, each once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], None] = {}
        self._said: list[str] = []

    def line(self, address: str, device: str, name: str) -> str | None:
        """Return the line that says so; None for a style sheet, and for what was said before."""
        fetch = (address, device, name)
        if name.endswith((".css", ".svg", ".png")) or fetch in self._seen or len(self._seen) >= _MOST:
            return None
        self._seen[fetch] = None
        self._said.append(visible(f"{datetime.now().astimezone():%H:%M:%S}  {address}  {device}  {name}"))
        return self._said[-1]

    @property
    def lines(self) -> tuple[str, ...]:
        """All that was said, the latest last."""
        return tuple(self._said)

    def summary(self) -> str:
        """Return how many devices have fetched each file, the pages left out."""
        files = [(address, name) for address, _, name in self._seen if name.startswith(("root", "WebRoot", "46xx"))]
        counts = Counter(name for _, name in dict.fromkeys(files))
        lines = (f"{name}: {count} {'device' if count == 1 else 'devices'}\n" for name, count in counts.items())
        checked = len({address for address, _, name in self._seen if name == "check"})
        return "".join(lines) + (f"check page opened: {checked}\n" if checked else "")


def _fingerprint(root: Certificate) -> list[str]:
    groups = fingerprint_groups(root)
    return ["SHA-256 fingerprint, to compare with the one on the device:", *(f"  {group}" for group in groups)]
