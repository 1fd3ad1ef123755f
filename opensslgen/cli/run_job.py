"""What all commands share that do something in a pki folder: a job is run or printed as a script, and reported."""

from __future__ import annotations

import functools
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from opensslgen import __version__
from opensslgen.errors import UsageError
from opensslgen.plan.script import as_commands, as_script

from .options import first_line, is_printed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opensslgen.jobs.destination import Destination
    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import Made
    from opensslgen.openssl.command import OpenSSL


def do(
    prepare: Callable[[], Job],
    options: dict[str, Any],
    openssl: OpenSSL | None,
    *,
    secret: Callable[[str], str] | None = None,
    into: Destination | None = None,
) -> None:
    """Print a job as a script or as commands, or do it and report.

    `secret` takes the place of `secret_of`, and `into`, a folder of the user's, that of the pki folder.
    """
    from opensslgen.jobs.job import Violation
    from opensslgen.openssl import command

    if is_printed(options):
        way, show = ("commands", as_commands) if options["commands"] else ("script", as_script)
        for option in ("force", "verbose"):
            if options.get(option):
                raise UsageError(f"--{way} makes nothing itself, so --{option} does not go with it")
        job = prepare()
        _say(job.notes, options)
        click.echo(show(job.plan, version=__version__, folder=str(into.path if into else options["pki"])), nl=False)
        return
    try:
        made = make(prepare, options, openssl or command.find(options["openssl"]), secret=secret, into=into)
    except Violation as violation:
        if options["output"] == "json":
            from opensslgen.report.made import violation_json

            click.echo(json.dumps(violation_json(violation), indent=2))
        raise
    if options["output"] == "json":
        from opensslgen.report.made import made_json

        click.echo(json.dumps(made_json(made), indent=2))
    elif not options["quiet"]:
        from opensslgen.report.made import made_text

        click.echo(made_text(made), nl=False)


def make(
    prepare: Callable[[], Job],
    options: dict[str, Any],
    openssl: OpenSSL,
    *,
    secret: Callable[[str], str] | None = None,
    into: Destination | None = None,
) -> Made:
    """Do a job, and say on stderr what the user should know of it."""
    from opensslgen.jobs.perform import Authority, Delivery
    from opensslgen.pki.store import Store
    from opensslgen.text import visible

    store = Store(options["pki"])
    for warning in store.warnings():
        click.echo(f"Warning: {visible(warning)}", err=True)
    common: dict[str, Any] = {
        "openssl": openssl,
        "secret": secret or functools.partial(secret_of, options),
        "on_command": (lambda line: click.echo(visible(line), err=True)) if options["verbose"] else lambda _: None,
        "force": options.get("force", False),
    }
    doer = Delivery(into=into, **common) if into else Authority(store, allow=options.get("allow", ()), **common)
    made = doer.make(prepare)
    _say((*made.notes, *(f"{finding.message} [{finding.rule.id}]" for finding in made.findings)), options)
    return made


def _say(notes: tuple[str, ...], options: dict[str, Any]) -> None:
    from opensslgen.text import visible_lines

    for note in notes:
        if not options["quiet"]:
            click.echo(f"Note: {visible_lines(note)}", err=True)


def given(options: dict[str, Any], name: str) -> bool:
    """Tell whether a secret was given in a file or in the environment."""
    return bool(options.get(_FILES[name]) or os.environ.get(name))


def has_passphrase(options: dict[str, Any]) -> bool:
    """Tell whether a passphrase for the root's key was given."""
    return given(options, "OPENSSLGEN_CA_PASSPHRASE")


_FILES = {
    "OPENSSLGEN_CA_PASSPHRASE": "passphrase_file",
    "OPENSSLGEN_NEW_PASSPHRASE": "new_passphrase_file",
    "OPENSSLGEN_P12_PASSWORD": "p12_password_file",
}
"""The options that name a secret's file."""


def secret_of(options: dict[str, Any], name: str, *, opens: Collection[str] = ()) -> str:
    """Return a passphrase or password: from its file, its environment variable, or the terminal.

    Those that `opens` names are known to open something that exists.
    """
    from opensslgen.pki.store import Store
    from opensslgen.plan.secrets import CA_PASSPHRASE, SECRETS, fit_secret

    what, option = SECRETS[name], _FILES[name]
    if options.get(option):
        return fit_secret(name, first_line(options[option], what))
    if os.environ.get(name):
        return fit_secret(name, os.environ[name])
    if not sys.stdin.isatty():
        raise UsageError(f"the {what} is needed", hint=f"give --{option.replace('_', '-')} FILE or set {name}")
    # Those that have an option to ask for one open no old key by it, unless they say so.
    store = Store(options["pki"])
    new = name != CA_PASSPHRASE or "passphrase" in options or not (store.path / store.ca_key).exists()
    new = new and name not in opens
    return fit_secret(name, click.prompt(what.capitalize(), hide_input=True, confirmation_prompt=new, err=True))
