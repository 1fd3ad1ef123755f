"""The guides: a short page for each kind of device that says which steps are left, filled with what the root says.

A page is written into a folder, or shown by a site, as it is: its links are relative, it needs no script, and its
style comes from `style.css` beside it. What a certificate says is a stranger's text and is escaped.
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING

from opensslgen.plan import template

from .devices import DEVICES
from .mobileconfig import title

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

    from .devices import Device


def guide_page(device: Device, root: Certificate, *, address: str | None = None) -> str:
    """Return the page of one kind of device, with the files that it takes and the steps that are left."""
    links = "\n".join(
        f'<p><a class="{"other" if number else "first"}" href="{name}">{name}</a></p>'
        for number, name in enumerate(device.files)
    )
    return _page(device.title, _filled(f"{device.id}.html", root, FILES=links), root, address=address, here=device.id)


def server_page(root: Certificate, *, address: str | None = None) -> str:
    """Return the page for who runs the server: which certificate to replace, and where it goes."""
    return _page("On the server", _filled("servers.html", root), root, address=address, here="servers")


def index_page(root: Certificate, *, address: str | None = None) -> str:
    """Return the page that leads to all the others."""
    names = dict.fromkeys(name for device in DEVICES for name in (*device.files, "root.pem"))
    links = "\n".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    body = f"<p>The list below leads to the steps. The root in all its forms:</p>\n<ul>\n{links}\n</ul>"
    return _page("Which device is it?", body, root, address=address, here="index")


def _page(heading: str, body: str, root: Certificate, *, address: str | None, here: str) -> str:
    links = [(device.id, device.title) for device in DEVICES] + [("servers", "On the server")]
    items = "\n".join(
        f'<li><a href="{name}.html"{" aria-current=page" if name == here else ""}>{escape(text)}</a></li>'
        for name, text in links
    )
    return _filled(
        "page.html",
        root,
        HEADING=escape(heading),
        BODY=body,
        DEVICES=items,
        SITE="" if address is None else _filled("site.html", root, ADDRESS=escape(address)),
    )


def _filled(name: str, root: Certificate, **values: str) -> str:
    """Return a template of ours with what is asked for; `values` are HTML already."""
    return template.fill(
        _shipped(name),
        {
            "NAME": escape(title(root)),
            "SUBJECT": escape(str(root.subject)),
            "FINGERPRINT": "\n".join(f"<span>{group}</span>" for group in fingerprint_groups(root)),
            "FROM": f"{root.not_before:%Y-%m-%d}",
            "UNTIL": f"{root.not_after:%Y-%m-%d}",
            "STEM": f"root-{root.fingerprint.replace(':', '').lower()[:8]}",
            **values,
        },
    )


def fingerprint_groups(root: Certificate) -> tuple[str, ...]:
    """Return the SHA-256 fingerprint of a root in four groups, for people to compare."""
    return tuple(root.fingerprint[start : start + 23] for start in range(0, 95, 24))


@cache
def _shipped(name: str) -> str:
    return template.shipped(f"trust/{name}")


def style() -> str:
    """Return the style sheet of the pages."""
    return _shipped("style.css")
