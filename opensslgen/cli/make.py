"""The commands that issue certificates: options become an order, and the order becomes a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from opensslgen.errors import UsageError
from opensslgen.plan.secrets import NEW_PASSPHRASE

from .command import InGroups, known_as
from .options import (
    ALLOW,
    CRL_URL,
    DAYS,
    EKU,
    KEY_TYPE,
    KEY_USAGE,
    LIMITS,
    NEW_CA,
    P12,
    P12_PASSWORD,
    PASSPHRASE,
    PASSPHRASE_AND_P12_PASSWORD,
    PASSPHRASES,
    PATH_LENGTH,
    RUNNING,
    SAN_NAMES,
    SUBJECT,
    Limits,
    NewCA,
    NumberParameter,
    Running,
    Subject,
    file_option,
    grouped,
    is_typed,
    together,
)
from .run_job import do

if TYPE_CHECKING:
    from opensslgen.jobs.job import Job
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.orders.kinds import Kind
    from opensslgen.orders.order import AuthorityOrder, LeafOrder
    from opensslgen.x509.key_types import KeyType

    from .secrets import Secrets


class Leaf(NamedTuple):
    """What is asked of a server's or client's certificate, as typed."""

    name: str
    san: tuple[str, ...]
    days: int | None
    subject: Subject
    key_type: KeyType
    key_file: Path | None
    eku: tuple[str, ...]
    key_usage: tuple[str, ...]
    template: Path | None
    p12: str | None
    crl_url: str | None = None

    def order(self, kind: Kind, openssl: OpenSSL | None) -> LeafOrder:
        """Return the order; the user's own key is read if there is an openssl to read it."""
        from opensslgen.files.read import read_template
        from opensslgen.jobs.own_key import with_key
        from opensslgen.orders.order import LEAF_DAYS, leaf_order

        order = leaf_order(
            self.name,
            kind=kind,
            san=self.san,
            key_type=self.key_type,
            key_file=self.key_file,
            days=self.days or LEAF_DAYS,
            extended_key_usage=self.eku,
            key_usage=self.key_usage,
            template=read_template(self.template) if self.template else None,
            p12=self.p12,
            crl_url=self.crl_url,
            **self.subject.fields(),
        )
        return with_key(order, openssl) if openssl else order


_SAN = click.option(
    "--san", cls=known_as(*SAN_NAMES), multiple=True, metavar="NAMES",
    help="Additional name; repeat the option, or separate names with commas.",
)  # fmt: skip
_KEY_FILE = file_option("--key-file", help="Use this private key instead of generating one.")
_TEMPLATE = file_option("--template", help="Use this extension file instead of the default.")
_OF_ALL = (click.argument("name"), _SAN, DAYS, SUBJECT, KEY_TYPE, _KEY_FILE, EKU, KEY_USAGE, _TEMPLATE, P12)
_CSR_ONLY = click.option(
    "--csr-only", is_flag=True, help="Only make a key and a certificate request (CSR), for another CA to sign."
)
_ISSUED = together(*_OF_ALL, CRL_URL, grouped(Leaf), NEW_CA, PASSPHRASE_AND_P12_PASSWORD, _CSR_ONLY, ALLOW, RUNNING)


@click.command(cls=InGroups)
@_ISSUED
def server(
    *, leaf: Leaf, newca: NewCA, csr_only: bool, secrets: Secrets, allow: tuple[str, ...], running: Running
) -> None:
    """Issue a certificate for a server.

    \b
    opensslgen server pbx.example.com --san IP:10.0.0.5
    opensslgen server pbx.example.com --new-ca --ca-name "Acme CA"
    opensslgen server pbx.example.com --san "DNS:sip.example.com, IP:10.0.0.5" --p12
    opensslgen server pbx.example.com --script > make.sh

    NAME is a host name or an IP address. It becomes the common name and the first subject alternative name. If the pki
    folder has no CA, the command asks whether to create one. Without a terminal, it needs --new-ca or --yes.
    """
    from opensslgen.orders.kinds import SERVER

    _issue(SERVER, leaf, running, newca=newca, secrets=secrets, csr_only=csr_only, allow=allow)


