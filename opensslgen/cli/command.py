"""Commands with many options: their help in groups, the names that other tools use, and what was probably meant."""

from __future__ import annotations

import re
from typing import NoReturn

import click

from opensslgen.text import CURLY_QUOTES, LONG_DASHES, meant, quote

WHAT, NAMES, VALIDITY, KEY, LIMITS = "What", "Names", "Validity", "Key and usage", "Limits of the new CA"
RULES, SERVERS, SHARING, HOOKS, CA, OUTPUT = "Rules", "Servers", "Sharing", "Hooks", "CA", "Output"
HEADINGS = {
    WHAT: (
        "--key",
        "--chain",
        "--as",
        "--for",
        "--kind",
        "--all",
        "--within",
        "--check",
        "--jobs",
        "--fix",
        "--root",
        "--each",
        "--section",
    )
    + ("--limit", "--time-limit", "--sign", "--to", "--target", "--on", "--set", "--undo"),
    NAMES: ("--san", "--cn", "--org", "--org-unit", "--country", "--state", "--locality", "--email", "--name"),
    VALIDITY: ("--days", "--crl-url"),
    KEY: ("--key-type", "--key-file", "--keep-key", "--eku", "--key-usage", "--template")
    + ("--passphrase", "--new-passphrase", "--new-passphrase-file"),
    LIMITS: ("--pathlen", "--permit", "--exclude"),
    RULES: ("--profile", "--allow", "--at"),
    SERVERS: ("--starttls", "--servername", "--timeout", "--ask", "--ssh", "--sudo"),
    SHARING: ("--share", "--address", "--port", "--duration", "--password-file"),
    HOOKS: ("--deploy", "--deploy-hook", "--post-hook"),
    CA: ("--new-ca", "--ca-name", "--yes", "--passphrase-file", "--pki", "--openssl"),
    OUTPUT: ("--csr-only", "--p12", "--p12-compat", "--no-p12", "--p12-password-file", "--out", "--report", "--script")
    + ("--commands", "--force", "--format", "--json", "--warning", "--critical", "--quiet", "--verbose", "--help"),
}
"""The headings in the help of commands, in this order, and the options below each."""
_ELSEWHERE = {
    "audit": {"--openssl": WHAT, "--p12-password-file": WHAT, "--root": RULES, "--within": RULES},
    "sign": {"--yes": WHAT},
    "run": {"--san": WHAT, "--openssl": WHAT},
    "web": {"--name": SHARING},
}
"""Options that have another heading in the help of one command."""

_FOREIGN = {
    "--san": "--ip --dns --domain --domains -d --ip-addresses --altname --alt-name --sans --addext",
    "--days": "--validity --not-after --duration --expiry",
    "--cn": "--req-cn --subject --subj --name",
    "--org": "--req-org",
    "--org-unit": "--req-ou --ou",
    "--country": "--req-c",
    "--state": "--req-st --province",
    "--locality": "--req-city --city",
    "--email": "--req-email",
    "--key-type": "--newkey --algo --kty --keysize --key-size --bits --curve --rsa-key-size",
    "--key-file": "--key --in-key",
    "--keep-key": "--reuse-key",
    "--key-usage": "--keyusage",
    "--eku": "--extkeyusage --extended-key-usage --extendedkeyusage",
    "--pki": "--pki-dir --config-dir --out --out-dir --ca --ca-cert --ca-key",
    "--root": "--ca --ca-cert --cafile --cacert",
    "--passphrase-file": "--passin --passphrase-in --ca-password-file --password-file",
    "--p12-password-file": "--passout --password --password-file",
    "--csr-only": "--csr --req",
    "--p12": "--pkcs12",
    "--servername": "--hostname",
    "--out": "--output --output-dir",
    "--script": "--dry-run",
    "--yes": "--batch --non-interactive",
}
"""What other tools call an option of ours; what they call two of ours leads to the one that the command has."""

_FOR_MORE = {
    "server": "--san",
    "self-signed": "--san",
    "root": "--cn",
    "trust": "--root",
    "web": "--port",
    **dict.fromkeys(("list", "crl", "doctor"), "--pki"),
}
"""The option that a command has for what was typed as an argument too many."""

_VALUES = {"p12": "pfx pkcs12", "pem": "crt cer", "ip-office": "avaya ipoffice", "chain": "fullchain"}
"""What people type for a value of ours."""


_UNBROKEN = "\ue000"
"""Stands for a hyphen while click breaks lines, which would break `apple-eku` and `--key-type`."""


