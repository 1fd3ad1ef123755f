"""The files of tests/certificates, and what each says that is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from opensslgen.audit.result import Settings
from opensslgen.openssl import command
from opensslgen.rules.profiles import rules_of

FOLDER = Path(__file__).parent / "certificates"

FILES = sorted(path for path in FOLDER.iterdir() if path.suffix != ".expect" and path.name != "README.md")

WORDS = {"why", "profile", "at", "within", "password", "mode", "each", "unreadable", "finding", "passes"}


@dataclass(frozen=True)
class Expectation:
    said: dict[str, str]
    findings: list[str]

    @property
    def unreadable(self):
        return self.said.get("unreadable")


def expectation(path):
    """Read the lines that begin with "# " and a known word, in the file itself or in one beside it."""
    beside = path.with_name(f"{path.name}.expect")
    text = (beside if beside.exists() else path).read_bytes().decode("latin-1")
    said, findings = {}, []
    for line in text.splitlines():
        word, _, value = line.removeprefix("# ").partition(":")
        if line.startswith("# ") and word in WORDS:
            said[word] = value.strip()
            findings += [value.strip()] if word == "finding" else []
    return Expectation(said, findings)


def settings(said):
    return Settings(
        rules=rules_of(said["profile"].split()),
        at=datetime.strptime(said["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc),
        within=timedelta(days=int(said["within"])) if "within" in said else None,
        each="each" in said,
        password=(lambda _: said["password"]) if "password" in said else None,
        openssl=command.find,
    )
