"""The drawings of a phone's screen in each step; the text beside them says the same."""

from __future__ import annotations

from functools import cache


@cache
def drawings() -> dict[str, str]:
    """Return each drawing as SVG, whose colours are in the style sheet of the pages."""
    warning = '<path class="warning" d="M48 34l18 30H30z"></path><path class="stroke" d="M48 45v9m0 4v1"></path>'
    return {
        "allow": _phone(
            _box(56, 60) + _line(66, 56) + _line(76, 40)
            + '<rect class="hit" x="50" y="94" width="28" height="14" rx="4"></rect>'
        ),
        "profile": _phone(_rows(0)),
        "switch": _phone(
            _rows() + '<rect class="on" x="58" y="125" width="22" height="12" rx="6"></rect>'
            '<circle class="knob" cx="74" cy="131" r="5"></circle>'
        ),
        "done": _phone('<path class="line" d="M28 84l14 16 28-36"></path>'),
        "download": _phone('<path class="arrow" d="M48 52v40m-14-14l14 14 14-14M30 108h36"></path>'),
        "settings": _phone(_rows(3, chevrons=True)),
        "warning": _phone(
            warning + _line(76, 56) + _line(86, 44)
            + '<rect class="row" x="20" y="102" width="56" height="14" rx="7"></rect>'
            '<rect class="hit" x="20" y="122" width="56" height="14" rx="7"></rect>'
        ),
        "file": _phone(_rows(1, icons=True)),
    }  # fmt: skip


def _phone(inside: str) -> str:
    """Return a phone with something on its screen."""
    return (
        '<svg class="drawing" viewBox="0 0 96 160" aria-hidden="true">'
        '<rect class="body" x="2" y="2" width="92" height="156" rx="14"></rect>'
        f'<rect class="grey" x="36" y="8" width="24" height="4" rx="2"></rect>{inside}</svg>'
    )


def _box(y: int, height: int) -> str:
    return f'<rect class="row" x="12" y="{y}" width="72" height="{height}" rx="8"></rect>'


def _line(y: int, width: int) -> str:
    return f'<rect class="grey" x="20" y="{y}" width="{width}" height="5" rx="2"></rect>'


def _rows(hit: int | None = None, *, chevrons: bool = False, icons: bool = False) -> str:
    """Return the rows of a list, of which one is marked."""
    return "".join(_row(26 + 24 * number, number == hit, chevrons, icons) for number in range(5))


def _row(y: int, is_hit: bool, has_chevron: bool, has_icon: bool) -> str:
    row = f'<rect class="{"hit" if is_hit else "row"}" x="12" y="{y}" width="72" height="18" rx="4"></rect>'
    chevron = f'<path class="{"on-hit" if is_hit else "stroke"}" d="M74 {y + 5}l4 4-4 4"></path>' if has_chevron else ""
    icon = f'<path class="{"paper-hit" if is_hit else "paper"}" d="M18 {y + 3}h6l3 3v9h-9z"></path>' if has_icon else ""
    return row + chevron + icon
