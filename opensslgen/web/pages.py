"""The templates of the pages, their style and script, and the page for errors."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING

import flask
import jinja2
from flask import Blueprint, Response, abort, current_app, g, render_template
from werkzeug.exceptions import HTTPException

from opensslgen import __version__
from opensslgen.errors import Error
from opensslgen.plan import template
from opensslgen.text import visible

if TYPE_CHECKING:
    from flask import Flask

_ASSETS = {"style.css": "text/css", "form.js": "text/javascript", "page.js": "text/javascript"}
_MESSAGES = {
    400: "This request is invalid.",
    404: "There is no such page, or it belongs to another session.",
    405: "This page does not accept such a request.",
}

blueprint = Blueprint("pages", __name__)


class Request(flask.Request):
    """A request whose uploads stay in memory, and off the disk: they may be keys."""

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - as werkzeug calls it
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> io.BytesIO:
        return io.BytesIO()


def furnish(app: Flask) -> None:
    """Give the app its templates and its page for errors."""
    # The templates may be in a checkout, a wheel or a zipapp.
    app.jinja_env.loader = jinja2.FunctionLoader(lambda name: template.shipped(f"web/{name}"))
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["visible"] = lambda text: visible(str(text))
    app.register_error_handler(Exception, _error)
    app.register_blueprint(blueprint)

    @app.context_processor
    def context() -> dict[str, object]:
        session = g.get("session")
        return {"session": session, "csrf": session.csrf if session else "", "version": __version__}


@blueprint.get("/assets/<name>")
def asset(name: str) -> Response:
    """Return the style or the script."""
    if name not in _ASSETS:
        abort(404)
    return Response(template.shipped(f"web/{name}"), content_type=f"{_ASSETS[name]}; charset=utf-8")


def _error(error: Exception) -> tuple[str, int]:
    """Return a page with the error, and with no details of the program."""
    if isinstance(error, HTTPException):
        code = error.code or 500
        # The words given to abort() are ours; werkzeug's own are about HTTP.
        own = error.description if error.description != type(error).description else None
        too_large = f"This is too large: {'4 kB' if g.get('session') is None else '1 MiB'} is the most."
        message = own or (too_large if code == 413 else _MESSAGES.get(code, "This did not work."))
    elif isinstance(error, Error):
        code, message = 409, error.message
    else:
        current_app.logger.error("a request failed", exc_info=error)
        code, message = 500, "An internal error occurred, and nothing was finished. The terminal shows the error."
    if code < 400:
        code = 404
    login = code == 403 and g.get("session") is None and current_app.extensions["opensslgen"].password is not None
    title = HTTPStatus(code).phrase
    return render_template("error.html", title=title, message=visible(message), login=login), code


def attachment(data: bytes, *, name: str, kind: str) -> Response:
    """Return a file to be saved under a name."""
    answer = Response(data, content_type=kind)
    answer.headers.set("Content-Disposition", "attachment", filename=safe_name(name))
    return answer


def safe_name(name: str) -> str:
    """Return a file name without what leads elsewhere, hides something, or ends a header."""
    return "".join(char if char.isprintable() and char not in '/\\:"' else "_" for char in name) or "_"
