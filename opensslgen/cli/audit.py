"""The commands that check certificates, configs, scripts and servers, and list the rules."""

from __future__ import annotations

import functools
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

import click

from opensslgen.errors import UsageError
from opensslgen.patterns import pattern

from . import complete
from .command import Command, InGroups
from .options import (
    FORMAT,
    OPENSSL,
    PASSWORD_FILE,
    Decimal,
    NumberParameter,
    Output,
    PathParameter,
    grouped,
    refuse,
    together,
)
from .progress import Bar
from .say import is_coloured, print_json, tolerant_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opensslgen.audit.chosen import Chosen
    from opensslgen.audit.result import Settings
    from opensslgen.names.general import GeneralName
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.report.tally import Entry
    from opensslgen.x509.certificate import Certificate

    from .options import Decorator

_TIME = pattern(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)


class TimeParameter(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.5
    """A time as RFC 3339 writes it, or a day, which begins at 00:00 UTC."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC, in whole seconds, or fail as click does."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            if not _TIME.fullmatch(text):
                raise ValueError
            whole = re.sub(r"\.\d+", "", text.upper().replace("Z", "+00:00"))
            at = datetime.fromisoformat(whole)
            return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            self.fail("write a time such as 2026-02-01 or 2026-02-01T12:00:00Z", param, ctx)


def profiles_option(default: str) -> Decorator:
    """Return the option that chooses profiles; `default` is for its help."""
    return click.option(
        "--profile", "profiles", multiple=True, metavar="NAME", shell_complete=complete.profile,
        help="Profile of rules: apple, appliance, ats, public, strict, client, root; repeat the option, or separate"
        f" names with commas.  [default: {default}]",
    )  # fmt: skip


PROFILES = profiles_option("apple; root for CAs")


class Judging(NamedTuple):
    """What is judged, and by which rules, as typed."""

    profiles: tuple[str, ...]
    at: datetime | None
    within: int | None
    each: bool
    roots: tuple[Path, ...]
    sections: tuple[str, ...]
    allow: tuple[str, ...]
    limit: int
    password_file: Path | None
    openssl: str | None
    time_limit: float
    jobs: int | None


class Asking(NamedTuple):
    """How servers are asked for their certificates, as typed."""

    starttls: str | None
    servername: str | None
    timeout: float


class Reporting(NamedTuple):
    """How the verdicts are reported, as typed."""

    output: Literal["text", "json", "sarif", "nagios", "github"]
    warning: int | None
    critical: int | None
    quiet: bool
    verbose: bool


@click.command(cls=InGroups)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete.file)
@together(
    PROFILES,
    click.option("--at", type=TimeParameter(), help="Check as of this time, such as 2026-02-01.  [default: now]"),
    click.option(
        "--within", type=NumberParameter(0, 36500), metavar="DAYS",
        help="Also report certificates that expire within DAYS.",
    ),
    click.option(
        "--root", "roots", multiple=True, type=PathParameter(), metavar="FILE",
        help="Root that devices trust, to which every chain must lead; repeat the option for more.",
    ),
    click.option("--each", is_flag=True, help="Check each certificate of a bundle separately."),
    click.option(
        "--section", "sections", multiple=True, metavar="NAME", shell_complete=complete.section,
        help="Also check this section of openssl configs; repeat the option for more.",
    ),
    click.option(
        "--allow", multiple=True, metavar="RULE", shell_complete=complete.rule,
        help="Do not check this rule; repeat for more. `opensslgen rules` lists them.",
    ),
    click.option(
        "--limit", type=NumberParameter(1), default=16 << 20, metavar="BYTES",
        help="Read at most BYTES of a file or, with --each, of a block.  [default: 16777216]",
    ),
    PASSWORD_FILE,
    OPENSSL,
    click.option(
        "--time-limit", type=Decimal(0.01, 86400), default=10.0, metavar="SECONDS",
        help="Spend at most SECONDS of CPU on a file or, with --each, on a block.  [default: 10]",
    ),
    click.option(
        "--jobs", type=NumberParameter(1, 256), metavar="N", help="Number of processes, and of servers to ask at once."
    ),
    grouped(Judging),
    click.option(
        "--starttls", metavar="PROTOCOL",
        help="Use STARTTLS of this protocol with servers: smtp, ldap, imap and others.",
    ),
    click.option(
        "--servername", metavar="NAME",
        help="Name for which certificates must be valid; servers are asked for it instead of the host in TARGET.",
    ),
    click.option(
        "--timeout", type=Decimal(0.1, 3600), default=10.0, show_default=True, metavar="SECONDS",
        help="Wait at most SECONDS for a server.",
    ),
    grouped(Asking),
    click.option(
        "--format", "output", type=click.Choice(["text", "json", "sarif", "nagios", "github"]), default="text",
        help="Format of the output.",
    ),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
    click.option(
        "--warning", type=NumberParameter(0), metavar="DAYS",
        help="With --format nagios: warn if a certificate expires within DAYS.",
    ),
    click.option(
        "--critical", type=NumberParameter(0), metavar="DAYS",
        help="With --format nagios: critical if a certificate expires within DAYS.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Show only what does not comply."),
    click.option("-v", "--verbose", is_flag=True, help="Also show what complies in folders."),
    grouped(Reporting),
)  # fmt: skip
def audit(targets: tuple[str, ...], judging: Judging, asking: Asking, reporting: Reporting) -> None:
    """Check certificates, configs, scripts and servers.

    \b
    opensslgen audit server.crt                       a certificate, and the CAs that follow it in the file
    opensslgen audit pki/ --within 30                 everything in a folder, and what expires soon
    opensslgen audit --each bundle.pem                each certificate of a bundle
    opensslgen audit openssl.cnf gen_certs.sh         the certificates that a config or a script would make
    opensslgen audit pbx.example.com:443 '[2001:db8::1]:5061'
    opensslgen audit mail.example.com:25 --starttls smtp
    opensslgen audit --root ca.crt pbx.example.com:443    whether the chain leads to this root
    opensslgen audit --profile root ca.crt --json

    They are checked against Apple's published rules, or those of --profile. TARGET is a file, a folder, a server as
    HOST:PORT, or - for standard input. Files are recognised by their content: PEM, DER, PKCS#7, PKCS#12, certificate
    requests, openssl configs, shell scripts.

    Exit code: 0 if everything complies, 1 if an error was found, 2 if something cannot be read. With --format
    nagios: 0 to 3, as Nagios defines them.
    """
    from opensslgen.audit.chosen import chosen_rules

    chosen = chosen_rules(judging.profiles, allow=judging.allow)
    settings = _settings(judging, asking, chosen)
    if reporting.output == "nagios":
        _nagios(targets, settings, reporting)
    refuse(
        "can only be used with --format nagios",
        hint="--within works with all formats",
        warning=reporting.warning is not None,
        critical=reporting.critical is not None,
    )
    sys.exit(_report(targets, settings, chosen, reporting))


def _settings(judging: Judging, asking: Asking, chosen: Chosen) -> Settings:
    from opensslgen.audit.result import Settings

    at = judging.at or datetime.now(timezone.utc).replace(microsecond=0)
    within = None if judging.within is None else timedelta(days=judging.within)
    try:
        at + (within or timedelta(0))
    except OverflowError:
        raise UsageError("--within reaches beyond the year 9999") from None
    openssl = functools.cache(functools.partial(_find, judging.openssl))
    return Settings(
        rules=chosen.rules,
        rules_by_kind=chosen.by_kind,
        at=at,
        within=within,
        each=judging.each,
        roots=_roots(judging.roots, openssl),
        limit=judging.limit,
        sections=judging.sections,
        password=functools.partial(_password, judging.password_file),
        openssl=openssl,
        starttls=asking.starttls,
        servername=_servername(asking.servername),
        timeout=asking.timeout,
        time_limit=judging.time_limit,
        jobs=judging.jobs,
    )


# What an audit of one certificate does not need is imported late, as it takes longer than to judge it.


def _find(path: str | None) -> OpenSSL:
    from opensslgen.openssl.command import find

    return find(path)


def _password(file: Path | None, name: str) -> str:
    from .secrets import password_of_file

    return password_of_file(file, name)


def _roots(files: tuple[Path, ...], openssl: Callable[[], OpenSSL]) -> tuple[Certificate, ...]:
    from opensslgen.bundles.holding import certificates_of

    return tuple(root for file in files for root in certificates_of(file, openssl=openssl))


def _servername(name: str | None) -> GeneralName | None:
    from opensslgen.names.general import parse_host

    return None if name is None else parse_host(name)


def _report(targets: tuple[str, ...], settings: Settings, chosen: Chosen, reporting: Reporting) -> int:
    """Write each result as it comes, and return the exit code."""
    from opensslgen.audit.targets import extent, map_audit
    from opensslgen.report.audit import Report, audit_format

    out = tolerant_stdout()
    many = () if reporting.verbose else tuple(each for each in targets if os.path.isdir(each))  # noqa: PTH112
    form = audit_format(
        reporting.output, settings, profiles=chosen.profiles, colour=is_coloured(), quiet=reporting.quiet, many=many
    )
    bar = Bar()
    entries: Iterator[Entry] = map_audit(targets, settings, then=form.entry(), progress=bar.advance)
    bar.begin(functools.partial(extent, targets, settings))
    report = Report()
    try:
        for piece in report.pieces(form, entries):
            bar.clear()
            out.write(piece)
    finally:
        bar.clear()
    out.flush()
    return report.tally.exit_code


def _nagios(targets: tuple[str, ...], settings: Settings, reporting: Reporting) -> NoReturn:
    """Write the one line of the worst result, and exit with its state."""
    from opensslgen.audit.targets import map_audit
    from opensslgen.report import nagios

    warning, critical = reporting.warning, reporting.critical
    status = functools.partial(nagios.status, at=settings.at, warning=warning, critical=critical)
    worst = functools.reduce(nagios.Status.plus, map_audit(targets, settings, then=status), nagios.Status())
    click.echo(nagios.nagios_line(worst, warning=warning, critical=critical), nl=False)
    sys.exit(nagios.state_of(worst))


@click.command(cls=Command)
@click.argument("ids", nargs=-1, metavar="[RULE]...", shell_complete=complete.rule)
@together(
    profiles_option("all"),
    click.option("--changes", is_flag=True, help="List by date when rules begin, change and end."),
    FORMAT,
)
def rules(ids: tuple[str, ...], profiles: tuple[str, ...], output: Output, *, changes: bool) -> None:
    """List the rules that certificates are checked against.

    \b
    opensslgen rules
    opensslgen rules apple-validity
    opensslgen rules --profile root --json
    opensslgen rules --changes

    For each rule: what it demands and why, its source, when it applies, and the profiles that contain it.
    """
    if changes:
        from opensslgen.report.rules import changes_json, changes_text
        from opensslgen.rules import calendar

        if profiles or ids:
            raise UsageError(f"{'--profile' if profiles else 'RULE'} cannot be used with --changes")
        found = calendar.changes()
        if output == "json":
            print_json(changes_json(found))
        else:
            click.echo(changes_text(found), nl=False)
        return
    from opensslgen.audit.chosen import chosen_rules
    from opensslgen.report.rules import rules_json, rules_text
    from opensslgen.rules.profiles import RULES, rules_of

    rules_of((), ids)  # raises the error for an unknown one
    chosen = chosen_rules(profiles).rules if profiles else tuple(RULES.values())
    chosen = tuple(rule for rule in chosen if not ids or rule.id in ids)
    if output == "json":
        print_json(rules_json(chosen))
    else:
        click.echo(rules_text(chosen), nl=False)
