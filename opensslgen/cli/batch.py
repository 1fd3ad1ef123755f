"""The command that makes what an inventory lists."""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.orders import inventory as table
from opensslgen.report.batch import HEAD, outcome_json, outcome_text, tail_json, tail_text
from opensslgen.x509 import key_types

from .options import ALLOW, FOLDER, FORMAT, OPENSSL, PASSPHRASE_FILE, together
from .progress import Bar
from .run_job import has_passphrase, secret_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.batch.wanted import Batch, Outcome
    from opensslgen.orders.inventory import Row


@click.command()
@click.argument("inventory", type=click.Path(path_type=Path, allow_dash=True))
@together(
    click.option(
        "--within", type=click.IntRange(0, 36500), default=30, show_default=True, metavar="DAYS",
        help="Make anew what ends within so long, in the last third of its life.",
    ),
    click.option("--check", is_flag=True, help="Make nothing: tell what would be made; exit 1 if anything."),
    click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes.  [default: one for each core]"),
    click.option(
        "--key-type", type=click.Choice(list(key_types.KEY_TYPES)), default=key_types.DEFAULT.name, show_default=True,
        help="For rows that name none.",
    ),
    click.option(
        "--p12-password-file", type=click.Path(path_type=Path), metavar="FILE",
        help="The password of all PKCS#12 files.  [env: OPENSSLGEN_P12_PASSWORD]",
    ),
    PASSPHRASE_FILE,
    ALLOW,
    FOLDER,
    OPENSSL,
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    FORMAT,
)  # fmt: skip
def batch(inventory: Path, **options: Any) -> None:
    """Make the certificates of an inventory, and leave alone what is there, valid and as asked.

    \b
    opensslgen batch sites.csv                     what is missing, ends soon, or is asked otherwise
    opensslgen batch sites.csv --check             tell what that would be
    opensslgen batch sites.jsonl --within 60 -q    from cron: silent unless something fails

    INVENTORY is a CSV with a header row, as a spreadsheet exports it, or a JSON object in each line; - is standard
    input. Its columns are called as the options of `server`, `client` and `self-signed`: name, kind, san, days, cn,
    org, org-unit, country, state, locality, email, key-type, key-file, eku, key-usage, template, p12, crl-url.

    All rows are checked before the first certificate is made. Old files are kept beside the new ones. A root is made
    first if there is none.

    Exit code: 0 all is as asked, 1 a row failed or with --check something is to be made, 2 faults in the inventory.
    """
    from opensslgen.batch.converge import converge
    from opensslgen.batch.wanted import Batch
    from opensslgen.openssl.command import find
    from opensslgen.pki.store import Store
    from opensslgen.text import visible

    store = Store(options["pki"])
    for warning in store.warnings():
        click.echo(f"Warning: {visible(warning)}", err=True)
    title = "standard input" if str(inventory) == "-" else str(inventory)
    read = functools.partial(table.read, title=title, key_type=options["key_type"])
    with _opened(inventory) as file:
        first = Batch(
            store=store,
            openssl=find(options["openssl"]),
            secrets={},
            within=timedelta(days=options["within"]),
            allow=options["allow"],
            jobs=options["jobs"],
        )
        count = _checked(first, read(file), title, as_json=options["output"] == "json")
        file.seek(0)
        if options["check"]:
            wanting = (outcome for _, outcome in first.decide(read(file)))
            sys.exit(_report(wanting, count, options, state="made"))
        from dataclasses import replace

        ready = replace(first, secrets=_secrets(store, count, options))
        _make_root(ready, count, options)
        sys.exit(_report(converge(ready, read(file)), count, options, state="failed"))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a copy of an inventory that has no name: it is read twice, and whoever writes it may do so meanwhile."""
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


class _Count:
    """What the rows need, seen as they were checked."""

    def __init__(self) -> None:
        self.rows = self.p12 = self.below = 0

    def seen(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            if row.order:
                self.p12 += row.order.p12 is not None
                self.below += not row.order.kind.is_self_signed
            yield row


def _checked(batch: Batch, rows: Iterator[Row], title: str, *, as_json: bool) -> _Count:
    """Return what the rows need; raises UsageError, after each fault was listed, if any has one."""
    from opensslgen.batch.wanted import FAILED, Outcome
    from opensslgen.text import visible

    count, faults = _Count(), 0
    for row in batch.faults(count.seen(rows)):
        if as_json:
            failed = outcome_json(Outcome(row.line, row.name, FAILED, row.fault or ""))
            sys.stdout.write((",\n" if faults else HEAD) + failed)
        else:
            name = f", {row.name!a}" if row.name else ""
            click.echo(visible(f"{title}, line {row.line}{name}: {row.fault}"), err=True)
        faults += 1
    if faults:
        if as_json:
            sys.stdout.write(tail_json({"made": 0, "left": 0, "failed": faults}))
        raise UsageError(
            f"{faults} of {count.rows} row{'s' if count.rows > 1 else ''} of {title}"
            f" {'have faults' if faults > 1 else 'has a fault'}, so nothing was made"
        )
    return count


def _secrets(store: Any, count: _Count, options: dict[str, Any]) -> dict[str, str]:
    """Return the secrets that the rows need, each asked for once."""
    from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD

    names = [P12_PASSWORD] if count.p12 else []
    if count.below and (store.ca_key_is_encrypted() if store.issuer() else has_passphrase(options)):
        names.append(CA_PASSPHRASE)
    return {name: secret_of(options, name) for name in names}


def _make_root(batch: Batch, count: _Count, options: dict[str, Any]) -> None:
    """Make a root if the rows need one and there is none."""
    if not count.below or batch.store.issuer() is not None:
        return
    from opensslgen.jobs.issue import root_job
    from opensslgen.jobs.perform import Authority
    from opensslgen.orders.order import root_order

    order = root_order(encrypted=has_passphrase(options))
    try:
        made = Authority(batch.store, batch.openssl, lambda name: batch.secrets[name]).make(
            lambda: root_job(order, store=batch.store)
        )
    except Error:
        if batch.store.issuer() is None:
            raise
        return  # another that began with us has made it
    if not options["quiet"]:
        click.echo(f"Note: {made.job.done}", err=True)


def _report(outcomes: Iterator[Outcome], count: _Count, options: dict[str, Any], *, state: str) -> int:
    """Write each outcome as it comes and their sum, and return 1 if any has the state."""
    totals = {"made": 0, "left": 0, "failed": 0}
    bar = Bar(rate=True)
    bar.begin(lambda: count.rows)
    as_json = options["output"] == "json"
    out = sys.stdout
    between = HEAD if as_json else ""
    try:
        for outcome in outcomes:
            totals[outcome.state] += 1
            bar.advance(1)
            text = outcome_json(outcome) if as_json else outcome_text(outcome, quiet=options["quiet"])
            if text:
                bar.clear()
                stream = sys.stderr if outcome.state == "failed" and not as_json else out
                stream.write(between + text)
                between = ",\n" if as_json else ""
    finally:
        bar.clear()
    if as_json:
        out.write(("" if between != HEAD else HEAD) + tail_json(totals))
    elif not options["quiet"]:
        out.write(tail_text(totals, check=options["check"]))
    out.flush()
    return int(bool(totals["failed"] or totals[state]))
