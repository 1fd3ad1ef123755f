"""The commands for the vendor's script: patch it, or print the extension section that it lacks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from opensslgen.errors import Error, UsageError

from .command import Command
from .failure import Failure
from .options import ALLOW, FORMAT, QUIET, NumberParameter, Output, PathParameter, grouped, together
from .say import print_json

if TYPE_CHECKING:
    from opensslgen.report.patch import Answer


class Patching(NamedTuple):
    """What to do with each script, as typed."""

    days: int
    diff: bool
    check: bool
    restore: bool
    script: bool
    force: bool
    any: bool

    @property
    def action(self) -> Literal["patch", "diff", "check", "restore", "script"]:
        """The one thing to do; raises UsageError for a contradiction."""
        options = {"diff": self.diff, "check": self.check, "restore": self.restore, "script": self.script}
        actions = [name for name in ("diff", "check", "restore", "script") if options[name]]
        if len(actions) > 1:
            raise UsageError(f"--{actions[0]} cannot be used with --{actions[1]}")
        if self.force and not self.restore:
            raise UsageError("--force can only be used with --restore")
        if self.any and self.script:
            raise UsageError("--any cannot be used with --script")
        return actions[0] if actions else "patch"  # type: ignore[return-value] # mypy widens the names to str

    def answer(self, path: Path) -> Answer:
        """Do it with one script, and return what there is to say about it; raises Error."""
        from opensslgen.audit.script_edits import maker
        from opensslgen.gen_certs.patch import check_file, patch_file, restore_file
        from opensslgen.gen_certs.syntax import syntax_fault
        from opensslgen.report import patch as report

        make = maker(days=self.days, any_script=self.any)
        if self.action == "restore":
            return report.restored_answer(path, restore_file(path, force=self.force, make=make))
        if self.action == "check":
            edits, _ = check_file(path, make=make)
            return report.checked_answer(path, edits, complete="complies" if self.any else "has both edits")
        if self.action == "diff":
            return report.diff_answer(path, *check_file(path, make=make))
        shown = check_file(path, make=make)[1] if self.any else None
        outcome = patch_file(path, syntax_check=syntax_fault, make=make)
        return report.patched_answer(path, outcome, diff=shown)


@click.command(cls=Command)
@click.argument("files", nargs=-1, type=PathParameter(), metavar="FILE...")
@together(
    click.option(
        "--days", type=NumberParameter(1, 825), default=820, show_default=True,
        help="Days of validity, unless the script's user asks for others.",
    ),
    click.option("--diff", is_flag=True, help="Show what would change, and change nothing."),
    click.option("--check", is_flag=True, help="Exit with 1 if an edit is missing, and change nothing."),
    click.option("--restore", is_flag=True, help="Restore the original."),
    click.option("--force", is_flag=True, help="With --restore: even if the script was changed after it was patched."),
    click.option("--script", is_flag=True, help="Print a shell script that does this."),
    click.option("--any", is_flag=True, help="Edit any script, in the lines that audit finds."),
    grouped(Patching),
    QUIET,
    FORMAT,
)  # fmt: skip
def patch(files: tuple[Path, ...], patching: Patching, quiet: bool, output: Output) -> None:
    """Patch gen_certs.sh so that iPhones accept its certificates.

    \b
    opensslgen patch /opt/Avaya/scripts/gen_certs.sh
    opensslgen patch --check /opt/Avaya/scripts/gen_certs.sh || echo "an upgrade has replaced the script"
    opensslgen patch --script > patch-gen-certs.sh
    opensslgen patch --any make-certificate.sh

    The default validity becomes 820 days, and certificates get the extended key usage serverAuth,clientAuth. The
    original is kept next to the script. A script that is not recognised is not changed.

    With --any, in any script that makes certificates: days, digest and usages are changed in the lines that shape them,
    if the audit of the result says that it complies; otherwise nothing is.
    """
    action = patching.action
    if action == "script":
        from opensslgen.gen_certs.patch import patcher_script

        click.echo(patcher_script(patching.days), nl=False)
        return
    if not files:
        raise click.UsageError("Missing argument 'FILE...'.")
    from opensslgen.report.patch import failed_answer

    answers, code = [], 0
    for path in files:
        try:
            answer = patching.answer(path)
        except Error as error:
            answer = failed_answer(path, error)
            code = max(code, error.exit_code)
            Failure(error).show()
        else:
            code = max(code, 1 if action == "check" and answer.edits else 0)
            if output == "text" and not quiet:
                click.echo(answer.text, nl=False)
        answers.append(answer.fields)
    if output == "json":
        print_json(answers)
    sys.exit(code)


@click.command(cls=Command)
@click.argument("names", nargs=-1)
@together(
    click.option("--eku", multiple=True, metavar="USAGE", help="Extended key usage.  [default: serverAuth,clientAuth]"),
    click.option("--key-usage", multiple=True, metavar="USAGE", help="Key usage.  [env: KEY_USAGE]"),
    click.option(
        "--template", default="gen_certs", show_default=True, metavar="NAME|FILE",
        help="gen_certs: as the vendor's script writes it; v3_req: with the AKI, only for signing; or your own file.",
    ),
    ALLOW,
)  # fmt: skip
def ext(
    names: tuple[str, ...], eku: tuple[str, ...], key_usage: tuple[str, ...], template: str, allow: tuple[str, ...]
) -> None:
    """Print the extension section for a vendor's script.

    \b
    opensslgen ext DNS:pbx.example.com IP:10.0.0.5
    CA=CA:FALSE KEY_USAGE=digitalSignature SUBJECT_ALT_NAME=DNS:pbx.example.com opensslgen ext >> "$EXT_FILE"

    It replaces the echo lines of the script. What you leave out comes from the variables of the vendor's script:
    SUBJECT_ALT_NAME, KEY_USAGE, CA.
    """
    from opensslgen.jobs.extensions import section_text

    text = section_text(names, os.environ, extended_key_usage=eku, key_usage=key_usage, template=template, allow=allow)
    click.echo(text, nl=False)
