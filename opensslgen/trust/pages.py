"""The guides: a short page with the steps for each kind of device.

The same page works in a directory and on a site: its links are relative, it needs no script, and its style is in
`style.css` next to it. Text from the certificate is untrusted and escaped.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape, unescape
from typing import TYPE_CHECKING

from opensslgen.plan import template

from .devices import DEVICES
from .mobileconfig import title
from .words import phrases

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

    from .devices import Device


def guide_page(
    device: Device, root: Certificate, *, address: str | None = None, check: str | None = None, language: str = "en"
) -> str:
    """Return the page of one kind of device, with its files and steps.

    `check` is the URL of the page that shows whether a phone trusts the root, if there is one. Only the page for
    iPhones has other languages than English.
    """
    links = "\n".join(
        f'<p><a class="{"other" if number else "first"}" href="{name}">{download_action(name)}</a></p>'
        for number, name in enumerate(device.files)
    )
    spoken = language if device.id in TRANSLATED else "en"
    body = _fill(f"{device.id}.html", root, language=spoken, FILES=links, CHECK=_check(root, check, spoken))
    # Whoever reads the page for phones has scanned the code already.
    shown = None if device.id in _PHONES else address
    return _page(device.title, body, root, address=shown, here=device.id, language=spoken)


def _check(root: Certificate, check: str | None, language: str) -> str:
    said = phrases(language, name=title(root))
    if check is None:
        return f"<p>{said['step4_server']}</p>"
    return f'<p>{said["step4_page"]}</p>\n<p><a class="other" href="{escape(check)}">{said["step4_link"]}</a></p>'


def check_page(root: Certificate, *, back: str, language: str) -> str:
    """Return the page that a phone can only show without a warning if it trusts the root; `back` leads to the steps."""
    said = phrases(language, name=title(root))
    body = _fill("check.html", root, language=language, BACK=escape(back))
    return _page(unescape(said["checked"]), body, root, address=None, here=None, language=language)


TRANSLATED = ("iphone",)
"""The devices whose page is in each language."""
_PHONES = ("iphone", "android")


def steps(device: Device, root: Certificate) -> tuple[str, ...]:
    """Return the steps of one kind of device as plain text, in English."""
    body = _fill(f"{device.id}.html", root, language="en", FILES="", CHECK=_check(root, None, "en"))
    words = re.sub(r"<svg.*?</svg>|<p><a .*?</a></p>", "", body, flags=re.DOTALL)
    items = re.findall(r"<li[^>]*>(.*?)</li>", words, re.DOTALL)
    texts = (unescape(re.sub(r"<[^>]+>", "", item.replace("</h2>", ":"))) for item in items)
    return tuple(" ".join(text.split()) for text in texts)


def download_action(name: str) -> str:
    """Return what a link to a file of the root does, in words."""
    return _ACTIONS[name]


_ACTIONS = {
    "root.mobileconfig": "Download the profile",
    "root.crt": "Download the certificate (DER)",
    "root.pem": "Download the certificate (PEM)",
    "root-pem.crt": "Download the certificate (PEM, named .crt)",
    "WebRootCA.pem": "Download WebRootCA.pem",
}


def server_page(root: Certificate, *, address: str | None = None) -> str:
    """Return the page for administrators of the server: which certificate to replace, and how."""
    return _page("On the server", _fill("servers.html", root), root, address=address, here="servers")


def index_page(root: Certificate, *, address: str | None = None) -> str:
    """Return the page with links to all the others."""
    names = dict.fromkeys(name for device in DEVICES for name in (*device.files, "root.pem"))
    links = "\n".join(f'<li><a href="{name}">{download_action(name)}</a> ({name})</li>' for name in names)
    body = f"<p>Choose your device in the list below. The root in all formats:</p>\n<ul>\n{links}\n</ul>"
    return _page("Which device is it?", body, root, address=address, here="index")


def _page(
    heading: str, body: str, root: Certificate, *, address: str | None, here: str | None, language: str = "en"
) -> str:
    """Return a whole page; `here` is its place in the list of devices, None for a page without that list."""
    links = [(device.id, device.title) for device in DEVICES] + [("servers", "On the server")]
    items = "\n".join(
        f'<li><a href="{name}.html"{" aria-current=page" if name == here else ""}>{escape(text)}</a></li>'
        for name, text in links
    )
    return _fill(
        "page.html",
        root,
        language=language,
        HEADING=escape(heading),
        BODY=body,
        DEVICES=_fill("devices.html", root, language=language, ITEMS=items) if here else "",
        SITE="" if address is None else _fill("site.html", root, ADDRESS=escape(address)),
    )


def _fill(name: str, root: Certificate, *, language: str = "en", **values: str) -> str:
    """Return a template with its values; `values` are HTML already."""
    return template.fill(
        _read_template(name),
        {
            "NAME": escape(title(root)),
            "SUBJECT": escape(str(root.subject)),
            "FINGERPRINT": "\n".join(f"<span>{group}</span>" for group in fingerprint_groups(root)),
            "FROM": f"{root.not_before.date()}",
            "UNTIL": f"{root.not_after.date()}",
            "STEM": f"root-{root.fingerprint.replace(':', '').lower()[:8]}",
            "LANGUAGE": language,
            **{f"T_{key.upper()}": text for key, text in phrases(language, name=title(root)).items()},
            **{f"DRAWING{number}": drawing for number, drawing in enumerate(_DRAWINGS, 1)},
            **values,
        },
    )


def _drawing(inside: str) -> str:
    """Return a phone with something on its screen; the text beside it says the same."""
    return (
        '<svg class="drawing" viewBox="0 0 96 160" aria-hidden="true">'
        '<rect class="body" x="2" y="2" width="92" height="156" rx="14"></rect>'
        f'<rect class="grey" x="36" y="8" width="24" height="4" rx="2"></rect>{inside}</svg>'
    )


def _rows(hit: int, after: str = "") -> str:
    """Return the rows of a list of settings, of which one is marked."""
    rows = "".join(
        f'<rect class="{"hit" if number == hit else "row"}" x="12" y="{26 + 24 * number}" width="72" height="18"'
        ' rx="4"></rect>'
        for number in range(5)
    )
    return rows + after


_SWITCH = (
    '<rect class="on" x="58" y="125" width="22" height="12" rx="6"></rect>'
    '<circle class="knob" cx="74" cy="131" r="5"></circle>'
)
_DRAWINGS = (
    _drawing(
        '<rect class="row" x="12" y="56" width="72" height="60" rx="8"></rect>'
        '<rect class="grey" x="20" y="66" width="56" height="5" rx="2"></rect>'
        '<rect class="grey" x="20" y="76" width="40" height="5" rx="2"></rect>'
        '<rect class="hit" x="50" y="94" width="28" height="14" rx="4"></rect>'
    ),
    _drawing(_rows(0)),
    _drawing(_rows(-1, _SWITCH)),
    _drawing('<path class="line" d="M28 84l14 16 28-36"></path>'),
)
"""What the screen shows in each step."""


def fingerprint_groups(root: Certificate) -> tuple[str, ...]:
    """Return the SHA-256 fingerprint of a root in four groups, which are easier to compare."""
    return tuple(root.fingerprint[start : start + 23] for start in range(0, 95, 24))


@cache
def _read_template(name: str) -> str:
    return template.shipped(f"trust/{name}")


def style() -> str:
    """Return the style sheet of the pages."""
    return _read_template("style.css")
