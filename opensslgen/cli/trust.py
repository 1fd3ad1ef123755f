"""The command that gives phones and computers the root: as files with a guide, as a script, or over the network."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import UsageError
from opensslgen.jobs.trust import signed, signer, trust_job
from opensslgen.report.trust import Written, trust_json, trust_text
from opensslgen.trust import anchor, files

from .options import FOLDER, FORMAT, OPENSSL, PRINTING, from_web, is_printed, together
from .run_job import do, make

if TYPE_CHECKING:
    from opensslgen.plan.trust import Signer
    from opensslgen.rules.rule import Finding
    from opensslgen.x509.certificate import Certificate

_UNITS = {"s": 1, "m": 60, "h": 3600}


class DurationParameter(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.5
    """A time such as 90s, 30m or 2h, in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds, or fail as click does."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,6})([smh])", value.strip().lower(), re.ASCII)
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 1 <= seconds <= 24 * 3600:
            self.fail("write a time such as 90s, 30m or 2h, at most 24h", param, ctx)
        return seconds


@click.command()
@together(
    FOLDER,
    click.option(
        "--root", "root_file", type=click.Path(path_type=Path), metavar="FILE", help="Another root than the folder's."
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), metavar="DIR",
        help="Where the files go.  [default: trust, beside the pki folder]",
    ),
    click.option("--sign", metavar="NAME", help="Sign the profile for iPhones with this server's certificate."),
    click.option("--share", is_flag=True, help="Write nothing: let phones on the network fetch it all."),
    click.option("--address", metavar="IP", help="Share there.  [default: this machine's address on its network]"),
    click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Share there; 0: any.  [default: 8080]"),
    click.option("--for", "duration", type=DurationParameter(), help="Share for so long.  [default: 30m]"),
    click.option("--allow", multiple=True, metavar="RULE", help="Go on although the root breaks this rule."),
    OPENSSL,
    PRINTING,
    click.option("--force", is_flag=True, help="Replace what exists; it is kept beside the new one."),
    click.option("-v", "--verbose", is_flag=True, help="Show each openssl command as it runs."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    FORMAT,
)  # fmt: skip
def trust(**options: Any) -> None:
    """Write what phones and computers need to trust the root, and a page for each that says which steps are left.

    \b
    opensslgen trust                              into the folder trust/, for mail, a stick, a web server
    opensslgen trust --sign pbx.example.com       with a signed profile for iPhones
    opensslgen trust --share                      offer it to phones on the network, with a QR code
    opensslgen trust --root vendor-root.pem       the root of somebody else
    opensslgen trust --script > trust.sh

    First the root is held against the rules of the profile root: what a phone would hide or refuse is not written.
    """
    from opensslgen.jobs.destination import Destination
    from opensslgen.openssl import command

    _refuse_what_does_not_go_together(options)
    root = anchor.root_in(options["root_file"]) if options["root_file"] else anchor.anchor(options["pki"])
    findings = _judged(root, options)
    by = signer(options["pki"], options["sign"]) if options["sign"] else None
    if options["share"]:
        _share(root, _signed(root, by, options), options)
        return
    into = Destination(options["pki"].parent / "trust" if options["out"] is None else options["out"])
    job = trust_job(root, by)
    if is_printed(options):
        do(lambda: job, options, None, into=into)
        return
    made = make(lambda: job, options, command.find(options["openssl"]), into=into)
    written = Written(
        root=root,
        folder=into.path,
        files=files.files(root),
        signer=options["sign"],
        allow=options["allow"],
        findings=findings,
        kept=made.kept,
        sharing=_sharing(options),
    )
    if options["output"] == "json":
        click.echo(json.dumps(trust_json(written), indent=2))
    elif not options["quiet"]:
        click.echo(trust_text(written), nl=False)


def _refuse_what_does_not_go_together(options: dict[str, Any]) -> None:
    """Raise UsageError for options of which one would be of no effect."""
    if options["share"]:
        of_others = [name for name in ("script", "commands", "out", "force") if options[name]]
        if of_others:
            raise UsageError(f"--share writes nothing, so --{of_others[0]} does not go with it")
    else:
        of_share = [name for name in ("address", "port", "duration") if options[name] is not None]
        if of_share:
            raise UsageError(f"--{of_share[0].replace('duration', 'for')} goes with --share only")


def _sharing(options: dict[str, Any]) -> str:
    """Return the command that shares the same root, and what goes with it."""
    words = ["opensslgen", "trust", "--share"]
    if options["pki"] != Path("pki"):
        words += ["--pki", str(options["pki"])]
    if options["root_file"]:
        words += ["--root", str(options["root_file"])]
    if options["sign"]:
        words += ["--sign", options["sign"]]
    return shlex.join([*words, *(word for rule in options["allow"] for word in ("--allow", rule))])


def _judged(root: Certificate, options: dict[str, Any]) -> list[Finding]:
    """Return what may speak against the root, and say it; raises Violation if a phone would hide or refuse it."""
    from opensslgen.jobs.job import Violation
    from opensslgen.jobs.trust import judged

    try:
        found = judged(root, allow=options["allow"])
    except Violation as refused:
        violation = Violation(f"{refused.message}, so nothing was made of it", refused.findings)
        if options["output"] == "json":
            from opensslgen.report.made import finding_json

            findings = [finding_json(finding) for finding in violation.findings]
            click.echo(json.dumps({"error": violation.message, "findings": findings}, indent=2))
        raise violation from refused
    for finding in found:
        if not options["quiet"]:
            click.echo(f"Note: {finding.message} [{finding.rule.id}]", err=True)
    return found


def _signed(root: Certificate, by: Signer | None, options: dict[str, Any]) -> bytes | None:
    """Return the signed profile, if it was asked for."""
    if by is None:
        return None
    from opensslgen.openssl import command
    from opensslgen.trust.mobileconfig import mobileconfig

    def say(line: str) -> None:
        if options["verbose"]:
            click.echo(line, err=True)

    return signed(mobileconfig(root), by, command.find(options["openssl"]), on_command=say)


def _share(root: Certificate, profile: bytes | None, options: dict[str, Any]) -> None:
    """Offer it all over HTTP until the time is over or somebody presses Ctrl-C."""
    share = from_web("share")
    seconds = 30 * 60 if options["duration"] is None else options["duration"]
    chosen = options["address"] or share.lan_address()
    with share.listening(chosen, 8080 if options["port"] is None else options["port"]) as listener:
        url = share.url_of(listener)
        app = share.create_app(root, url=url, profile=profile)
        if options["output"] == "json":
            shown = {"url": url, "sha256_fingerprint": root.fingerprint, "seconds": seconds}
            click.echo(json.dumps(shown))
        elif not options["quiet"]:
            from opensslgen.report.trust import sharing_text

            coloured = sys.stdout.isatty() and click.get_current_context().color is not False
            click.echo(sharing_text(root, url, seconds, was_chosen=not options["address"]))
            click.echo(share.terminal_code(url, coloured=coloured), nl=False)
        serving = from_web("serving")
        serving.serve(app, listener, seconds=seconds, limits=serving.Limits())
    if not options["quiet"]:
        click.echo("Stopped.", err=True)
