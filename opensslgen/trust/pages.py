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

from .desk_phones import DESK_LINE, DESK_SOURCES
from .devices import DEVICES
from .drawings import drawings
from .mobileconfig import title
from .words import phrases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opensslgen.x509.certificate import Certificate

    from .devices import Device


def guide_page(
    device: Device, root: Certificate, *, address: str | None = None, check: str | None = None, language: str = "en"
) -> str:
    """Return the page of one kind of device, with its files and steps.

    `check` is the URL of the page that shows whether a phone trusts the root, if there is one.
    """
    said = phrases(language, name=title(root))
    links = "\n".join(
        f'<p><a class="{"other" if number else "first"}" href="{name}">{download_action(name, language)}</a></p>'
        for number, name in enumerate(device.files)
    )
    body = _fill(
        f"{device.id}.html",
        root,
        language=language,
        FILES=links,
        CHECK=_check(check, said),
        SECURE=_secure(check, said),
        DESK_LINE=escape(DESK_LINE),
        DESK_SOURCES="\n".join(f'<li><a href="{url}">{escape(url)}</a></li>' for url in DESK_SOURCES),
    )
    # Whoever reads the page for phones has scanned the code already.
    shown = None if device.is_phone else address
    return _page(said[device.heading], body, root, address=shown, here=device.id, language=language)


def _check(check: str | None, said: Mapping[str, str]) -> str:
    if check is None:
        return f"<p>{said['step4_server']}</p>"
    return f'<p>{said["step4_page"]}</p>\n<p><a class="other" href="{escape(check)}">{said["step4_link"]}</a></p>'


def _secure(check: str | None, said: Mapping[str, str]) -> str:
    """Return the link to the same page over TLS, if there is one."""
    if check is None:
        return ""
    url = escape(f"{check.removesuffix('check')}iphone.html")
    return f'<p><a class="other" href="{url}">{said["ios27_link"]}</a></p>\n<p>{said["ios27_warning"]}</p>'


def check_page(root: Certificate, *, back: str, language: str) -> str:
    """Return the page that a phone can only show without a warning if it trusts the root; `back` leads to the steps."""
    said = phrases(language, name=title(root))
    body = _fill("check.html", root, language=language, BACK=escape(back))
    return _page(said["checked"], body, root, address=None, here=None, language=language)


def steps(device: Device, root: Certificate) -> tuple[str, ...]:
    """Return the steps of one kind of device as plain text, in English."""
    body = guide_page(device, root).partition('<ol class="steps">')[2].partition("</ol>")[0]
    words = re.sub(r"<svg.*?</svg>|<p><a .*?</a></p>", "", body, flags=re.DOTALL)
    items = re.findall(r"<li[^>]*>(.*?)</li>", words, re.DOTALL)
    texts = (unescape(re.sub(r"<[^>]+>", "", item.replace("</h2>", ":"))) for item in items)
    return tuple(" ".join(text.split()) for text in texts)


def download_action(name: str, language: str = "en") -> str:
    """Return what a link to a file of the root does, in words."""
    return phrases(language, name="")[_ACTIONS[name]]


_ACTIONS = {
    "root.mobileconfig": "get_profile",
    "root.crt": "get_der",
    "root.pem": "get_pem",
    "root-pem.crt": "get_crt",
    "WebRootCA.pem": "get_web_root",
    "46xxsettings-lines.txt": "get_lines",
}


def server_page(root: Certificate, *, address: str | None = None, language: str = "en") -> str:
    """Return the page for administrators of the server: which certificate to replace, and how."""
    heading = phrases(language, name="")["title_servers"]
    body = _fill("servers.html", root, language=language)
    return _page(heading, body, root, address=address, here="servers", language=language)


def index_page(root: Certificate, *, address: str | None = None, language: str = "en") -> str:
    """Return the page with links to all the others."""
    said = phrases(language, name="")
    names = dict.fromkeys(name for device in DEVICES for name in (*device.files, "root.pem"))
    links = "\n".join(f'<li><a href="{name}">{download_action(name, language)}</a> ({name})</li>' for name in names)
    body = f"<p>{said['choose']}</p>\n<ul>\n{links}\n</ul>"
    return _page(said["title_index"], body, root, address=address, here="index", language=language)


def _page(
    heading: str, body: str, root: Certificate, *, address: str | None, here: str | None, language: str = "en"
) -> str:
    """Return a whole page; `here` is its place in the list of devices, None for a page without that list."""
    said = phrases(language, name=title(root))
    links = [(device.id, said[device.heading]) for device in DEVICES] + [("servers", said["title_servers"])]
    items = "\n".join(
        f'<li><a href="{name}.html"{" aria-current=page" if name == here else ""}>{text}</a></li>'
        for name, text in links
    )
    return _fill(
        "page.html",
        root,
        language=language,
        HEADING=heading,
        BODY=body,
        DEVICES=_fill("devices.html", root, language=language, ITEMS=items) if here else "",
        SITE="" if address is None else _fill("site.html", root, language=language, ADDRESS=escape(address)),
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
            **{f"DRAWING_{key.upper()}": drawing for key, drawing in drawings().items()},
            **values,
        },
    )


def fingerprint_groups(root: Certificate) -> tuple[str, ...]:
    """Return the SHA-256 fingerprint of a root in four groups, which are easier to compare."""
    return tuple(root.fingerprint[start : start + 23] for start in range(0, 95, 24))


@cache
def _read_template(name: str) -> str:
    return template.shipped(f"trust/{name}")


def style() -> str:
    """Return the style sheet of the pages."""
    return _read_template("style.css")
