"""The command that checks whether this machine can issue certificates: openssl, the pki folder, the clock."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import click

from opensslgen.errors import Error
from opensslgen.text import utc

from .command import Command
from .options import FORMAT, OPENSSL, PKI, Output, together
from .say import print_json

_NOT_BACKDATED = (
    "no: OpenSSL before 3.5, and LibreSSL, cannot issue certificates that are valid since an hour ago, so a phone"
    " with a slow clock may have to wait"
)
_MARKS = {True: "✓", False: "✗", None: "-"}


@click.command(cls=Command)
@together(PKI, OPENSSL, FORMAT)
def doctor(pki: Path, openssl: str | None, output: Output) -> None:
    """Check openssl, the pki folder and the clock of this machine.

    \b
    opensslgen doctor --openssl /usr/local/bin/openssl

    Exit code: 0 if all is well, 1 if anything would keep certificates from being issued.
    """
    answers = [*_openssl(openssl), _folder(pki), _ca(pki), _clock(pki)]
    if output == "json":
        print_json([answer._asdict() for answer in answers])
    else:
        for answer in answers:
            click.echo(f"{_MARKS[answer.good]} {answer.question:<22} {answer.answer}")
    sys.exit(0 if all(answer.good is not False for answer in answers) else 1)


class Answer(NamedTuple):
    """The result of one check."""

    question: str
    good: bool | None
    """None: neither good nor bad, but worth knowing."""
    answer: str


def _openssl(path: str | None) -> list[Answer]:
    from opensslgen.openssl import provider

    try:
        found = provider.find(path)
    except Error as error:
        return [Answer("openssl", False, error.message)]
    return [
        Answer("openssl", True, f"{found.path}: {found.banner}"),
        Answer("keys come from", True if found.fips else None, provider.describe(found)),
        Answer("support", None, found.support(datetime.now(timezone.utc).date())),
        Answer("backdating", None, "yes" if found.can("-not_before") else _NOT_BACKDATED),
        Answer("one-process issue", None, "yes" if found.can("-copy_extensions") else "no"),
    ]


def _folder(pki: Path) -> Answer:
    nearest = pki.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not os.path.isdir(nearest):  # noqa: PTH112 - Path.is_dir raises where the folder above cannot be looked into
        return Answer("pki folder", False, f"{nearest} is not a folder")
    there = "" if nearest == pki.absolute() else " (does not exist yet)"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Answer("pki folder", False, f"{pki}{there}: {nearest} is not writable")
    return Answer("pki folder", True, f"{pki}{there} is writable")


def _ca(pki: Path) -> Answer:
    from opensslgen.jobs.new_ca import refuse_lost
    from opensslgen.pki import index
    from opensslgen.pki.store import Store
    from opensslgen.plan import layout

    store = Store(pki)
    try:
        for _ in index.read(pki / layout.INDEX) if (pki / layout.INDEX).exists() else ():
            pass
        refuse_lost(store)
        root = store.issuer()
        if root is None:
            return Answer("CA", None, "none yet")
        encrypted = store.ca_key_is_encrypted()
    except Error as error:
        return Answer("CA", False, error.message)
    key = "its key has a passphrase" if encrypted else "its key has no passphrase"
    return Answer("CA", True, f"{root.subject.common_name or root.subject}; {key}")


def _clock(pki: Path) -> Answer:
    from opensslgen.jobs.clock import clock_fault
    from opensslgen.pki.store import Store

    now = datetime.now(timezone.utc)
    shown = utc(now, "minutes")
    if why := clock_fault(pki, now):
        return Answer("clock", False, f"{shown} {why}")
    try:
        root = Store(pki).issuer()
    except Error as error:
        return Answer("clock", False, f"{shown}; cannot be compared with the root: {error.message}")
    if root and now > root.not_after:
        return Answer("clock", False, f"{shown} is after the root expired ({utc(root.not_after, 'minutes')})")
    return Answer("clock", True, shown)
