"""The command that issues the certificates of an inventory."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import click

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.plan.secrets import P12_PASSWORD

from .command import InGroups
from .deploying import deploy_one
from .failure import Failure
from .options import (
    ALLOW,
    FORMAT,
    JOBS,
    NEW_CA,
    OPENSSL,
    PASSPHRASE_AND_P12_PASSWORD,
    PKI,
    QUIET,
    NewCA,
    NumberParameter,
    Output,
    PathParameter,
    grouped,
    key_type,
    together,
)
from .progress import Bar
from .say import print_notes, warn_of_open_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.batch.needs import Needs
    from opensslgen.batch.wanted import Batch, Outcome
    from opensslgen.orders.inventory import Row
    from opensslgen.x509.key_types import KeyType

    from .secrets import Secrets


class Issuing(NamedTuple):
    """How the certificates are issued, as typed."""

    within: int
    jobs: int | None
    key_type: KeyType
    allow: tuple[str, ...]
    pki: Path
    openssl: str | None


class Reporting(NamedTuple):
    """How the outcome is reported."""

    quiet: bool
    output: Output
    check: bool

    @property
    def as_json(self) -> bool:
        """Whether as JSON."""
        return self.output == "json"


@click.command(cls=InGroups)
@click.argument("inventory", type=PathParameter(allow_dash=True))
@together(
    click.option(
        "--within", type=NumberParameter(0, 36500), default=30, show_default=True, metavar="DAYS",
        help="Reissue certificates that expire within DAYS and are in the last third of their validity.",
    ),
    click.option(
        "--check", is_flag=True, help="Show what would be issued, and change nothing; exit 1 if there is anything."
    ),
    JOBS,
    key_type("For rows without a key type: "),
    NEW_CA,
    PASSPHRASE_AND_P12_PASSWORD,
    ALLOW,
    PKI,
    OPENSSL,
    grouped(Issuing),
    QUIET,
    FORMAT,
    grouped(Reporting),
)  # fmt: skip
def batch(inventory: Path, issuing: Issuing, newca: NewCA, secrets: Secrets, reporting: Reporting) -> None:
    """Issue the certificates that an inventory lists.

    \b
    opensslgen batch sites.csv
    opensslgen batch sites.csv --check             show what would be issued
    opensslgen batch sites.jsonl --within 60 -q    in a crontab: silent unless something fails

    INVENTORY is a CSV file with a header row, as a spreadsheet exports it, a file with a JSON object on each line, or -
    for standard input. Its columns have the names of the options of `server`, `client` and `self-signed`: name, kind,
    san, days, cn, org, org-unit, country, state, locality, email, key-type, key-file, eku, key-usage, template, p12,
    crl-url. The column deploy says where the certificate is installed afterwards, such as nginx@root@web1, as `deploy`
    does it.

    A certificate is issued if it is missing, expires soon, or differs from its row. All rows are checked before the
    first certificate is issued. Old files are kept next to the new ones. If the pki folder has no CA, the command asks
    whether to create one. Without a terminal, it needs --new-ca or --yes.

    Exit code: 0 if all certificates are as asked for, 1 if a row failed or --check found something to issue, 2 if the
    inventory has errors.
    """
    from opensslgen.batch.converge import converge
    from opensslgen.batch.needs import Needs
    from opensslgen.batch.wanted import Batch
    from opensslgen.jobs.clock import refuse_wrong_clock
    from opensslgen.openssl.provider import find
    from opensslgen.orders import inventory as table
    from opensslgen.pki.store import Store

    warn_of_open_files(issuing.pki)
    store = Store(issuing.pki)
    title = "standard input" if str(inventory) == "-" else str(inventory)
    read = functools.partial(table.read, title=title, key_type=issuing.key_type.name)
    with _opened(inventory) as file:
        first = Batch(
            store=store,
            openssl=find(issuing.openssl),
            secrets={},
            within=timedelta(days=issuing.within),
            allow=issuing.allow,
            jobs=issuing.jobs,
        )
        needs = Needs()
        _refuse_faults(first.faults(needs.count(read(file))), needs, title, reporting)
        file.seek(0)
        if reporting.check:
            wanting = (outcome for _, outcome in first.decide(read(file)))
            sys.exit(_report(wanting, needs, first, reporting))
        refuse_wrong_clock(issuing.pki, allow=issuing.allow)
        root = newca.order(store, encrypted=secrets.has_passphrase) if needs.issued else None
        ask = secrets.for_pki(issuing.pki, issuing.openssl)
        if needs.issued:
            ask.unlock()
        names = {*needs.secrets(store, has_passphrase=secrets.has_passphrase)}
        # A certificate may have a PKCS#12 file that its row does not ask for.
        names |= {P12_PASSWORD} if secrets.has(P12_PASSWORD) else set()
        ready = replace(first, secrets={name: ask(name) for name in names})
        made = needs.make_root(ready, root)
        print_notes([made.job.done] if made else [], quiet=reporting.quiet)
        sys.exit(_report(converge(ready, read(file)), needs, ready, reporting))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a copy of an inventory that has no name: it is read twice, and may be rewritten in between."""
    import shutil
    import tempfile

    try:
        source = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        if str(path) != "-":
            stack.enter_context(source)
        spool = stack.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(source, spool)
        spool.seek(0)
        yield io.TextIOWrapper(spool, encoding="utf-8", newline="")


