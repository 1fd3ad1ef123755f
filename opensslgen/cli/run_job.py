"""Runs a job in a pki folder, or prints it as a script, and reports the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opensslgen import __version__

from .options import Running, refuse
from .say import print_json, print_notes, warn_of_open_files
from .secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opensslgen.jobs.destination import Destination
    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import JobResult
    from opensslgen.openssl.command import OpenSSL


def do(
    prepare: Callable[[], Job],
    running: Running,
    *,
    secrets: Secrets | None = None,
    secret: Callable[[str], str] | None = None,
    allow: Collection[str] = (),
    openssl: OpenSSL | None = None,
    into: Destination | None = None,
) -> None:
    """Print a job as a script or as commands, or run it and report.

    `secret` returns a secret by its name; None: each is as in `secrets`, or else in the environment, or typed. `into`
    takes the place of the pki folder.
    """
    from opensslgen.jobs.clock import CLOCK

    if running.is_printed:
        _print_script(prepare, running, into, any_clock=CLOCK in allow)
        return
    made = make(prepare, running, secrets=secrets, secret=secret, allow=allow, openssl=openssl, into=into)
    if running.as_json:
        from opensslgen.report.made import made_json

        print_json(made_json(made))
    elif not running.quiet:
        from opensslgen.report.made import made_text

        click.echo(made_text(made), nl=False)


def _print_script(prepare: Callable[[], Job], running: Running, into: Destination | None, *, any_clock: bool) -> None:
    from opensslgen.plan.script import as_commands, as_script

    refuse(f"has no effect with {running.printing}, which only prints", force=running.force, verbose=running.verbose)
    job = prepare()
    print_notes(job.notes, quiet=running.quiet)
    folder = into.path if into else running.pki
    if running.commands:
        text = as_commands(job.plan, version=__version__, folder=str(folder))
    else:
        text = as_script(job.plan, version=__version__, folder=str(folder), any_clock=any_clock)
    click.echo(text, nl=False)


def make(
    prepare: Callable[[], Job],
    running: Running,
    *,
    secrets: Secrets | None = None,
    secret: Callable[[str], str] | None = None,
    allow: Collection[str] = (),
    openssl: OpenSSL | None = None,
    into: Destination | None = None,
) -> JobResult:
    """Run a job, and print on stderr what the user should know about it."""
    from opensslgen.jobs.perform import Authority, Delivery
    from opensslgen.openssl import provider

    warn_of_open_files(running.pki)
    openssl = openssl or provider.find(running.openssl)
    secret = secret or (secrets or Secrets()).for_pki(running.pki, running.openssl)
    say, force = command_printer(verbose=running.verbose), running.force
    if into:
        made = Delivery(into=into, openssl=openssl, secret=secret, on_command=say, force=force).make(prepare)
    else:
        made = Authority(running.store, openssl, secret, on_command=say, allow=allow, force=force).make(prepare)
    print_notes((*made.notes, *map(str, made.findings)), quiet=running.quiet)
    return made


def command_printer(*, verbose: bool) -> Callable[[str], None]:
    """Return a function that prints an openssl command on stderr; it does nothing unless `verbose`."""
    from opensslgen.text import visible

    return (lambda line: click.echo(visible(line), err=True)) if verbose else lambda _: None
