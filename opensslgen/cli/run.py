"""The command that runs another one, and checks the certificates that its openssl calls make."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from opensslgen.errors import Error, UsageError

from . import complete
from .audit import PROFILES
from .command import InGroups
from .options import OPENSSL, file_option, grouped, together
from .say import is_coloured, tolerant_stdout

if TYPE_CHECKING:
    from opensslgen.audit.chosen import Chosen
    from opensslgen.audit.result import Result, Settings
    from opensslgen.watch.run import Watched


class Watching(NamedTuple):
    """How the command's openssl calls are treated and judged, as typed."""

    fix: bool
    san: tuple[str, ...]
    profiles: tuple[str, ...]
    allow: tuple[str, ...]
    openssl: str | None


class Reporting(NamedTuple):
    """How the verdicts are reported, as typed."""

    output: Literal["text", "json", "sarif", "nagios", "github"]
    report: Path | None
    quiet: bool


@click.command(context_settings={"allow_interspersed_args": False}, cls=InGroups)
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND...")
@together(
    click.option("--fix", is_flag=True, help="Correct the leaf certificates that the command makes."),
    click.option(
        "--san", multiple=True, metavar="NAMES",
        help="With --fix: names for certificates without any; repeat the option, or separate names with commas.",
    ),
    PROFILES,
    click.option(
        "--allow", multiple=True, metavar="RULE", shell_complete=complete.rule,
        help="Do not check this rule; repeat for more. `opensslgen rules` lists them.",
    ),
    OPENSSL,
    grouped(Watching),
    click.option(
        "--format", "output", type=click.Choice(["text", "json", "sarif", "nagios", "github"]), default="text",
        help="Format of the report.",
    ),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
    file_option("--report", help="Write the report to FILE instead of stdout."),
    click.option("-q", "--quiet", is_flag=True, help="Show only what does not comply."),
    grouped(Reporting),
)  # fmt: skip
def run(command: tuple[str, ...], watching: Watching, reporting: Reporting) -> None:
    """Run your own script, and check the certificates it makes.

    \b
    opensslgen run -- /opt/Avaya/scripts/gen_certs.sh
    opensslgen run --fix -- sh make-certs.sh
    opensslgen run --fix --san pbx.example.com -- make certs
    opensslgen run --json --report certificates.json -- sh make-certs.sh

    The command runs as always, with its own streams, signals and exit code. Each openssl call that makes a certificate
    is recorded, without its passphrases, and the certificate is checked as by `opensslgen audit`.

    --fix changes what passes through: extendedKeyUsage gets serverAuth,clientAuth, a validity of more than 825 days
    becomes 820, SHA-1 and MD5 become SHA-256, and a missing authorityKeyIdentifier is added. Your files are not
    changed, CA certificates neither. With --format json, sarif, nagios or github and without --report, what the
    command prints on stdout goes to stderr.

    Exit code: 0 if every certificate complies, 1 if an error was found, 2 if no certificate was seen or something
    cannot be read. The report has the exit code of the command itself.
    """
    from opensslgen.audit.calls import judge_watched
    from opensslgen.audit.chosen import chosen_rules
    from opensslgen.audit.result import Settings
    from opensslgen.files.place import replace_file
    from opensslgen.jobs.clock import refuse_wrong_clock
    from opensslgen.openssl.command import find
    from opensslgen.report.calls import corrections
    from opensslgen.watch.run import watch

    if watching.san and not watching.fix:
        raise UsageError("--san can only be used with --fix")
    chosen = chosen_rules(watching.profiles, allow=watching.allow)
    openssl = find(watching.openssl)
    refuse_wrong_clock(None, allow=watching.allow)
    names = _names(watching.san)
    sys.stdout.flush()
    reserved = reporting.output != "text" and reporting.report is None
    try:
        watched = watch(command, fix=watching.fix, names=names, stdout=2 if reserved else None)
    except OSError as error:
        raise UsageError(f"cannot run {command[0]}: {error.strerror}") from error
    settings = Settings(
        rules=chosen.rules,
        rules_by_kind=chosen.by_kind,
        at=datetime.now(timezone.utc).replace(microsecond=0),
        openssl=lambda: openssl,
    )
    for change in corrections(watched):
        click.echo(f"opensslgen: {change}", err=True)
    text, exit_code = _report(watched, judge_watched(watched, settings), settings, chosen, reporting)
    if reporting.report:
        try:
            replace_file(reporting.report, text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise Error(f"cannot write {reporting.report}: {error.strerror}") from error
    else:
        out = tolerant_stdout()
        out.write(text)
        out.flush()
    sys.exit(exit_code)


def _names(san: tuple[str, ...]) -> str:
    from opensslgen.names.general import parse_names

    names = (name for text in san for name in parse_names(text))
    return ",".join(dict.fromkeys(str(name) for name in names))


def _report(
    watched: Watched, results: list[Result], settings: Settings, chosen: Chosen, reporting: Reporting
) -> tuple[str, int]:
    """Return the report, and the exit code."""
    from opensslgen.report import nagios
    from opensslgen.report.audit import Report, audit_format
    from opensslgen.report.calls import calls_table, command_line, failures

    if reporting.output == "nagios":
        worst = nagios.Status()
        for result in results:
            worst = worst.plus(nagios.status(result, at=settings.at, warning=None, critical=None))
        return nagios.nagios_line(worst, warning=None, critical=None), nagios.state_of(worst)
    form = audit_format(
        reporting.output,
        settings,
        profiles=chosen.profiles,
        colour=is_coloured() and reporting.report is None,
        quiet=reporting.quiet,
        command={"arguments": list(watched.argv), "exit_code": watched.exit_code},
    )
    report = Report()
    entry = form.entry()
    text = "".join(report.pieces(form, map(entry, results)))
    if reporting.output == "text" and not reporting.quiet:
        text = f"{calls_table(results)}{failures(watched)}{text}{command_line(watched.argv, watched.exit_code)}"
    return text, report.tally.exit_code