@click.command(cls=InGroups)
@_ISSUED
def client(
    *, leaf: Leaf, newca: NewCA, csr_only: bool, secrets: Secrets, allow: tuple[str, ...], running: Running
) -> None:
    """Issue a certificate for a client: a SIP phone or a person.

    \b
    opensslgen client alice@example.com --cn "Alice Example" --p12
    opensslgen client phone-17.example.com
    opensslgen client 9608-phone --key-type p-256

    NAME becomes the common name and the name of the files. A host name or an email address also becomes a subject
    alternative name. If the pki folder has no CA, the command asks whether to create one. Without a terminal, it needs
    --new-ca or --yes.
    """
    from opensslgen.orders.kinds import CLIENT

    _issue(CLIENT, leaf, running, newca=newca, secrets=secrets, csr_only=csr_only, allow=allow)


@click.command("self-signed", cls=InGroups)
@together(*_OF_ALL, grouped(Leaf), P12_PASSWORD, ALLOW, RUNNING)
def self_signed(leaf: Leaf, secrets: Secrets, allow: tuple[str, ...], running: Running) -> None:
    """Make a self-signed certificate for a server.

    \b
    opensslgen self-signed ip500.example.com --san 192.168.42.1 --san 192.168.43.1

    Use it only for appliances that accept no other. Phones cannot install it as a root: on each device, somebody has to
    accept it by hand. If you can, use a certificate issued by your own root: `server`, or `sign` for a request from the
    appliance.
    """
    from opensslgen.jobs.issue import self_signed_job
    from opensslgen.orders.kinds import SELF_SIGNED

    secrets.refuse_unused_password(is_used=leaf.p12 is not None)
    openssl = _openssl(leaf, running)
    order = leaf.order(SELF_SIGNED, openssl)
    do(
        lambda: self_signed_job(order, store=running.store, allow=allow),
        running,
        secrets=secrets,
        allow=allow,
        openssl=openssl,
    )


def _issue(
    kind: Kind,
    leaf: Leaf,
    running: Running,
    *,
    newca: NewCA,
    secrets: Secrets,
    csr_only: bool,
    allow: tuple[str, ...],
) -> None:
    """Issue a leaf by the folder's CA, or make a request for one."""
    from opensslgen.jobs.issue import leaf_job, request_job
    from opensslgen.orders.kinds import SERVER

    if csr_only:
        _refuse_without_effect(leaf, newca, secrets)
    secrets.refuse_unused_password(is_used=leaf.p12 is not None)
    openssl = _openssl(leaf, running)
    order = leaf.order(kind, openssl)
    store = running.store
    root = None
    if not csr_only:
        root = newca.order(
            store,
            organization=leaf.subject.organization,
            host=order.names[0].value if kind is SERVER else None,
            encrypted=secrets.has_passphrase,
            names=order.names if kind is SERVER else (),
        )

    def prepare() -> Job:
        if csr_only:
            return request_job(order, store=store, allow=allow)
        return leaf_job(order, store=store, root=root, fixed_days=leaf.days is not None, allow=allow)

    do(prepare, running, secrets=secrets, allow=allow, openssl=openssl)


def _refuse_without_effect(leaf: Leaf, newca: NewCA, secrets: Secrets) -> None:
    """Raise UsageError for an option that has no effect on a request: whoever signs it decides."""
    for option, is_set in (
        ("--days", leaf.days is not None),
        ("--template", leaf.template),
        (f"--{leaf.p12}", leaf.p12),
        ("--crl-url", is_typed("crl_url")),
        ("--p12-password-file", secrets.p12_password_file),
        ("--passphrase-file", secrets.passphrase_file),
        ("--new-ca", newca.new_ca),
        ("--ca-name", newca.ca_name is not None),
    ):
        if is_set:
            raise UsageError(f"{option} cannot be used with --csr-only, which makes only a key and a request")


def _openssl(leaf: Leaf, running: Running) -> OpenSSL | None:
    """Return the openssl; None for a script that needs none now."""
    from opensslgen.openssl import provider

    return None if running.is_printed and not leaf.key_file else provider.find(running.openssl)


