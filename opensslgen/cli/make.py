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

from .options import (
    ALLOW,
    CRL_URL,
    KEY_TYPE,
    LIMITS,
    NEW_PASSPHRASE_FILE,
    P12,
    PASSPHRASE_FILE,
    RUNNING,
    SUBJECT,
    SUBJECT_FIELDS,
    first_line,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.jobs import Job
    from opensslgen.kinds import Kind
    from opensslgen.openssl import OpenSSL
    from opensslgen.orders import LeafOrder


_LEAF = together(
    click.argument("name"),
    click.option("--san", multiple=True, metavar="NAMES", help="Further names: DNS:…, IP:…, or bare; also a list."),
    click.option("--days", type=click.IntRange(1, 36500), help="Days of validity.  [default: 820]"),
    SUBJECT,
    KEY_TYPE,
    click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="Use this key, make none."),
    click.option("--eku", multiple=True, metavar="USAGE", help="Extended key usage, if not that of this kind."),
    click.option("--key-usage", multiple=True, metavar="USAGE", help="Key usage, if not what suits the key."),
    click.option("--template", type=click.Path(path_type=Path), metavar="FILE", help="Your own extension file."),
    P12,
)


@click.command()
@together(
    _LEAF,
    CRL_URL,
    PASSPHRASE_FILE,
    click.option("--csr-only", is_flag=True, help="Make a key and a request, for another authority to sign."),
    ALLOW,
    RUNNING,
)
def server(**options: Any) -> None:
    """Make a server's key and certificate, and a root first if there is none.

    \b
    opensslgen server pbx.example.com --san IP:10.0.0.5
    opensslgen server pbx.example.com --san "DNS:sip.example.com, IP:10.0.0.5" --p12
    opensslgen server pbx.example.com --script > make.sh

    NAME is a host name or an IP address; it becomes the common name and the first subject alternative name.
    """
    from opensslgen.kinds import SERVER

    _leaf(SERVER, options)


@click.command()
@together(
    _LEAF,
    CRL_URL,
    PASSPHRASE_FILE,
    click.option("--csr-only", is_flag=True, help="Make a key and a request, for another authority to sign."),
    ALLOW,
    RUNNING,
)
def client(**options: Any) -> None:
    """Make the key and certificate of a client: a SIP phone, or a person.

    \b
    opensslgen client alice@example.com --cn "Alice Example" --p12
    opensslgen client phone-17.example.com
    opensslgen client 9608-phone --key-type p-256

    NAME becomes the common name and names the files; a host name or mail address is a subject alternative name, too.
    """
    from opensslgen.kinds import CLIENT

    _leaf(CLIENT, options)


@click.command("self-signed")
@together(_LEAF, ALLOW, RUNNING)
def self_signed(**options: Any) -> None:
    """Make a server's certificate that signs itself, for a box that takes no other.

    \b
    opensslgen self-signed ip500.example.com --san 192.168.42.1 --san 192.168.43.1

    Phones cannot install it as a root: each device has to accept it by hand. Where it can be had, a certificate below a
    root of your own is better: `server`, or `sign` for a request that the box has made.
    """
    from opensslgen.jobs import self_signed_job
    from opensslgen.kinds import SELF_SIGNED
    from opensslgen.store import Store

    openssl = _openssl(options)
    order = _leaf_order(SELF_SIGNED, options, openssl)
    _do(lambda: self_signed_job(order, store=Store(options["pki"]), allow=options["allow"]), options, openssl)


def _leaf(kind: Kind, options: dict[str, Any]) -> None:
    """Make a leaf below the folder's authority, or a request for one."""
    from opensslgen.jobs import leaf_job, request_job
    from opensslgen.orders import root_order
    from opensslgen.store import Store

    openssl = _openssl(options)
    order = _leaf_order(kind, options, openssl)
    store = Store(options["pki"])
    root = root_order(organization=options["organization"], encrypted=_has_passphrase(options))

    def prepare() -> Job:
        if options["csr_only"]:
            return request_job(order, store=store, allow=options["allow"])
        return leaf_job(order, store=store, root=root, fixed_days=options["days"] is not None, allow=options["allow"])

    _do(prepare, options, openssl)


def _openssl(options: dict[str, Any]) -> OpenSSL | None:
    """Return the openssl; None for a script that needs nothing of it now."""
    from opensslgen import openssl as command

    return None if options["script"] and not options["key_file"] else command.find(options["openssl"])


def _leaf_order(kind: Kind, options: dict[str, Any], openssl: OpenSSL | None) -> LeafOrder:
    from opensslgen.authority import key_type_of
    from opensslgen.orders import LEAF_DAYS, leaf_order

    key_type = options["key_type"]
    if options["key_file"] and openssl:
        key_type = key_type_of(options["key_file"], openssl)
    return leaf_order(
        options["name"],
        kind=kind,
        san=options["san"],
        key_type=key_type,
        key_file=options["key_file"],
        days=options["days"] or LEAF_DAYS,
        extended_key_usage=options["eku"],
        key_usage=options["key_usage"],
        template_file=options["template"],
        p12=options["p12"],
        crl_url=options.get("crl_url"),
        **{field: options[field] for field in SUBJECT_FIELDS},
    )