class Command(click.Command):
    """A command that says which option was probably meant, also when it was one of another tool."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line, or fail as click does."""
        typed = [*args]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            self._refuse(error, typed)
        except click.BadParameter as error:
            kind = getattr(error.param, "type", None)
            value = re.match("'(.*)' is not one of ", error.message, re.DOTALL)
            close = (
                _meant_choice(value[1], [*map(str, kind.choices)]) if value and isinstance(kind, click.Choice) else None
            )
            if close is None:
                raise
            message = f"{error.message} Did you mean {close}?"
            raise click.BadParameter(message, error.ctx, error.param, error.param_hint) from None
        except click.UsageError as error:
            if not error.message.startswith("Got unexpected extra argument"):
                raise
            about = self._about_extra(error.message, typed)
            raise click.UsageError(f"{error.message}{about}", error.ctx) from None

    def _about_extra(self, message: str, typed: list[str]) -> str:
        """Return what is probably wrong with arguments that are too many, after a full stop; else nothing."""
        ours = {name for param in self.params if isinstance(param, click.Option) for name in param.opts}
        for word in typed:
            if (plain := word.lstrip(LONG_DASHES + "-")) != word and not word.startswith("-") and f"--{plain}" in ours:
                return f". {word} begins with a long dash: write --{plain}"
            if word.startswith(tuple(CURLY_QUOTES)):
                return f". The shell does not know the quotation mark {word[0]}: write \" or '"
        if "--" in typed and any(word in ours for word in typed[typed.index("--") :]):
            return ". Options stand before --"
        option = _FOR_MORE.get(self.name or "")
        several = re.search(r"arguments \((.*)\)", message)
        if several and option == "--san":
            return f". Did you mean --san {quote(','.join(several[1].split()))}?"
        only = re.search(r"argument \((?!-)(.*)\)", message)
        if only and (at := typed.index(only[1])) > 1 and typed[at - 2] in (*HEADINGS[NAMES], "--ca-name"):
            return f". Did you mean {typed[at - 2]} {quote(' '.join(typed[at - 1 : at + 1]))}?"
        return f". Did you mean {option} {quote(only[1])}?" if only and option else ""

    def _refuse(self, error: click.NoSuchOption, typed: list[str]) -> NoReturn:
        """Raise the error with what was probably meant."""
        ours = {name for param in self.params if isinstance(param, click.Option) and not param.hidden
                for name in param.opts}  # fmt: skip
        name = error.option_name
        if not name.startswith("--"):
            # To click, the -days of openssl is the option -d with more letters.
            long = next((word for word in typed if word.startswith(name) and re.fullmatch("-[A-Za-z_]{2,}", word)), "")
            name = f"-{long}" if long else name
        known = next((our for our, foreign in _FOREIGN.items() if our in ours and name.lower() in foreign.split()), "")
        if known or name in ours:
            shown = name if name == error.option_name else name[1:]
            message = f"No such option {shown!r}. Did you mean {known or name!r}?"
            raise click.NoSuchOption(shown, message, ctx=error.ctx) from None
        raise error


def _meant_choice(typed: str, choices: list[str]) -> str | None:
    """Return the choice that was probably meant."""
    known = (ours for ours, foreign in _VALUES.items() if typed.lower() in foreign.split() and ours in choices)
    return next(known, None) or meant(typed, choices)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


class InGroups(Command):
    """The same, with the options below headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options below their headings, all with their help in the same column."""
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record and isinstance(param, click.Option):
                sections[self.heading(param)].append(record)
        names = [name for rows in sections.values() for name, _ in rows]
        widest = max(len(name) for name in names if len(name) <= _WIDEST)
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    table = [(f"{name:{widest}}", about.replace("-", _UNBROKEN)) for name, about in rows]
                    formatter.write_dl(table, col_max=widest)
        formatter.buffer = [text.replace(_UNBROKEN, "-") for text in formatter.buffer]

    def heading(self, param: click.Option) -> str:
        """Return the heading of an option."""
        name = param.opts[-1]
        elsewhere = _ELSEWHERE.get(self.name or "", {})
        return elsewhere.get(name) or next(heading for heading, names in HEADINGS.items() if name in names)


_WIDEST = 28
"""Columns; the help of a longer option begins in the next line."""


def known_as(*names: str) -> type[click.Option]:
    """Return the class of an option that has further names, old or of other tools, which work and are not shown."""
    if not names:
        return click.Option

    class Option(click.Option):
        def add_to_parser(self, parser: object, ctx: click.Context) -> None:
            shown = self.opts
            self.opts = [*shown, *names]
            try:
                super().add_to_parser(parser, ctx)  # type: ignore[arg-type] # its class has another name since click 8.2
            finally:
                self.opts = shown

    return Option
