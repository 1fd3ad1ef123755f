"""The page from which phones get the root: the site for them, each format, and a guide for each kind of device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for

from opensslgen.errors import Error
from opensslgen.jobs.trust import judge_root
from opensslgen.suggest import suggest
from opensslgen.trust.anchor import anchor
from opensslgen.trust.devices import DEVICES
from opensslgen.trust.files import HTML, pages, root_files
from opensslgen.trust.pages import fingerprint_groups
from opensslgen.trust.words import LANGUAGES

from . import share
from .config import this_config
from .pages import attachment
from .share_in_form import Sharing

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as Answer

blueprint = Blueprint("roots", __name__)


@blueprint.get("/root")
def page() -> str:
    """Show the root, the site for phones, the formats, and why a phone would not accept it."""
    config = this_config()
    if config.store.issuer() is None:
        return render_template("root.html", root=None)
    root = anchor(config.pki)
    fault, found = None, []
    try:
        found = judge_root(root)
    except Error as error:
        fault, found = error.message, list(getattr(error, "findings", ()))
    return render_template(
        "root.html",
        root=root,
        files=root_files(root),
        devices=DEVICES,
        fingerprint=fingerprint_groups(root),
        fault=fault,
        findings=found,
        sharing=_sharing(),
        site=_sharing().offer,
        command=suggest("trust", "--share", pki=config.pki),
    )


@blueprint.post("/root/share")
def start() -> Answer:
    """Put the site for phones on the network."""
    config = this_config()
    if config.store.issuer() is None:
        abort(404)
    root = anchor(config.pki)
    judge_root(root)
    _sharing().start(root, pki=config.pki, openssl=config.openssl)
    return redirect(url_for("roots.page"), 303)


@blueprint.post("/root/share/stop")
def stop() -> Answer:
    """Take the site for phones down."""
    _sharing().stop()
    return redirect(url_for("roots.page"), 303)


@blueprint.get("/root/<name>")
def file(name: str) -> Response:
    """Return the root in one of its formats, one of the guides, or the code that leads phones to the site."""
    if this_config().store.issuer() is None:
        abort(404)
    root, site = anchor(this_config().pki), _sharing().offer
    language = request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])
    found = (*root_files(root), *pages(root, language=language), *(share.codes(site.url) if site else ()))
    one = next((file for file in found if file.name == name), None)
    if one is None:
        abort(404)
    if one.media_type.startswith(("text/html", "text/css", "image/")):
        answer = Response(one.data, content_type=one.media_type)
        if one.media_type == HTML:
            answer.headers["Vary"] = "Accept-Language, Cookie"
        return answer
    return attachment(one.data, name=one.name, kind=one.media_type)


def _sharing() -> Sharing:
    sharing = current_app.extensions["opensslgen.sharing"]
    assert isinstance(sharing, Sharing)
    return sharing
