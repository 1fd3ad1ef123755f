"""The command that gives phones and computers the root: as files with a guide, as a script, or over the network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from opensslgen.errors import UsageError

from .command import InGroups, known_as
from .extra import needs_web
from .options import ALLOW, RUNNING, NumberParameter, Running, file_option, grouped, refuse, together
from .run_job import command_printer, do, make
from .say import is_coloured, print_json, print_notes

if TYPE_CHECKING:
    from opensslgen.plan.sign_profile import Signer
    from opensslgen.rules.rule import Finding
    from opensslgen.x509.certificate import Certificate

_UNITS = {"s": 1, "m": 60, "h": 3600}


class DurationParameter(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.5
    """A time such as 90s, 30m or 2h, in seconds."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds, or fail as click does."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,6})([smh])", str(value).lower())
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 1 <= seconds <= 24 * 3600:
            self.fail("write a time such as 90s, 30m or 2h, at most 24h", param, ctx)
        return seconds


class Sharing(NamedTuple):
    """How to share the root on the network, as typed; None: the default."""

    share: bool
    address: str | None
    port: int | None
    duration: int | None
    """Seconds."""


_SHARING = grouped(
    Sharing,
    click.option("--share", is_flag=True, help="Write no files; let devices on the network download them."),
    click.option("--address", metavar="IP", help="Share on this address.  [default: this machine's address]"),
    click.option(
        "--port", type=NumberParameter(0, 65535), metavar="N",
        help="Share on this port; 0: any free one.  [default: 8080]",
    ),
    click.option(
        "--duration", cls=known_as("--for"), type=DurationParameter(),
        help="Stop sharing after this time, such as 90s or 2h.  [default: 30m]",
    ),
)  # fmt: skip


class Wanted(NamedTuple):
    """Which root the devices shall trust, and what is written about it, as typed."""

    root: Path | None
    out: Path | None
    sign: str | None
    allow: tuple[str, ...]


@click.command(cls=InGroups)
@together(
    file_option("--root", help="Use this root instead of the one in the pki folder."),
    file_option("--out", "DIR", help="Write the files to DIR.  [default: the folder trust, next to the pki folder]"),
    click.option("--sign", metavar="NAME", help="Sign the profile for iPhones with the certificate of this server."),
    _SHARING,
    ALLOW,
    grouped(Wanted),
    RUNNING,
)
def trust(wanted: Wanted, sharing: Sharing, running: Running) -> None:
    """Write the files that devices need to trust the root.

    \b
    opensslgen trust                              write to the folder trust/, for email, a USB stick, a web server
    opensslgen trust --sign pbx.example.com       sign the profile for iPhones
    opensslgen trust --share                      share on the network, with a QR code
    opensslgen trust --root vendor-root.pem       use a root from somewhere else
    opensslgen trust --script > trust.sh

    There is a guide for each kind of phone and computer. The root is first checked against the rules of the profile
    root. If a phone would hide or refuse it, nothing is written.
    """
    from opensslgen.jobs.trust import find_signer
    from opensslgen.trust import anchor

    _refuse_options_without_effect(sharing, wanted.out, running)
    root = anchor.root_in(wanted.root) if wanted.root else anchor.anchor(running.pki)
    findings = _judged(root, wanted.allow, running)
    by = find_signer(running.pki, wanted.sign) if wanted.sign else None
    if sharing.share:
        _share(root, _signed_profile(root, by, running), wanted, sharing, running)
    else:
        _write(root, by, findings, wanted, running)


def _write(root: Certificate, by: Signer | None, findings: list[Finding], wanted: Wanted, running: Running) -> None:
    """Write the files, or print the script that does."""
    from opensslgen.jobs.destination import Destination
    from opensslgen.jobs.trust import trust_job
    from opensslgen.report.trust import Written, sharing_command, trust_json, trust_text
    from opensslgen.trust import files

    into = Destination(running.pki.parent / "trust" if wanted.out is None else wanted.out)
    job = trust_job(root, by)
    if running.is_printed:
        do(lambda: job, running, into=into)
        return
    made = make(lambda: job, running, into=into)
    written = Written(
        root=root,
        folder=into.path,
        files=files.files(root),
        signer=wanted.sign,
        allow=wanted.allow,
        findings=findings,
        kept=made.kept,
        sharing=sharing_command(pki=running.pki, root=wanted.root, sign=wanted.sign, allow=wanted.allow),
    )
    if running.as_json:
        print_json(trust_json(written))
    elif not running.quiet:
        click.echo(trust_text(written), nl=False)


def _refuse_options_without_effect(sharing: Sharing, out: Path | None, running: Running) -> None:
    """Raise UsageError for an option that would have no effect."""
    if sharing.share:
        for option, is_set in ((running.printing, running.is_printed), ("--out", out), ("--force", running.force)):
            if is_set:
                raise UsageError(f"{option} cannot be used with --share, which writes no files")
    else:
        refuse(
            "can only be used with --share",
            address=sharing.address is not None,
            port=sharing.port is not None,
            duration=sharing.duration is not None,
        )


def _judged(root: Certificate, allow: tuple[str, ...], running: Running) -> list[Finding]:
    """Return the warnings about the root, and print them; raises Violation if a phone would hide or refuse it."""
    from opensslgen.jobs.job import Violation
    from opensslgen.jobs.trust import judge_root

    try:
        found = judge_root(root, allow=allow)
    except Violation as refused:
        raise Violation(f"{refused.message}, so nothing was written", refused.findings) from refused
    print_notes(map(str, found), quiet=running.quiet)
    return found


def _signed_profile(root: Certificate, by: Signer | None, running: Running) -> bytes | None:
    """Return the signed profile, if it was asked for."""
    if by is None:
        return None
    from opensslgen.jobs.trust import sign
    from opensslgen.openssl import provider
    from opensslgen.trust.mobileconfig import mobileconfig

    say = command_printer(verbose=running.verbose)
    return sign(mobileconfig(root), by, provider.find(running.openssl), on_command=say)


def _share(root: Certificate, profile: bytes | None, wanted: Wanted, sharing: Sharing, running: Running) -> None:
    """Offer the files over HTTP, and by TLS if there is a certificate for it, until the time is over or Ctrl-C."""
    with needs_web():
        from opensslgen.web import http_server, share
    from opensslgen.openssl import command
    from opensslgen.report.trust import Fetches, check_text, sharing_text

    seconds = 30 * 60 if sharing.duration is None else sharing.duration
    fetches = Fetches()

    def say(fetch: share.Fetch) -> None:
        line = fetches.line(fetch.address, fetch.device, fetch.name)
        if line and not running.quiet:
            click.echo(line, err=True)

    with share.offer(
        root,
        address=sharing.address or share.lan_address(),
        port=sharing.port,
        profile=profile,
        pki=None if wanted.root else running.pki,
        openssl=lambda: command.find(running.openssl),
        on_fetch=say,
    ) as site:
        if running.as_json:
            found = {"url": site.url, "check_url": site.check}
            click.echo(json.dumps({**found, "sha256_fingerprint": root.fingerprint, "seconds": seconds}))
        elif not running.quiet:
            click.echo(sharing_text(root, site.url, seconds, was_chosen=not sharing.address))
            click.echo(check_text(site.check, site.missing))
            click.echo(share.terminal_code(site.url, coloured=is_coloured()), nl=False)
        http_server.serve(site.app, site.listener, seconds=seconds, limits=http_server.Limits())
    if not running.quiet:
        click.echo(f"{fetches.summary()}Stopped.", err=True)
