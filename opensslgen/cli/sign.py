"""The command that signs a request made elsewhere: what it asks for is shown, and has to be confirmed."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import Error, UsageError
from opensslgen.orders import from_request
from opensslgen.x509.request import STDIN, read_request

from .options import ALLOW, CRL_URL, LIMITS, PASSPHRASE_FILE, RUNNING, together
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import AuthorityOrder, LeafOrder
    from opensslgen.x509.request import Request


@click.command()
@click.argument("request")
@together(
    click.option(
        "--as", "kind", type=click.Choice(["server", "client", "intermediate"]), default="server", show_default=True,
        help="What the certificate is to be.",
    ),
    click.option("--san", multiple=True, metavar="NAMES", help="The names that it gets, whatever it asks for."),
    click.option("--yes", is_flag=True, help="Take all names that it asks for, without a question."),
    click.option("--name", metavar="STEM", help="Name of its files.  [default: its first name]"),
    click.option("--days", type=click.IntRange(1, 36500), help="Days of validity.  [default: 820; intermediate: 1825]"),
    click.option("--eku", multiple=True, metavar="USAGE", help="Extended key usage, if not that of this kind."),
    click.option("--key-usage", multiple=True, metavar="USAGE", help="Key usage, if not what suits the key."),
    click.option("--pathlen", type=click.IntRange(0, 10), metavar="N", help="Of an intermediate.  [default: 0]"),
    LIMITS,
    CRL_URL,
    PASSPHRASE_FILE,
    ALLOW,
    RUNNING,
)  # fmt: skip
def sign(**options: Any) -> None:
    """Sign a certificate request that was made elsewhere: by an IP500 V2, a phone, or `--csr-only`.

    \b
    opensslgen sign ip500.req                                  shows what it asks for, and asks
    opensslgen sign ip500.req --san ip500.example.com,10.0.0.5
    ssh pbx cat /tmp/pbx.req | opensslgen sign - --yes
    opensslgen sign site.req --as intermediate --permit berlin.example.com --yes

    REQUEST is a file, PEM or DER, or - for standard input. Its signature has to be that of its own key. Of what it asks
    for only the names are taken over, once they are confirmed or given; all else is left out, and said so. Its subject
    and its key become those of the certificate.
    """
    from opensslgen.jobs.sign import sign_job
    from opensslgen.pki.store import Store

    request = read_request(options["request"])
    order = _authority(request, options) if options["kind"] == "intermediate" else _leaf(request, options)
    _confirm(request, order, options)
    store, fixed_days = Store(options["pki"]), options["days"] is not None
    do(lambda: sign_job(request, order, store=store, fixed_days=fixed_days, allow=options["allow"]), options, None)


def _leaf(request: Request, options: dict[str, Any]) -> LeafOrder:
    from opensslgen.names.general import parse_names
    from opensslgen.orders.kinds import KINDS
    from opensslgen.orders.order import LEAF_DAYS

    for option in ("pathlen", "permit", "exclude"):
        if options[option] not in (None, ()):
            raise UsageError(f"--{option} goes with --as intermediate")
    kind = KINDS[options["kind"]]
    given = tuple(name for text in options["san"] for name in parse_names(text))
    return from_request.leaf_order_of(
        request,
        names=given or from_request.asked_names(request, kind),
        kind=kind,
        stem=options["name"],
        days=options["days"] or LEAF_DAYS,
        extended_key_usage=options["eku"],
        key_usage=options["key_usage"],
        crl_url=options["crl_url"],
    )


def _authority(request: Request, options: dict[str, Any]) -> AuthorityOrder:
    from opensslgen.orders.order import INTERMEDIATE_DAYS

    for option in ("san", "eku", "key_usage"):
        if options[option]:
            raise UsageError(f"--{option.replace('_', '-')} does not go with --as intermediate")
    return from_request.authority_order_of(
        request,
        stem=options["name"],
        days=options["days"] or INTERMEDIATE_DAYS,
        path_length=options["pathlen"] or 0,
        permit=options["permit"],
        exclude=options["exclude"],
        crl_url=options["crl_url"],
    )


def _confirm(request: Request, order: LeafOrder | AuthorityOrder, options: dict[str, Any]) -> None:
    """Show whom a certificate would be for, and ask unless the names were given; raises UsageError on a pipe."""
    names: tuple[GeneralName, ...] = getattr(order, "subject_alternative_names", ())
    sure = options["yes"] or options["san"]
    # Who gives the request on standard input has no more to say there.
    if not sure and (options["request"] == STDIN or not sys.stdin.isatty()):
        what = ", ".join(map(str, names)) or f"the subject {request.subject}"
        some = f", or name those that it is to have: {_as_options(names)}" if names else ""
        raise UsageError(f"it has to be confirmed, and nobody can be asked here: {what}", hint=f"--yes takes it{some}")
    if not sure or not options["quiet"]:
        click.echo(f"A certificate for {str(request.subject) or 'nobody by name'}", err=True)
        click.echo(f"  key   {order.key_type.name}", err=True)
        for name in names:
            click.echo(f"  name  {name}", err=True)
    if not sure and not click.confirm("Sign this?", err=True):
        raise Error("nothing was signed")


def _as_options(names: tuple[GeneralName, ...]) -> str:
    return " ".join(f"--san {shlex.quote(str(name))}" for name in names)
