"""The commands that judge: what certificates, configs, scripts and servers have against the rules."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from opensslgen import __version__
from opensslgen.errors import UsageError
from opensslgen.rules import profiles as tables
from opensslgen.rules.profiles import rules_of

from .options import FORMAT, OPENSSL, together
from .progress import Bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opensslgen.audit.result import Result, Settings

_TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)


class TimeParameter(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.5
    """A time as RFC 3339 writes it, or a day, which begins at 00:00 UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC, in whole seconds, or fail as click does."""
        if isinstance(value, datetime):
            return value
        try:
            if not _TIME.fullmatch(value):
                raise ValueError
            whole = re.sub(r"\.\d+", "", value.upper().replace("Z", "+00:00"))
            at = datetime.fromisoformat(whole)
            return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            self.fail("write a time such as 2026-02-01 or 2026-02-01T12:00:00Z", param, ctx)


PROFILES = click.option(
    "--profile", "profiles", multiple=True, metavar="NAME",
    help="apple, appliance, public, strict, client, root; several, or a list.  [default: apple, for authorities root]",
)  # fmt: skip


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@together(
    PROFILES,
    click.option("--at", type=TimeParameter(), help="Judge as of this time, such as 2026-02-01.  [default: now]"),
    click.option("--within", type=click.IntRange(0, 36500), metavar="DAYS", help="Find what expires within so long."),
    click.option(
        "--root", "roots", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
        help="The root that devices trust; every chain has to lead to it, or to one of several.",
    ),
    click.option("--each", is_flag=True, help="Judge every certificate of a bundle by itself."),
    click.option("--section", "sections", multiple=True, metavar="NAME", help="Judge this section of configs, too."),
    click.option("--allow", multiple=True, metavar="RULE", help="Leave out this rule."),
    click.option(
        "--limit", type=click.IntRange(1), default=16 << 20, metavar="BYTES",
        help="Read no more of a file, or with --each of a block.  [default: 16777216]",
    ),
    click.option("--starttls", metavar="PROTOCOL", help="How servers are asked for TLS: smtp, ldap, imap and others."),
    click.option("--servername", metavar="NAME", help="Ask servers for this name instead of their own."),
    click.option(
        "--timeout", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, metavar="SECONDS",
        help="Wait so long for a server.",
    ),
    click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes, and servers asked, at once."),
    click.option(
        "--password-file", type=click.Path(path_type=Path), metavar="FILE",
        help="The password of PKCS#12 files is its first line.  [env: OPENSSLGEN_P12_PASSWORD]",
    ),
    OPENSSL,
    click.option(
        "--format", "output", type=click.Choice(["text", "json", "sarif", "nagios"]), default="text",
        help="How to answer.",
    ),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
    click.option("--warning", type=click.IntRange(0), metavar="DAYS", help="With nagios: warn below so many days."),
    click.option("--critical", type=click.IntRange(0), metavar="DAYS", help="With nagios: the same for critical."),
    click.option("-q", "--quiet", is_flag=True, help="Show only what does not comply."),
)  # fmt: skip
def audit(targets: tuple[str, ...], **options: Any) -> None:
    """Judge certificates, what makes them, and servers, by Apple's published rules or others.

    \b
    opensslgen audit server.crt                       a certificate, and the issuers that follow it
    opensslgen audit pki/ --within 30                 all that is in a folder, and what expires soon
    opensslgen audit --each bundle.pem                every certificate of a bundle by itself
    opensslgen audit openssl.cnf gen_certs.sh         what would make certificates
    opensslgen audit pbx.example.com:443 '[2001:db8::1]:5061'
    opensslgen audit mail.example.com:25 --starttls smtp
    opensslgen audit --profile root ca.crt --json
    opensslgen audit --root ca.crt pbx.example.com:443  the chain has to lead to this root

    TARGET is a file, a folder, a server as HOST:PORT, or - for standard input. Files are told by their content:
    PEM, DER, PKCS#7, PKCS#12, certificate requests, openssl configs, shell scripts.

    Exit code: 0 complies, 1 violates a rule that is an error, 2 something could not be read. With --format nagios it
    is 0 to 3, as Nagios counts.
    """
    from opensslgen.audit.result import Settings, rules_by_kind
    from opensslgen.openssl.command import find
    from opensslgen.rules.profiles import rules_of
    from opensslgen.x509.certificate import load_all

    profiles = _profiles(options["profiles"])
    settings = Settings(
        rules=rules_of(profiles, options["allow"]),
        rules_by_kind={} if options["profiles"] else rules_by_kind(options["allow"]),
        at=options["at"] or datetime.now(timezone.utc).replace(microsecond=0),
        within=None if options["within"] is None else timedelta(days=options["within"]),
        each=options["each"],
        roots=tuple(root for file in options["roots"] for root in load_all(file)),
        limit=options["limit"],
        sections=options["sections"],
        password=functools.partial(_password, options["password_file"]),
        openssl=functools.cache(lambda: find(options["openssl"])),
        starttls=options["starttls"],
        servername=options["servername"],
        timeout=options["timeout"],
        jobs=options["jobs"],
    )
    if options["output"] == "nagios":
        _nagios(targets, settings, warning=options["warning"], critical=options["critical"])
    for option in ("warning", "critical"):
        if options[option] is not None:
            raise UsageError(f"--{option} goes with --format nagios only; --within is for all")
    _report(targets, settings, output=options["output"], profiles=profiles, quiet=options["quiet"])


def _profiles(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of profiles, of which several may stand in one value."""
    found = [name.strip() for value in names for name in value.split(",") if name.strip()]
    return tuple(dict.fromkeys(found)) or ("apple",)


