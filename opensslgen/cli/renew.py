"""The command that renews certificates: by name, or all that end soon, one after another."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import Error, UsageError

from .main import Failure
from .options import ALLOW, P12, PASSPHRASE_FILE, REPLACING, is_printed, together
from .run_job import do, make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.jobs.due import Due
    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import Made
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.store import Store

_ROOT = "ca"


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|SERIAL|ca]...")
@together(
    click.option("--within", type=click.IntRange(0, 36500), metavar="DAYS", help="All that end within so long."),
    click.option("--keep-key", is_flag=True, help="Keep the key, instead of making a new one."),
    click.option(
        "--days",
        type=click.IntRange(1, 36500),
        help="Days of validity; with --within, of leaves.  [default: as many as the old]",
    ),
    P12,
    click.option("--hook", metavar="COMMAND", help="Run this after each, by /bin/sh."),
    PASSPHRASE_FILE,
    ALLOW,
    REPLACING,
)
def renew(**options: Any) -> None:
    """Renew certificates: the same names, kind and kind of key, and a later end.

    \b
    opensslgen renew pbx.example.com
    opensslgen renew --within 30 --hook "systemctl reload nginx"
    opensslgen renew pbx.example.com --keep-key --p12
    opensslgen renew ca                                    the root, with the same key

    The old files stay beside the new ones, and the old certificate stays valid until it ends. A certificate whose key
    is elsewhere, or that is an authority, keeps its key: its request is signed again. What the root has signed goes on
    below the renewed root.

    A hook finds paths in OPENSSLGEN_CERTIFICATE, _CHAIN, _KEY, _P12, _ROOT and _PKI, and the name in OPENSSLGEN_NAME.

    With --within, the root comes first, what was renewed already is left alone, and nothing is renewed before the last
    third of its life. One that fails does not keep the others from it. Exit code: 0, or 1 if any failed. `opensslgen
    script systemd` and `script cron` print what starts this each day.
    """
    from opensslgen.openssl import command
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.store import Store

    store, folder = Store(options["pki"]), Folder(options["pki"])
    within, names = options["within"], options["names"]
    if bool(names) == (within is not None):
        raise UsageError("give names, or --within DAYS for all that end so soon")
    if is_printed(options):
        _print_script(names, store, folder, options)
        return
    openssl = command.find(options["openssl"])
    answers: list[dict[str, Any]] = []
    failures = []
    for title, stem in _due(folder, within) if within is not None else ((name, None) for name in names):
        try:
            made = make(partial(_job, title, stem, store, folder, options), options, openssl)
        except Error as error:
            failures.append(error)
            answers.append(_failed(title, error))
            Failure(error).show()
            continue
        answers.append(_told(made, options))
        try:
            _run_hook(made, store, openssl, options)
        except Error as error:
            failures.append(error)
            answers[-1]["error"] = error.message
            Failure(error).show()
    if options["output"] == "json":
        click.echo(json.dumps(answers, indent=2))
    elif not answers and not options["quiet"]:
        click.echo(f"nothing ends within {within} days")
    sys.exit(failures[0].exit_code if failures and len(answers) == 1 else 1 if failures else 0)


def _print_script(names: tuple[str, ...], store: Store, folder: Folder, options: dict[str, Any]) -> None:
    way = "--commands" if options["commands"] else "--script"
    if len(names) != 1:
        raise UsageError(f"{way} goes with one name")
    if options["hook"]:
        raise UsageError(f"{way} goes without --hook: run the hook afterwards")
    do(partial(_job, names[0], None, store, folder, options), options, None)


def _job(title: str, stem: str | None, store: Store, folder: Folder, options: dict[str, Any]) -> Job:
    """Return the job for what a user calls so, or whose files are already known by their stem."""
    from opensslgen.jobs.renew import renewal_job, root_renewal_job

    if stem is None:
        stem = _stem(folder, title)
    elif _is_authority(stem, store):
        # Of all that are due, --days and --p12 mean the leaves.
        options = {**options, "days": None, "p12": None}
    if stem == _ROOT:
        if options["p12"]:
            raise UsageError("no PKCS#12 file is made of a root")
        return root_renewal_job(store=store, days=options["days"], allow=options["allow"])
    return renewal_job(
        stem,
        store=store,
        keep_key=options["keep_key"],
        days=options["days"],
        p12=options["p12"],
        allow=options["allow"],
    )


def _is_authority(stem: str, store: Store) -> bool:
    from opensslgen.x509.certificate import load

    return stem == _ROOT or load(store.path / "issued" / f"{stem}.crt").is_authority


def _stem(folder: Folder, name: str) -> str:
    """Return the stem of the files of a certificate that can be renewed; raises Error for any other."""
    from opensslgen.pki import lookup

    return _ROOT if name == _ROOT else lookup.stem_to_renew(folder, lookup.find(folder, name))


def _due(folder: Folder, within: int) -> Iterator[Due]:
    from opensslgen.jobs.due import due
    from opensslgen.pki.survey import survey_of

    now = datetime.now(timezone.utc).replace(microsecond=0)
    return due(survey_of(folder, at=now), days=within, now=now)


def _told(made: Made, options: dict[str, Any]) -> dict[str, Any]:
    from opensslgen.report.made import made_json, made_text

    if options["output"] != "json" and not options["quiet"]:
        click.echo(made_text(made), nl=False)
    return made_json(made)


def _failed(title: str, error: Error) -> dict[str, Any]:
    from opensslgen.jobs.job import Violation
    from opensslgen.report.made import violation_json

    told = violation_json(error) if isinstance(error, Violation) else {"error": error.message}
    return {"name": title, **told}


def _run_hook(made: Made, store: Store, openssl: OpenSSL, options: dict[str, Any]) -> None:
    from opensslgen.jobs.hook import run_hook

    if options["hook"]:
        # What it says is for people, and what is said of the certificates for programs.
        say = partial(click.echo, nl=False, err=True)
        run_hook(options["hook"], made, store=store, openssl=openssl, on_output=say)
