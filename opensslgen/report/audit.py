"""Write an audit in one of its formats: the text before, between and after the results."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from opensslgen import __version__

from .tally import Entry, Tally, entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opensslgen.audit.result import Result, Settings


FORMATS = ("text", "json", "sarif", "github")


class Format(NamedTuple):
    """How an audit is written."""

    head: str
    joint: str
    """Between two results."""
    write: Callable[[Result], str]
    """Returns one result as text, empty if there is nothing to say; can be sent to another process."""
    tail: Callable[[Tally], str]

    def entry(self) -> Callable[[Result], Entry]:
        """Return a function that returns the text of a result, and what the result adds to the totals."""
        return partial(entry, write=self.write)


def audit_format(
    name: str,
    settings: Settings,
    *,
    profiles: Sequence[str],
    colour: bool = False,
    quiet: bool = False,
    many: Sequence[str] = (),
    command: Mapping[str, object] | None = None,
) -> Format:
    """Return one of FORMATS.

    `profiles` are the names to print; `colour`, `quiet` and `many`, as in `text_entry`, are for text; `command` is what
    was run and watched, for JSON.
    """
    if name == "json":
        from . import document

        head = document.json_head(version=__version__, at=settings.at, profiles=profiles, command=command)
        return Format(head, ",\n", partial(document.json_entry, at=settings.at), document.json_tail)
    if name == "sarif":
        from . import sarif

        return Format(
            sarif.sarif_head(version=__version__, rules=settings.rules), ",\n", sarif.sarif_entry, sarif.sarif_tail
        )
    if name == "github":
        from . import github

        return Format("", "", github.github_entry, _no_tail)
    from . import text

    tail = _no_tail if quiet else partial(text.text_tail, is_brief=bool(many))
    return Format("", "", partial(text.text_entry, colour=colour, quiet=quiet, many=many), tail)


def _no_tail(_: Tally) -> str:
    return ""


class Report:
    """The text of an audit, piece by piece, and the totals so far."""

    def __init__(self) -> None:
        self.tally = Tally()

    def pieces(self, form: Format, entries: Iterable[Entry]) -> Iterator[str]:
        """Yield the text of the entries: the first piece at once, the last one after all entries."""
        yield form.head
        between = ""
        for each in entries:
            self.tally = self.tally.plus(each.tally)
            if each.text:
                yield between + each.text
                between = form.joint
        yield form.tail(self.tally)