def _report(
    targets: tuple[str, ...], settings: Settings, *, output: str, profiles: tuple[str, ...], quiet: bool
) -> None:
    """Write each result as it comes, and exit with the code that they add up to."""
    from opensslgen.audit.targets import audited, extent
    from opensslgen.report import document, sarif, tally, text

    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")  # what a terminal's encoding lacks must not end the report
    context = click.get_current_context()
    if output == "text":
        colour = out.isatty() and context.color is not False
        write: Callable[[Result], str] = functools.partial(text.text_entry, colour=colour, quiet=quiet)
        head, joint = "", ""
    elif output == "json":
        write = functools.partial(document.json_entry, at=settings.at)
        head, joint = document.json_head(version=__version__, at=settings.at, profiles=profiles), ",\n"
    else:
        write = sarif.sarif_entry
        head, joint = sarif.sarif_head(version=__version__, rules=settings.rules), ",\n"
    bar = Bar()
    entries = audited(targets, settings, then=functools.partial(tally.entry, write=write), progress=bar.advance)
    bar.begin(functools.partial(extent, targets, settings))
    out.write(head)
    total, between = tally.Tally(), ""
    try:
        for entry in entries:
            total = total.plus(entry.tally)
            if entry.text:
                bar.clear()
                out.write(between + entry.text)
                between = joint
    finally:
        bar.clear()
    if output == "text":
        out.write("" if quiet else text.text_tail(total))
    else:
        out.write(document.json_tail(total) if output == "json" else sarif.sarif_tail(total))
    out.flush()
    sys.exit(total.exit_code)


def _nagios(targets: tuple[str, ...], settings: Settings, *, warning: int | None, critical: int | None) -> NoReturn:
    """Write the one line of the worst result, and exit with its state."""
    from opensslgen.audit.targets import audited
    from opensslgen.report import nagios

    status = functools.partial(nagios.status, at=settings.at, warning=warning, critical=critical)
    worst = functools.reduce(nagios.Status.plus, audited(targets, settings, then=status), nagios.Status())
    click.echo(nagios.nagios_line(worst, warning=warning, critical=critical), nl=False)
    sys.exit(nagios.state_of(worst))


def _password(file: Path | None, name: str) -> str:
    """Return the password of PKCS#12 files: from a file, the environment, or the terminal."""
    from opensslgen.bundles.pkcs import PASSWORD
    from opensslgen.text import visible

    from .options import first_line

    if file:
        return first_line(file, "password of the PKCS#12 file")
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        raise UsageError(f"its password is needed: give --password-file FILE or set {PASSWORD}")
    return str(click.prompt(f"Password of {visible(name)}", hide_input=True, err=True, default="", show_default=False))


@click.command()
@together(PROFILES, FORMAT)
def rules(profiles: tuple[str, ...], output: str) -> None:
    """List the rules: what each demands, who says so, since when, and in which profiles it is.

    \b
    opensslgen rules
    opensslgen rules --profile root --json
    """
    from opensslgen.rules.profiles import RULES

    chosen = rules_of(_profiles(profiles)) if profiles else tuple(RULES.values())
    within = {name: rules_of([name]) for name in tables.PROFILES}
    if output == "json":
        listed = [
            {
                "id": rule.id,
                "severity": rule.severity,
                "reason": rule.reason,
                "citation": rule.citation,
                "effective": rule.effective and rule.effective.isoformat(),
                "profiles": [name for name, those in within.items() if rule in those],
            }
            for rule in chosen
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    for rule in chosen:
        since = f", since {rule.effective}" if rule.effective else ""
        names = ", ".join(name for name, those in within.items() if rule in those)
        click.echo(f"{rule.id} ({rule.severity} in {names}{since})\n    {rule.reason} ({rule.citation})")
