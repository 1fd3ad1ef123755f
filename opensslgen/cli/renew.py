"""The command that renews certificates: by name, or all that expire soon, one after another."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

import click

from opensslgen.errors import Error, UsageError

from . import complete
from .failure import Failure
from .options import ALLOW, P12, PASSPHRASE_AND_P12_PASSWORD, REPLACING, Running, Whole, grouped, together
from .run_job import do, make
from .say import print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import JobResult
    from opensslgen.jobs.renew import Renewal
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store

    from .secrets import Secrets


@dataclass(frozen=True, kw_only=True)
class Renewing:
    """How certificates are renewed, as typed."""

    within: int | None
    keep_key: bool
    days: int | None
    p12: str | None
    hook: str | None
    allow: tuple[str, ...]

    def renewal(self) -> Renewal:
        """Return the options that concern the certificate."""
        from opensslgen.jobs.renew import Renewal

        return Renewal(keep_key=self.keep_key, days=self.days, p12=self.p12, allow=self.allow)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|SERIAL|ca]...", shell_complete=complete.certificate)
@together(
    click.option(
        "--within", type=Whole(0, 36500), metavar="DAYS",
        help="Renew all certificates that expire within DAYS.",
    ),
    click.option("--keep-key", is_flag=True, help="Keep the key instead of generating a new one."),
    click.option(
        "--days", type=Whole(1, 36500),
        help="Days of validity; with --within, not for CAs.  [default: as before]",
    ),
    P12,
    click.option("--hook", metavar="COMMAND", help="Run COMMAND with /bin/sh after each renewal."),
    ALLOW,
    grouped(Renewing),
    PASSPHRASE_AND_P12_PASSWORD,
    REPLACING,
)  # fmt: skip
def renew(names: tuple[str, ...], renewing: Renewing, secrets: Secrets, running: Running) -> None:
    """Renew certificates.

    \b
    opensslgen renew pbx.example.com
    opensslgen renew --within 30 --hook "systemctl reload nginx"
    opensslgen renew pbx.example.com --keep-key --p12
    opensslgen renew ca                                    the root, with the same key

    A renewed certificate has the same names, kind and type of key, and a later expiry date. The old files are kept next
    to the new ones, and the old certificate remains valid until it expires. A CA keeps its key, and so does a
    certificate whose key is not in the pki folder: its request is signed again. Certificates that the old root has
    issued are valid under the renewed root as well.

    A hook finds paths in OPENSSLGEN_CERTIFICATE, _CHAIN, _KEY, _P12, _ROOT and _PKI, and the name in OPENSSLGEN_NAME.

    With --within, the root is renewed first. Nothing is renewed twice, or before the last third of its validity. If one
    renewal fails, the others go on.

    Exit code: 0, or 1 if any renewal failed. `opensslgen script systemd` and `opensslgen script cron` print what starts
    a renewal each day.
    """
    from opensslgen.openssl import command
    from opensslgen.pki.store import Store
    from opensslgen.report.browse import nothing_found
    from opensslgen.report.made import failed_json, made_json, made_text

    store, within = Store(running.pki), renewing.within
    if bool(names) == (within is not None):
        raise UsageError("name the certificates to renew, or use --within DAYS, but not both")
    secret = secrets.for_pki(running.pki)
    if running.is_printed:
        _print_script(names, store, renewing, running)
        return
    openssl = command.find(running.openssl)
    answers: list[dict[str, object]] = []
    failures = []
    for title, prepare in _jobs(names, renewing, store):
        try:
            made = make(prepare, running, secret=secret, allow=renewing.allow, openssl=openssl)
        except Error as error:
            failures.append(error)
            answers.append(failed_json(title, error))
            Failure(error).show()
            continue
        answers.append(made_json(made))
        if not running.as_json and not running.quiet:
            click.echo(made_text(made), nl=False)
        try:
            _run_hook(made, store, openssl, renewing.hook)
        except Error as error:
            failures.append(error)
            answers[-1]["error"] = error.message
            Failure(error).show()
    if running.as_json:
        print_json(answers)
    elif not answers and not running.quiet:
        click.echo(nothing_found(within))
    sys.exit(failures[0].exit_code if failures and len(answers) == 1 else 1 if failures else 0)


def _print_script(names: tuple[str, ...], store: Store, renewing: Renewing, running: Running) -> None:
    from opensslgen.jobs.renew import named_job

    if len(names) != 1:
        raise UsageError(f"{running.printing} needs exactly one name")
    if renewing.hook:
        raise UsageError(f"--hook cannot be used with {running.printing}: run the command afterwards")
    do(partial(named_job, names[0], renewing.renewal(), store=store), running)


def _jobs(names: tuple[str, ...], renewing: Renewing, store: Store) -> Iterator[tuple[str, Callable[[], Job]]]:
    """Yield what to renew, each with its title: what the user has named, or what is due."""
    from opensslgen.jobs.due import due
    from opensslgen.jobs.renew import due_job, named_job
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import survey_of

    for name in names:
        yield name, partial(named_job, name, renewing.renewal(), store=store)
    if renewing.within is not None:
        now = datetime.now(timezone.utc).replace(microsecond=0)
        for each in due(survey_of(Folder(store.path), at=now), days=renewing.within, now=now):
            yield each.title, partial(due_job, each, renewing.renewal(), store=store)


def _run_hook(made: JobResult, store: Store, openssl: OpenSSL, hook: str | None) -> None:
    from opensslgen.jobs.hook import run_hook

    if hook:
        # Its output is for people; stdout is for the result.
        say = partial(click.echo, nl=False, err=True)
        run_hook(hook, made, store=store, openssl=openssl, on_output=say)
