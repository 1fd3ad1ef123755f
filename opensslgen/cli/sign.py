"""The command that signs a request made elsewhere: it shows what the request asks for, and asks before it signs."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from opensslgen.errors import Error, UsageError

from . import complete
from .command import InGroups, known_as
from .options import (
    ALLOW,
    CRL_URL,
    EKU,
    KEY_USAGE,
    LIMITS,
    PASSPHRASE,
    PATH_LENGTH,
    RUNNING,
    SAN_NAMES,
    SUBJECT,
    Limits,
    NumberParameter,
    Running,
    Subject,
    grouped,
    refuse,
    together,
)
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName
    from opensslgen.names.subject import Subject as NewSubject
    from opensslgen.orders.order import AuthorityOrder, LeafOrder
    from opensslgen.x509.request import Request

    from .secrets import Secrets


class Wanted(NamedTuple):
    """What the certificate is to be, as typed."""

    kind: str
    san: tuple[str, ...]
    yes: bool
    name: str | None
    days: int | None
    eku: tuple[str, ...]
    key_usage: tuple[str, ...]
    pathlen: int | None
    limits: Limits
    crl_url: str | None
    subject: Subject

    def new_subject(self) -> NewSubject | None:
        """Return the subject that replaces the request's; None if it was not typed."""
        from opensslgen.names.subject import parse_subject

        fields = self.subject.fields()
        return parse_subject(**fields) if any(value is not None for value in fields.values()) else None


@click.command(cls=InGroups)
@click.argument("request", shell_complete=complete.file)
@together(
    click.option(
        "--kind", cls=known_as("--as"), type=click.Choice(["server", "client", "intermediate"]),
        default="server", show_default=True, help="Kind of certificate to issue.",
    ),
    click.option(
        "--san", cls=known_as(*SAN_NAMES), multiple=True, metavar="NAMES",
        help="Issue for these names only; repeat the option, or separate names with commas.",
    ),
    click.option("--yes", is_flag=True, help="Accept all names in the request, without asking."),
    click.option("--name", metavar="STEM", help="Name of the files, without suffix.  [default: the first name]"),
    click.option("--days", type=NumberParameter(1, 36500), help="Days of validity.  [default: 820; for a CA 1825]"),
    EKU,
    KEY_USAGE,
    PATH_LENGTH,
    LIMITS,
    CRL_URL,
    SUBJECT,
    grouped(Wanted),
    PASSPHRASE,
    ALLOW,
    RUNNING,
)  # fmt: skip
def sign(request: str, wanted: Wanted, secrets: Secrets, allow: tuple[str, ...], running: Running) -> None:
    """Sign a certificate request (CSR) that was made elsewhere.

    \b
    opensslgen sign ip500.req                                  show the names in the request, and ask
    opensslgen sign ip500.req --san ip500.example.com,10.0.0.5
    ssh pbx cat /tmp/pbx.req | opensslgen sign - --yes
    opensslgen sign site.req --kind intermediate --permit berlin.example.com --yes

    REQUEST is a file, PEM or DER, or - for standard input. It must be signed with its own key. The certificate takes
    the key, the subject and, once you confirm them, the names of the request; a note lists what else the request asks
    for and does not get. --cn, --org and the others set another subject.
    """
    from opensslgen.jobs.job import root_of
    from opensslgen.jobs.sign import sign_job
    from opensslgen.x509.request import STDIN, read_request

    secret = secrets.for_pki(running.pki, running.openssl)
    store, fixed_days = running.store, wanted.days is not None
    decoded = read_request(request)
    order = _authority(decoded, wanted) if wanted.kind == "intermediate" else _leaf(decoded, wanted)
    root_of(store)
    if not running.is_printed:
        secret.unlock()
    _confirm(decoded, order, wanted, quiet=running.quiet, can_ask=request != STDIN and sys.stdin.isatty())
    do(
        lambda: sign_job(decoded, order, store=store, fixed_days=fixed_days, allow=allow),
        running,
        secret=secret,
        allow=allow,
    )


def _leaf(request: Request, wanted: Wanted) -> LeafOrder:
    from opensslgen.names.general import parse_names
    from opensslgen.orders import from_request
    from opensslgen.orders.kinds import KINDS
    from opensslgen.orders.order import LEAF_DAYS

    refuse("can only be used with --kind intermediate", pathlen=wanted.pathlen is not None, **wanted.limits._asdict())
    kind = KINDS[wanted.kind]
    names = tuple(name for text in wanted.san for name in parse_names(text))
    return from_request.leaf_order_of(
        request,
        names=names or from_request.requested_names(request, kind),
        kind=kind,
        stem=wanted.name,
        days=wanted.days or LEAF_DAYS,
        extended_key_usage=wanted.eku,
        key_usage=wanted.key_usage,
        crl_url=wanted.crl_url,
        subject=wanted.new_subject(),
    )


def _authority(request: Request, wanted: Wanted) -> AuthorityOrder:
    from opensslgen.orders import from_request
    from opensslgen.orders.order import INTERMEDIATE_DAYS

    refuse("cannot be used with --kind intermediate", san=wanted.san, eku=wanted.eku, key_usage=wanted.key_usage)
    return from_request.authority_order_of(
        request,
        stem=wanted.name,
        days=wanted.days or INTERMEDIATE_DAYS,
        path_length=wanted.pathlen or 0,
        permit=wanted.limits.permit,
        exclude=wanted.limits.exclude,
        crl_url=wanted.crl_url,
        subject=wanted.new_subject(),
    )


def _confirm(
    request: Request, order: LeafOrder | AuthorityOrder, wanted: Wanted, *, quiet: bool, can_ask: bool
) -> None:
    """Show what would be signed, and ask unless the names were typed; raises UsageError if nobody can be asked."""
    from opensslgen.x509.names import Name

    names: tuple[GeneralName, ...] = getattr(order, "subject_alternative_names", ())
    sure = wanted.yes or bool(wanted.san)
    if not sure and not can_ask:
        what = ", ".join(map(str, names)) or f"the subject {request.subject}"
        options = " ".join(f"--san {shlex.quote(str(name))}" for name in names)
        some = f"; to choose names, add {options}" if names else ""
        raise UsageError(
            f"the request has to be confirmed, and there is no terminal to ask on: {what}",
            hint=f"to accept it as it is, add --yes{some}",
        )
    if not sure or not quiet:
        click.echo(f"A certificate for {str(Name(order.subject.attributes)) or 'an empty subject'}", err=True)
        click.echo(f"  key   {order.key_type.name}", err=True)
        for name in names:
            click.echo(f"  name  {name}", err=True)
    if not sure and not click.confirm("Sign this?", err=True):
        raise Error("nothing was signed")