@click.command()
@together(
    click.option("--days", type=click.IntRange(1, 36500), default=3650, show_default=True, help="Days of validity."),
    SUBJECT,
    KEY_TYPE,
    LIMITS,
    click.option("--passphrase", is_flag=True, help="Ask for a passphrase for its key."),
    PASSPHRASE_FILE,
    RUNNING,
)
def root(**options: Any) -> None:
    """Make a root certificate; `server` does it by itself, with the defaults.

    \b
    opensslgen root --cn "Acme root 2026" --org Acme
    opensslgen root --key-type p-256 --passphrase
    opensslgen root --permit example.com --permit 10.0.0.0/8
    """
    from opensslgen.jobs import root_job
    from opensslgen.orders import root_order
    from opensslgen.store import Store

    order = root_order(
        key_type=options["key_type"],
        days=options["days"],
        encrypted=options["passphrase"] or _has_passphrase(options),
        permit=options["permit"],
        exclude=options["exclude"],
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    _do(lambda: root_job(order, store=Store(options["pki"])), options, None)


@click.command()
@click.argument("name")
@together(
    click.option("--days", type=click.IntRange(1, 36500), help="Days of validity.  [default: 1825]"),
    click.option(
        "--pathlen", type=click.IntRange(0, 10), default=0, show_default=True, metavar="N",
        help="How many authorities may stand below it.",
    ),
    LIMITS,
    SUBJECT,
    KEY_TYPE,
    CRL_URL,
    click.option("--new-passphrase", is_flag=True, help="Ask for a passphrase for its key."),
    NEW_PASSPHRASE_FILE,
    PASSPHRASE_FILE,
    ALLOW,
    RUNNING,
)  # fmt: skip
def intermediate(**options: Any) -> None:
    """Make an authority below the root, for a site or a reseller, so that the root's key can stay at home.

    \b
    opensslgen intermediate site-berlin --permit berlin.example.com --permit 10.3.0.0/16
    opensslgen adopt pki/issued/site-berlin-chain.pem --key pki/private/site-berlin.key --pki pki-berlin

    NAME becomes the common name and names the files. The limits that --permit and --exclude set are honoured by phones.
    """
    from opensslgen.jobs import intermediate_job
    from opensslgen.orders import INTERMEDIATE_DAYS, intermediate_order
    from opensslgen.store import Store

    order = intermediate_order(
        options["name"],
        key_type=options["key_type"],
        days=options["days"] or INTERMEDIATE_DAYS,
        path_length=options["pathlen"],
        encrypted=bool(options["new_passphrase"] or _given(options, "OPENSSLGEN_NEW_PASSPHRASE")),
        permit=options["permit"],
        exclude=options["exclude"],
        crl_url=options["crl_url"],
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    store = Store(options["pki"])
    _do(lambda: intermediate_job(order, store=store, fixed_days=options["days"] is not None), options, None)


def _do(prepare: Callable[[], Job], options: dict[str, Any], openssl: OpenSSL | None) -> None:
    """Print a job as a script, or do it and report."""
    from opensslgen import openssl as command
    from opensslgen.authority import Authority
    from opensslgen.jobs import Violation
    from opensslgen.store import Store

    if options["script"]:
        for option in ("force", "verbose"):
            if options[option]:
                raise UsageError(f"--script makes nothing itself, so --{option} does not go with it")
        job = prepare()
        _say(job.notes, options)
        click.echo(job.plan.script(version=__version__, folder=str(options["pki"])), nl=False)
        return
    store = Store(options["pki"])
    for warning in store.warnings():
        click.echo(f"Warning: {warning}", err=True)
    authority = Authority(
        store=store,
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


def _given(options: dict[str, Any], name: str) -> bool:
    """Tell whether a secret was given in a file or in the environment."""
    return bool(options.get(_FILES[name]) or os.environ.get(name))


def _has_passphrase(options: dict[str, Any]) -> bool:
    return _given(options, "OPENSSLGEN_CA_PASSPHRASE")


_FILES = {
    "OPENSSLGEN_CA_PASSPHRASE": "passphrase_file",
    "OPENSSLGEN_NEW_PASSPHRASE": "new_passphrase_file",
    "OPENSSLGEN_P12_PASSWORD": "p12_password_file",
}
"""The options that name a secret's file."""


def _secret(options: dict[str, Any], name: str) -> str:
    """Return a passphrase or password: from its file, its environment variable, or the terminal."""
    from opensslgen.recipes import CA_PASSPHRASE, SECRETS, fit_secret
    from opensslgen.store import Store

    what, option = SECRETS[name], _FILES[name]
    if options.get(option):
        return fit_secret(name, first_line(options[option], what))
    if os.environ.get(name):
        return fit_secret(name, os.environ[name])
    if not sys.stdin.isatty():
        raise UsageError(f"the {what} is needed", hint=f"give --{option.replace('_', '-')} FILE or set {name}")
    # `root` alone has an option to ask for one, and it never opens an old key.
    store = Store(options["pki"])
    new = name != CA_PASSPHRASE or "passphrase" in options or not (store.path / store.ca_key).exists()
    return fit_secret(name, click.prompt(what.capitalize(), hide_input=True, confirmation_prompt=new, err=True))