class Root(NamedTuple):
    """What is asked of a root, as typed."""

    days: int
    subject: Subject
    key_type: KeyType
    limits: Limits
    passphrase: bool

    def order(self, *, encrypted: bool) -> AuthorityOrder:
        """Return the order."""
        from opensslgen.orders.order import root_order

        return root_order(
            key_type=self.key_type,
            days=self.days,
            encrypted=encrypted,
            permit=self.limits.permit,
            exclude=self.limits.exclude,
            **self.subject.fields(),
        )


@click.command(cls=InGroups)
@together(
    click.option("--days", type=NumberParameter(1, 36500), default=3650, show_default=True, help="Days of validity."),
    SUBJECT,
    KEY_TYPE,
    LIMITS,
    click.option("--passphrase", is_flag=True, help="Ask for a passphrase, to encrypt the key with."),
    grouped(Root),
    PASSPHRASE,
    ALLOW,
    RUNNING,
)
def root(root: Root, secrets: Secrets, allow: tuple[str, ...], running: Running) -> None:
    """Make a root certificate and its key.

    \b
    opensslgen root --cn "Acme root 2026" --org Acme
    opensslgen root --key-type p-256 --passphrase
    opensslgen root --permit example.com --permit 10.0.0.0/8

    `server --new-ca` makes one with the default settings if there is none. Phones show the common name. By default, it
    is the organization, or the name of this machine and "CA".
    """
    from opensslgen.jobs.issue import root_job

    order = root.order(encrypted=root.passphrase or secrets.has_passphrase)
    # With --force there may be an old key; the passphrase is that of the new one.
    do(lambda: root_job(order, store=running.store), running, secret=secrets.asked(lambda _: True), allow=allow)


class Intermediate(NamedTuple):
    """What is asked of an intermediate CA, as typed."""

    name: str
    days: int | None
    pathlen: int | None
    limits: Limits
    subject: Subject
    key_type: KeyType
    crl_url: str | None
    new_passphrase: bool

    def order(self, *, encrypted: bool) -> AuthorityOrder:
        """Return the order."""
        from opensslgen.orders.order import INTERMEDIATE_DAYS, intermediate_order

        return intermediate_order(
            self.name,
            key_type=self.key_type,
            days=self.days or INTERMEDIATE_DAYS,
            path_length=self.pathlen or 0,
            encrypted=encrypted,
            permit=self.limits.permit,
            exclude=self.limits.exclude,
            crl_url=self.crl_url,
            **self.subject.fields(),
        )


@click.command(cls=InGroups)
@click.argument("name")
@together(
    click.option("--days", type=NumberParameter(1, 36500), help="Days of validity.  [default: 1825]"),
    PATH_LENGTH,
    LIMITS,
    SUBJECT,
    KEY_TYPE,
    CRL_URL,
    click.option("--new-passphrase", is_flag=True, help="Ask for a passphrase, to encrypt the new key with."),
    grouped(Intermediate),
    PASSPHRASES,
    ALLOW,
    RUNNING,
)
def intermediate(intermediate: Intermediate, secrets: Secrets, allow: tuple[str, ...], running: Running) -> None:
    """Issue a certificate for an intermediate CA.

    \b
    opensslgen intermediate site-berlin --permit berlin.example.com --permit 10.3.0.0/16
    opensslgen adopt pki/issued/site-berlin-chain.pem --key pki/private/site-berlin.key --pki pki-berlin

    A site or a reseller can then issue certificates while the root's key stays in a safe place. NAME becomes the common
    name and the name of the files. Phones enforce the limits set by --permit and --exclude.
    """
    from opensslgen.jobs.issue import intermediate_job

    order = intermediate.order(encrypted=intermediate.new_passphrase or secrets.has(NEW_PASSPHRASE))
    fixed_days = intermediate.days is not None
    do(
        lambda: intermediate_job(order, store=running.store, fixed_days=fixed_days),
        running,
        secrets=secrets,
        allow=allow,
    )
