"""The command that renews certificates: by name, or all that expire soon, one after another."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from opensslgen.errors import Error, UsageError
from opensslgen.plan.secrets import P12_PASSWORD
from opensslgen.text import visible

from . import complete
from .command import InGroups
from .failure import Failure
from .options import (
    ALLOW,
    HOOKS,
    P12,
    PASSPHRASE_AND_P12_PASSWORD,
    REPLACING,
    NumberParameter,
    Running,
    grouped,
    refuse,
    together,
)
from .run_job import do, make
from .say import print_json, print_notes
from .secrets import MissingSecretError, Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opensslgen.jobs.due import Waiting
    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import JobResult
    from opensslgen.jobs.renew import Renewal
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store
    from opensslgen.plan.targets import Where


class Renewing(NamedTuple):
    """How certificates are renewed, as typed."""

    within: int | None
    everything: bool
    keep_key: bool
    days: int | None
    p12: str | None
    deploy: tuple[str, ...]
    deploy_hook: str | None
    post_hook: str | None
    allow: tuple[str, ...]

    def renewal(self) -> Renewal:
        """Return the options that concern the certificate."""
        from opensslgen.jobs.renew import Renewal

        return Renewal(keep_key=self.keep_key, days=self.days, p12=self.p12, allow=self.allow)


@click.command(cls=InGroups)
@click.argument("names", nargs=-1, metavar="[NAME|SERIAL|ca]...", shell_complete=complete.certificate)
@together(
    click.option(
        "--within", type=NumberParameter(0, 36500), metavar="DAYS",
        help="Renew all certificates that expire within DAYS and are in the last third of their validity.",
    ),
    click.option("--all", "everything", is_flag=True, help="Renew all certificates, due or not, but not the root."),
    click.option("--keep-key", is_flag=True, help="Keep the key instead of generating a new one."),
    click.option(
        "--days", type=NumberParameter(1, 36500),
        help="Days of validity; with --within and --all, not for CAs.  [default: as before]",
    ),
    P12,
    click.option("--no-p12", "p12", flag_value="none", help="Make no PKCS#12 file, although there is one."),
    click.option(
        "--deploy", multiple=True, metavar="TARGET@HOST",
        help="Install each renewed certificate there, as `deploy` does it; repeat for more.",
    ),
    HOOKS,
    ALLOW,
    grouped(Renewing),
    PASSPHRASE_AND_P12_PASSWORD,
    REPLACING,
)  # fmt: skip
def renew(names: tuple[str, ...], renewing: Renewing, secrets: Secrets, running: Running) -> None:
    """Renew certificates.

    \b
    opensslgen renew pbx.example.com
    opensslgen renew --within 30 --post-hook "systemctl reload nginx"
    opensslgen renew --all --p12-password-file FILE
    opensslgen renew pbx.example.com --keep-key --p12
    opensslgen renew pbx.example.com --deploy nginx@root@web1
    opensslgen renew ca                                    the root, with the same key

    A renewed certificate has the same names, kind and type of key, and a later expiry date. The old files are kept next
    to the new ones, and the old certificate remains valid until it expires. A CA keeps its key, and so does a
    certificate whose key is not in the pki folder: its request is signed again. Certificates that the old root has
    issued are valid under the renewed root as well. Where there is a PKCS#12 file, a new one is made. This needs a
    password; without it, the certificate is not renewed, and all its files stay as they are.

    A deploy hook finds paths in OPENSSLGEN_CERTIFICATE, _CHAIN, _KEY, _P12, _ROOT and _PKI, and the name in
    OPENSSLGEN_NAME. A post-hook finds the names of all renewed certificates in OPENSSLGEN_NAMES.

    With --within, the root is renewed first. Nothing is renewed twice, or before the last third of its validity. If one
    renewal fails, the others go on.

    Exit code: 0, or 1 if any renewal failed. `opensslgen script systemd` and `opensslgen script cron` print what starts
    a renewal each day.
    """
    from opensslgen.jobs.hook import run_post_hook
    from opensslgen.openssl import provider
    from opensslgen.report.made import failed_json, made_json, made_text

    store = running.store
    if [bool(names), renewing.within is not None, renewing.everything].count(True) != 1:
        raise UsageError("name the certificates to renew, or use --within DAYS or --all, but only one of these")
    secret = secrets.for_pki(running.pki, running.openssl)
    if running.is_printed:
        _print_script(names, store, renewing, running)
        return
    openssl = provider.find(running.openssl)
    is_shown = not running.as_json and not running.quiet
    places = [place for text in renewing.deploy for place in _places(text)]
    answers: list[dict[str, object]] = []
    failures: list[Error] = []
    done: list[JobResult] = []
    jobs, waiting = _jobs(names, renewing, store)
    if jobs:
        secret.unlock()
    for title, prepare in jobs:
        try:
            made = make(prepare, running, secret=secret, allow=renewing.allow, openssl=openssl)
        except Error as error:
            failures.append(error)
            answers.append(failed_json(title, error))
            _explain(error, title, is_named=len(names) == 1)
            continue
        done.append(made)
        answers.append(made_json(made))
        if is_shown:
            click.echo(made_text(made), nl=False)
        failures += _install(
            made, places, hook=renewing.deploy_hook, store=store, openssl=openssl, answer=answers[-1], is_shown=is_shown
        )
    if done and renewing.post_hook:
        try:
            run_post_hook(renewing.post_hook, done, store=store, openssl=openssl, on_output=_say)
        except Error as error:
            failures.append(error)
            Failure(error).show()
    if secrets.p12_password_file and names and done and not any("p12" in made.files for made in done):
        lacking = "no PKCS#12 file was made, so --p12-password-file was not used; --p12 makes one"
        print_notes([lacking], quiet=running.quiet)
    if running.as_json:
        print_json(answers)
    elif not running.quiet:
        _tell_waiting(waiting, renewing.within, is_idle=not answers)
    sys.exit(failures[0].exit_code if failures and len(answers) == 1 else 1 if failures else 0)


def _explain(error: Error, title: str, *, is_named: bool) -> None:
    """Print why a certificate was not renewed, with its name unless it is the only one that was typed."""
    if not is_named:
        error.message = f"{visible(title)} was not renewed: {error.message}"
    if isinstance(error, MissingSecretError) and error.name == P12_PASSWORD:
        error.hint = f"{error.hint}; to renew without the PKCS#12 file, add --no-p12"
    Failure(error).show()


def _tell_waiting(waiting: Iterable[Waiting], within: int | None, *, is_idle: bool) -> None:
    """Print what expires soon but is not due yet, as `list` would show it, or that nothing expires."""
    from opensslgen.report.browse import nothing_found

    now, has_any = datetime.now(timezone.utc), False
    for each in waiting:
        has_any = True
        click.echo(each.text(now))
    if is_idle:
        click.echo("nothing is due; to renew it now, use its name, or --all" if has_any else nothing_found(within))


def _print_script(names: tuple[str, ...], store: Store, renewing: Renewing, running: Running) -> None:
    from opensslgen.jobs.renew import named_job

    if len(names) != 1:
        raise UsageError(f"{running.printing} needs exactly one name")
    why = f"cannot be used with {running.printing}: run the command afterwards"
    refuse(why, deploy=renewing.deploy, deploy_hook=renewing.deploy_hook, post_hook=renewing.post_hook)
    do(partial(named_job, names[0], renewing.renewal(), store=store), running)


def _jobs(
    names: tuple[str, ...], renewing: Renewing, store: Store
) -> tuple[list[tuple[str, Callable[[], Job]]], list[Waiting]]:
    """Return what to renew, each with its title: what the user has named, or what is due; and what is not due yet."""
    from opensslgen.jobs import due
    from opensslgen.jobs.renew import due_job, named_job
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import survey_of

    if names:
        return [(name, partial(named_job, name, renewing.renewal(), store=store)) for name in names], []
    now = datetime.now(timezone.utc).replace(microsecond=0)
    survey = survey_of(Folder(store.path), at=now)
    if renewing.within is None:
        found, waiting = [*due.everything(survey)], []
    else:
        found = [*due.due(survey, days=renewing.within, now=now)]
        waiting = [*due.waiting(survey, days=renewing.within, now=now)]
    return [(each.title, partial(due_job, each, renewing.renewal(), store=store)) for each in found], waiting


def _places(text: str) -> tuple[Where, ...]:
    from opensslgen.plan.targets import places

    return places(text)


def _install(
    made: JobResult,
    places: list[Where],
    *,
    hook: str | None,
    store: Store,
    openssl: OpenSSL,
    answer: dict[str, object],
    is_shown: bool,
) -> list[Error]:
    """Deploy a renewed certificate to each place, and run the deploy hook; return the errors, which were printed."""
    from opensslgen.jobs.hook import run_deploy_hook

    from .deploying import deploy_one

    failures: list[Error] = []
    certificate = made.files.get("certificate")
    if places and certificate and not (made.certificate and made.certificate.is_authority):
        deployed = [deploy_one(place, certificate.stem, store, openssl, is_shown=is_shown) for place in places]
        failures += [Error(str(each["error"])) for each in deployed if "error" in each]
        answer["deployed"] = deployed
    try:
        run_deploy_hook(hook, made, store=store, openssl=openssl, on_output=_say)
    except Error as error:
        failures.append(error)
        answer["error"] = error.message
        Failure(error).show()
    return failures


def _say(output: bytes) -> None:
    """Print the output of a hook on stderr: it is for people, and stdout is for the result."""
    click.echo(output, nl=False, err=True)
