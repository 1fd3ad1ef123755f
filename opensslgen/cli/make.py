"""The commands that make something: an order becomes a job, which is run or printed as a script."""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensslgen import __version__
from opensslgen.errors import UsageError

from .options import KEY_TYPE, PASSPHRASE_FILE, RUNNING, SUBJECT, SUBJECT_FIELDS, first_line, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.authority import Job
    from opensslgen.openssl import OpenSSL


@click.command()
@click.argument("name")
@together(
    click.option("--san", multiple=True, metavar="NAMES", help="Further names: DNS:…, IP:…, or bare; also a list."),
    click.option("--days", type=click.IntRange(1, 36500), help="Days of validity.  [default: 820]"),
    SUBJECT,
    KEY_TYPE,
    click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="Use this key, make none."),
    click.option("--eku", multiple=True, metavar="USAGE", help="Extended key usage.  [default: serverAuth,clientAuth]"),
    click.option("--key-usage", multiple=True, metavar="USAGE", help="Key usage, if not what suits the key."),
    click.option("--template", type=click.Path(path_type=Path), metavar="FILE", help="Your own extension file."),
    click.option("--p12", "p12", flag_value="p12", help="Make a PKCS#12 file, too (AES-256)."),
    click.option("--p12-compat", "p12", flag_value="p12-compat", help="The same for older Apple, Windows, appliances."),
    click.option(
        "--p12-password-file", type=click.Path(path_type=Path), metavar="FILE",
        help="Its password is the first line.  [env: OPENSSLGEN_P12_PASSWORD]",
    ),
    PASSPHRASE_FILE,
    click.option("--csr-only", is_flag=True, help="Make a key and a request, for another authority to sign."),
    click.option("--allow", multiple=True, metavar="RULE", help="Make it although it breaks this rule."),
    RUNNING,
)  # fmt: skip
def server(**options: Any) -> None:
    """Make a server's key and certificate, and a root first if there is none.

    \b
    opensslgen server pbx.example.com --san IP:10.0.0.5
    opensslgen server pbx.example.com --san "DNS:sip.example.com, IP:10.0.0.5" --p12
    opensslgen server pbx.example.com --script > make.sh

    NAME is a host name or an IP address; it becomes the common name and the first subject alternative name.
    """
    from opensslgen import openssl as command
    from opensslgen.authority import key_type_of, request_job, server_job
    from opensslgen.orders import SERVER_DAYS, root_order, server_order
    from opensslgen.store import Store

    key_type = options["key_type"]
    openssl = None if options["script"] and not options["key_file"] else command.find(options["openssl"])
    if options["key_file"] and openssl:
        key_type = key_type_of(options["key_file"], openssl)
    order = server_order(
        options["name"],
        san=options["san"],
        key_type=key_type,
        key_file=options["key_file"],
        days=options["days"] or SERVER_DAYS,
        extended_key_usage=options["eku"],
        key_usage=options["key_usage"],
        template_file=options["template"],
        p12=options["p12"],
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    store = Store(options["pki"])
    root = root_order(organization=options["organization"], encrypted=_has_passphrase(options))

    def prepare() -> Job:
        if options["csr_only"]:
            return request_job(order, allow=options["allow"])
        return server_job(order, store=store, root=root, fixed_days=options["days"] is not None, allow=options["allow"])

    _do(prepare, options, openssl)


@click.command()
@together(
    click.option("--days", type=click.IntRange(1, 36500), default=3650, show_default=True, help="Days of validity."),
    SUBJECT,
    KEY_TYPE,
    click.option("--passphrase", is_flag=True, help="Ask for a passphrase for its key."),
    PASSPHRASE_FILE,
    RUNNING,
)
def root(**options: Any) -> None:
    """Make a root certificate; `server` does it by itself, with the defaults.

    \b
    opensslgen root --cn "Acme root 2026" --org Acme
    opensslgen root --key-type p-256 --passphrase
    """
    from opensslgen.authority import root_job
    from opensslgen.orders import root_order

    order = root_order(
        key_type=options["key_type"],
        days=options["days"],
        encrypted=options["passphrase"] or _has_passphrase(options),
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    _do(lambda: root_job(order), options, None)


def _do(prepare: Callable[[], Job], options: dict[str, Any], openssl: OpenSSL | None) -> None:
    """Print a job as a script, or do it and report."""
    from opensslgen import openssl as command
    from opensslgen.authority import Authority, Violation
    from opensslgen.store import Store

    if options["script"]:
        for option in ("force", "verbose"):
            if options[option]:
                raise UsageError(f"--script makes nothing itself, so --{option} does not go with it")
        job = prepare()
        _say(job.notes, options)
        click.echo(job.plan.script(version=__version__, folder=str(options["pki"])), nl=False)
        return
    authority = Authority(
        store=Store(options["pki"]),
        openssl=openssl or command.find(options["openssl"]),
        secret=functools.partial(_secret, options),
        on_command=(lambda line: click.echo(line, err=True)) if options["verbose"] else lambda _: None,
        allow=options.get("allow", ()),
        force=options["force"],
    )
    try:
        made = authority.make(prepare)
    except Violation as violation:
        if options["output"] == "json":
            from opensslgen.report import finding_json

            findings = [finding_json(finding) for finding in violation.findings]
            click.echo(json.dumps({"error": violation.message, "findings": findings}, indent=2))
        raise
    _say((*made.notes, *(f"{finding.message} [{finding.rule.id}]" for finding in made.findings)), options)
    if options["output"] == "json":
        from opensslgen.report import made_json

        click.echo(json.dumps(made_json(made), indent=2, ensure_ascii=False))
    elif not options["quiet"]:
        from opensslgen.report import made_text

        click.echo(made_text(made), nl=False)


def _say(notes: tuple[str, ...], options: dict[str, Any]) -> None:
    for note in notes:
        if not options["quiet"]:
            click.echo(f"Note: {note}", err=True)


def _has_passphrase(options: dict[str, Any]) -> bool:
    return bool(options["passphrase_file"] or os.environ.get("OPENSSLGEN_CA_PASSPHRASE"))


def _secret(options: dict[str, Any], name: str) -> str:
    """Return a passphrase or password: from its file, its environment variable, or the terminal."""
    from opensslgen.recipes import CA_PASSPHRASE, SECRETS, fit_secret

    what = SECRETS[name]
    option = "passphrase_file" if name == CA_PASSPHRASE else "p12_password_file"
    if options.get(option):
        return fit_secret(name, first_line(options[option], what))
    if os.environ.get(name):
        return fit_secret(name, os.environ[name])
    if not sys.stdin.isatty():
        raise UsageError(f"the {what} is needed", hint=f"give --{option.replace('_', '-')} FILE or set {name}")
    # `root` alone has an option to ask for one, and it never opens an old key.
    new = name != CA_PASSPHRASE or "passphrase" in options or not (options["pki"] / "private" / "ca.key").exists()
    return fit_secret(name, click.prompt(what.capitalize(), hide_input=True, confirmation_prompt=new, err=True))
