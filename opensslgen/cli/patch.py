"""The commands for the vendor's script: mend it in place, or give it the section that it lacks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from opensslgen.errors import Error, UsageError
from opensslgen.gen_certs.patch import check_file, diff_file, patch_file, patcher_script, restore_file
from opensslgen.plan.template import shipped

from .main import Failure
from .options import FORMAT, together


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILE...")
@together(
    click.option("--days", type=click.IntRange(1, 825), default=820, show_default=True, help="The default validity."),
    click.option("--diff", is_flag=True, help="Show what would change; change nothing."),
    click.option("--check", is_flag=True, help="Exit with 1 if an edit is missing; change nothing."),
    click.option("--restore", is_flag=True, help="Put the original back."),
    click.option("--force", is_flag=True, help="With --restore: although the script is not what was made of it."),
    click.option("--script", is_flag=True, help="Print a shell script that does all this."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    FORMAT,
)
def patch(files: tuple[Path, ...], **options: Any) -> None:
    """Make the vendor's gen_certs.sh give certificates that iPhones accept.

    \b
    opensslgen patch /opt/Avaya/scripts/gen_certs.sh
    opensslgen patch --check /opt/Avaya/scripts/gen_certs.sh || echo "an upgrade has put the old one back"
    opensslgen patch --script > patch-gen-certs.sh

    The default validity becomes 820 days, and the certificates gain the extended key usage serverAuth,clientAuth. The
    original is kept beside the script; a script that is not recognised is left alone.
    """
    actions = [name for name in ("diff", "check", "restore", "script") if options[name]]
    if len(actions) > 1:
        raise UsageError(f"--{actions[0]} and --{actions[1]} exclude each other")
    action = actions[0] if actions else "patch"
    if options["force"] and action != "restore":
        raise UsageError("--force goes with --restore only")
    if action == "script":
        click.echo(patcher_script(options["days"]), nl=False)
        return
    if not files:
        raise click.UsageError("Missing argument 'FILE...'.")
    answers, code = [], 0
    for path in files:
        try:
            answer = _ACTIONS[action](path, options)
        except Error as error:
            answer = {"file": str(path), "error": error.message, "hint": error.hint}
            code = max(code, error.exit_code)
            Failure(error).show()
        else:
            code = max(code, 1 if action == "check" and answer["edits"] else 0)
            if options["output"] == "text" and not options["quiet"]:
                click.echo(answer["text"], nl=False)
        answers.append({name: value for name, value in answer.items() if name != "text"})
    if options["output"] == "json":
        click.echo(json.dumps(answers, indent=2))
    sys.exit(code)


def _patch(path: Path, options: dict[str, Any]) -> dict[str, Any]:

    outcome = patch_file(path, days=options["days"], syntax_check=_syntax_fault)
    edits = outcome.patch.edits
    text = f"{path}: has both edits already\n"
    if edits:
        lines = "".join(f"  line {edit.line}: {edit.new.strip()}\n" for edit in edits)
        text = f"{path}: edited; the original is {outcome.backup}\n{lines}"
    text += "".join(f"  note: {note}\n" for note in outcome.patch.notes)
    backup = None if outcome.backup is None else str(outcome.backup)
    return {**_told(path, edits, text), "backup": backup, "notes": outcome.patch.notes}


def _check(path: Path, options: dict[str, Any]) -> dict[str, Any]:

    edits = check_file(path, days=options["days"])
    lines = "".join(f"  line {edit.line}: {edit.reason}\n" for edit in edits)
    state = f"{len(edits)} edit{'s are' if len(edits) > 1 else ' is'} missing" if edits else "has both edits"
    return _told(path, edits, f"{path}: {state}\n{lines}")


def _diff(path: Path, options: dict[str, Any]) -> dict[str, Any]:

    text = diff_file(path, days=options["days"])
    return {**_told(path, check_file(path, days=options["days"]), text), "diff": text}


def _restore(path: Path, options: dict[str, Any]) -> dict[str, Any]:

    outcome = restore_file(path, force=options["force"])
    text = f"{path}: restored from {outcome.backup}\n"
    if outcome.kept:
        text += f"  what was there is now {outcome.kept}\n"
    return {"file": str(path), "restored_from": str(outcome.backup), "text": text}


def _told(path: Path, edits: Any, text: str) -> dict[str, Any]:
    told = [{"line": edit.line, "old": edit.old, "new": edit.new, "reason": edit.reason} for edit in edits]
    return {"file": str(path), "edits": told, "text": text}


_ACTIONS = {"patch": _patch, "check": _check, "diff": _diff, "restore": _restore}


def _syntax_fault(script: Path) -> str | None:
    """Return what bash has against a script, or sh where there is no bash; raises Error without either."""
    import shutil

    from opensslgen.openssl.process import start_with_sh

    shell = shutil.which("bash") or shutil.which("sh")
    if shell is None:
        raise Error("neither bash nor sh is here to check the edited script, so it was left alone")
    process = start_with_sh([shell, "-n", str(script)], env=os.environ, cwd=os.sep, stdin=b"", timeout=30)
    return None if process.exit_code == 0 else process.stderr.decode("utf-8", "replace").strip() or "no reason given"


@click.command()
@click.argument("names", nargs=-1)
@together(
    click.option("--eku", multiple=True, metavar="USAGE", help="Extended key usage.  [default: serverAuth,clientAuth]"),
    click.option("--key-usage", multiple=True, metavar="USAGE", help="Key usage.  [env: KEY_USAGE]"),
    click.option(
        "--template",
        default="gen_certs",
        show_default=True,
        metavar="NAME|FILE",
        help="gen_certs: as the vendor's script writes it; v3_req: with the AKI, for signing only; or your own.",
    ),
    click.option("--allow", multiple=True, metavar="RULE", help="Print it although it breaks this rule."),
)
def ext(names: tuple[str, ...], template: str, **options: Any) -> None:
    """Print the extension section alone, to take the place of a script's echo lines.

    \b
    opensslgen ext DNS:pbx.example.com IP:10.0.0.5
    CA=CA:FALSE KEY_USAGE=digitalSignature SUBJECT_ALT_NAME=DNS:pbx.example.com opensslgen ext >> "$EXT_FILE"

    What is not given comes from the variables that the vendor's script uses: SUBJECT_ALT_NAME, KEY_USAGE, CA.
    """
    from dataclasses import replace

    from opensslgen.files.read import read_template
    from opensslgen.jobs.job import refuse_violations
    from opensslgen.orders.order import leaf_order
    from opensslgen.orders.usages import extended_key_usages, key_usages
    from opensslgen.plan.section import from_script

    if not names and not os.environ.get("SUBJECT_ALT_NAME"):
        raise UsageError("no names", hint="give them as arguments or in SUBJECT_ALT_NAME")
    section = from_script(os.environ, names=names, key_usage=key_usages(options["key_usage"]))
    usages = extended_key_usages(options["eku"])
    section = replace(section, extended_key_usage=usages) if usages else section
    if "CA:FALSE" in section.basic_constraints:
        order = replace(leaf_order("host.invalid"), names=section.names, extended_key_usage=section.extended_key_usage)
        refuse_violations(order, allow=options["allow"])
    known = template in {"gen_certs", "v3_req"}
    text = shipped(f"{template}.cnf") if known else read_template(Path(template))
    click.echo(section.fill(text), nl=False)