def _refuse_faults(faulty: Iterable[Row], needs: Needs, title: str, reporting: Reporting) -> None:
    """Print each row that has an error; raises Failure if there is one, for which the rows are the JSON."""
    from opensslgen.report import batch as report

    count = 0
    for row in faulty:
        if reporting.as_json:
            sys.stdout.write((",\n" if count else report.HEAD) + report.fault_json(row))
        else:
            click.echo(report.fault_text(row, title), err=True)
        count += 1
    if count:
        if reporting.as_json:
            sys.stdout.write(report.tail_json({"made": 0, "left": 0, "failed": count}))
        raise Failure(UsageError(report.faults_text(count, needs.rows, title)))


def _report(outcomes: Iterable[Outcome], needs: Needs, batch: Batch, reporting: Reporting) -> int:
    """Write each outcome as it comes, deploy what the rows ask for, write the totals, and return the exit code."""
    from opensslgen.report import batch as report

    deployments: list[Outcome] = []
    totals = {"made": 0, "left": 0, "failed": 0}
    bar = Bar(rate=True)
    bar.begin(lambda: needs.rows)
    out = sys.stdout
    between = report.HEAD if reporting.as_json else ""
    try:
        for outcome in outcomes:
            totals[outcome.state] += 1
            if outcome.deploy and (outcome.state == "left" or (outcome.state == "made" and not reporting.check)):
                deployments.append(outcome)
            bar.advance(1)
            if reporting.as_json:
                text = report.outcome_json(outcome)
            else:
                text = report.outcome_text(outcome, quiet=reporting.quiet)
            if text:
                bar.clear()
                stream = sys.stderr if outcome.state == "failed" and not reporting.as_json else out
                stream.write(between + text)
                between = ",\n" if reporting.as_json else ""
    finally:
        bar.clear()
    deployed = _deploy(deployments, batch, reporting)
    is_unfinished = any("error" in each or each["would_change"] for each in deployed)
    if reporting.as_json:
        out.write(("" if between != report.HEAD else report.HEAD) + report.tail_json(totals, deployed or None))
    elif not reporting.quiet:
        out.write(report.tail_text(totals, check=reporting.check))
    out.flush()
    return int(bool(totals["failed"] or is_unfinished or (reporting.check and totals["made"])))


def _deploy(outcomes: Iterable[Outcome], batch: Batch, reporting: Reporting) -> list[dict[str, object]]:
    """Deploy the certificates of the rows that ask for it, one after another; return the answers in JSON."""
    from opensslgen.plan.targets import places

    answers: list[dict[str, object]] = []
    for outcome in outcomes:
        for place in places(outcome.deploy or ""):
            answers.append(
                deploy_one(
                    place, outcome.name, batch.store, batch.openssl, check=reporting.check,
                    is_shown=not reporting.quiet and not reporting.as_json,
                )
            )  # fmt: skip
    return answers
