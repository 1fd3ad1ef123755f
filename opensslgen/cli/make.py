"""The commands that make certificates: options become an order, and the order a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
    is_printed,
    together,
)
from .run_job import do, given, has_passphrase

if TYPE_CHECKING:
    from opensslgen.jobs.job import Job
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.orders.kinds import Kind
    from opensslgen.orders.order import LeafOrder


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


_BELOW_AN_AUTHORITY = together(
    _LEAF,
    CRL_URL,
    PASSPHRASE_FILE,
    click.option("--csr-only", is_flag=True, help="Make a key and a request, for another authority to sign."),
    ALLOW,
    RUNNING,
)


@click.command()
@_BELOW_AN_AUTHORITY
def server(**options: Any) -> None:
    """Make a server's key and certificate, and a root first if there is none.

    \b
    opensslgen server pbx.example.com --san IP:10.0.0.5
    opensslgen server pbx.example.com --san "DNS:sip.example.com, IP:10.0.0.5" --p12
    opensslgen server pbx.example.com --script > make.sh

    NAME is a host name or an IP address; it becomes the common name and the first subject alternative name.
    """
    from opensslgen.orders.kinds import SERVER

    _leaf(SERVER, options)


@click.command()
@_BELOW_AN_AUTHORITY
def client(**options: Any) -> None:
    """Make the key and certificate of a client: a SIP phone, or a person.

    \b
    opensslgen client alice@example.com --cn "Alice Example" --p12
    opensslgen client phone-17.example.com
    opensslgen client 9608-phone --key-type p-256

    NAME becomes the common name and names the files; a host name or mail address is a subject alternative name, too.
    """
    from opensslgen.orders.kinds import CLIENT

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
    from opensslgen.jobs.issue import self_signed_job
    from opensslgen.orders.kinds import SELF_SIGNED
    from opensslgen.pki.store import Store

    openssl = _openssl(options)
    order = _leaf_order(SELF_SIGNED, options, openssl)
    do(lambda: self_signed_job(order, store=Store(options["pki"]), allow=options["allow"]), options, openssl)


def _leaf(kind: Kind, options: dict[str, Any]) -> None:
    """Make a leaf below the folder's authority, or a request for one."""
    from opensslgen.jobs.issue import leaf_job, request_job
    from opensslgen.orders.order import root_order
    from opensslgen.pki.store import Store

    openssl = _openssl(options)
    order = _leaf_order(kind, options, openssl)
    store = Store(options["pki"])
    root = root_order(organization=options["organization"], encrypted=has_passphrase(options))

    def prepare() -> Job:
        if options["csr_only"]:
            return request_job(order, store=store, allow=options["allow"])
        return leaf_job(order, store=store, root=root, fixed_days=options["days"] is not None, allow=options["allow"])

    do(prepare, options, openssl)


def _openssl(options: dict[str, Any]) -> OpenSSL | None:
    """Return the openssl; None for a script that needs nothing of it now."""
    from opensslgen.openssl import command

    return None if is_printed(options) and not options["key_file"] else command.find(options["openssl"])


def _leaf_order(kind: Kind, options: dict[str, Any], openssl: OpenSSL | None) -> LeafOrder:
    from opensslgen.files.read import read_template
    from opensslgen.jobs.perform import with_key
    from opensslgen.orders.order import LEAF_DAYS, leaf_order

    order = leaf_order(
        options["name"],
        kind=kind,
        san=options["san"],
        key_type=options["key_type"],
        key_file=options["key_file"],
        days=options["days"] or LEAF_DAYS,
        extended_key_usage=options["eku"],
        key_usage=options["key_usage"],
        template=read_template(options["template"]) if options["template"] else None,
        p12=options["p12"],
        crl_url=options.get("crl_url"),
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    return with_key(order, openssl) if openssl else order


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
    from opensslgen.jobs.issue import root_job
    from opensslgen.orders.order import root_order
    from opensslgen.pki.store import Store

    order = root_order(
        key_type=options["key_type"],
        days=options["days"],
        encrypted=options["passphrase"] or has_passphrase(options),
        permit=options["permit"],
        exclude=options["exclude"],
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    do(lambda: root_job(order, store=Store(options["pki"])), options, None)


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
    from opensslgen.jobs.issue import intermediate_job
    from opensslgen.orders.order import INTERMEDIATE_DAYS, intermediate_order
    from opensslgen.pki.store import Store

    order = intermediate_order(
        options["name"],
        key_type=options["key_type"],
        days=options["days"] or INTERMEDIATE_DAYS,
        path_length=options["pathlen"],
        encrypted=bool(options["new_passphrase"] or given(options, "OPENSSLGEN_NEW_PASSPHRASE")),
        permit=options["permit"],
        exclude=options["exclude"],
        crl_url=options["crl_url"],
        **{field: options[field] for field in SUBJECT_FIELDS},
    )
    store = Store(options["pki"])
    do(lambda: intermediate_job(order, store=store, fixed_days=options["days"] is not None), options, None)
