"""Access control: the Host header, the session, the origin of a change, and the security headers.

Why no library: Flask-WTF keeps its token in a signed cookie, and ours has to end with the session; flask-talisman lacks
three of these headers; Flask-Limiter counts any number of clients, and needs wrapt, which is not pure Python.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.http import parse_cookie

from . import http_server
from .config import LOGIN_LIMIT, UPLOAD_LIMIT
from .sessions import Door, Session, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response

    from .config import Config

HEADERS = {
    **http_server.HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
"""Of every answer: no inline script, no frame, no cache."""
HEADERS_OF_TLS = {"Strict-Transport-Security": f"max-age={30 * 86400}"}
"""Of every answer over TLS: the browser then uses only TLS, and does not let anyone ignore a wrong certificate."""

_OPEN = {"gate.enter", "gate.login", "gate.try_password", "pages.asset"}
"""What needs no session."""

blueprint = Blueprint("gate", __name__)


class _Gate:
    """Who is logged in."""

    def __init__(self, config: Config) -> None:
        # Cookies ignore ports, so another form on this machine needs another cookie name.
        port = next(iter(sorted(config.hosts)), "").rpartition(":")[2]
        self.cookie = "__Host-opensslgen" if config.secure else f"opensslgen-{port}"
        self.login_cookie = f"{self.cookie}-login"
        self.sessions = Sessions()
        self.door = Door(config.token, config.password)
        self.login_key = secrets.token_bytes(32)


def guard(app: Flask, config: Config) -> None:
    """Check each request to the app, and add the headers to each answer."""
    app.extensions["opensslgen.gate"] = _Gate(config)
    app.register_blueprint(blueprint)

    @app.before_request
    def check() -> None:
        g.session = None
        # An attacker can point a name of theirs at this machine (DNS rebinding).
        if request.environ.get("HTTP_HOST", "").lower() not in config.hosts:
            abort(421, "The web interface does not have this address.")
        if request.method not in {"GET", "HEAD", "POST"}:
            abort(405)
        if request.method == "POST":
            _refuse_other_sites(config)
        session = _gate().sessions.find(request.cookies.get(_gate().cookie, ""))
        if session is None:
            request.max_content_length = LOGIN_LIMIT
        if request.endpoint in _OPEN:
            g.session = session
            return
        if session is None:
            abort(403, _how_to_get_in(config))
        g.session = session
        if request.method == "POST" and not hmac.compare_digest(
            request.form.get("csrf", "").encode(), session.csrf.encode()
        ):
            abort(403, "This request is not from a page of this session. Go back, reload the page, and try again.")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        if config.secure:
            response.headers.update(HEADERS_OF_TLS)
        return response


def body_limit(app: Flask) -> Callable[[str], int]:
    """Return a function that returns how many bytes of a body are read for a Cookie header."""
    gate = app.extensions["opensslgen.gate"]

    def limit(cookies: str) -> int:
        is_known = gate.sessions.find(parse_cookie(cookies).get(gate.cookie, "")) is not None
        # Somewhat more than the app takes, so that a page answers what is a little too large.
        return UPLOAD_LIMIT + (64 << 10) if is_known else LOGIN_LIMIT

    return limit


def this_session() -> Session:
    """Return the session of the request, which every page has that is not open to everyone."""
    session = g.session
    assert isinstance(session, Session)
    return session


def _gate() -> _Gate:
    gate = current_app.extensions["opensslgen.gate"]
    assert isinstance(gate, _Gate)
    return gate


def _refuse_other_sites(config: Config) -> None:
    """Refuse a request from another site, in addition to the check of the token."""
    # Browsers send an Origin of "null" under our Referrer-Policy.
    origin = request.headers.get("Origin", "null")
    ours = {f"{'https' if config.secure else 'http'}://{host}" for host in config.hosts}
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if (origin != "null" and origin.lower() not in ours) or site not in {"same-origin", "none"}:
        abort(403, "This request comes from another site.")


def _how_to_get_in(config: Config) -> str:
    if config.password is not None:
        return "Log in first."
    return (
        "Open the link that opensslgen web prints. It works once, in one browser: if it was used, or the session has"
        " ended, start opensslgen web again."
    )


@blueprint.get("/enter")
def enter() -> Response:
    """Exchange the token of the printed link for a session."""
    if request.method == "HEAD":
        abort(405)  # a program that checks links must not use it up
    if not _gate().door.opens_by_token(request.args.get("token", "")):
        if g.session:
            return redirect(url_for("browsing.table"))
        abort(403, _how_to_get_in(current_app.extensions["opensslgen"]))
    # Not a redirect: if another site links here, the redirected request also counts as cross-site, and browsers do not
    # send a SameSite=Strict cookie with it.
    return _let_in(current_app.make_response(render_template("entered.html")))


@blueprint.get("/login")
def login() -> str | Response:
    """Show the form that asks for the password."""
    config: Config = current_app.extensions["opensslgen"]
    if config.password is None:
        abort(404)
    if g.session:
        return redirect(url_for("browsing.table"))
    return _login_page(None)


@blueprint.post("/login")
def try_password() -> str | Response | tuple[str | Response, int]:
    """Exchange the password for a session."""
    config: Config = current_app.extensions["opensslgen"]
    if config.password is None:
        abort(404)
    expected = _login_csrf(request.cookies.get(_gate().login_cookie, ""))
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), expected.encode()):
        abort(403, "This request is not from the login page. Reload the page, and try again.")
    wait = _gate().door.wait(request.remote_addr)
    if wait:
        page = _login_page(f"Too many wrong passwords. Try again in {wait:.0f} seconds.")
        page.headers["Retry-After"] = f"{wait:.0f}"
        return page, 429
    if not _gate().door.opens_by_password(request.form.get("password", ""), request.remote_addr):
        return _login_page("Wrong password."), 403
    return _let_in(redirect(url_for("browsing.table"), 303))


@blueprint.post("/leave")
def leave() -> str:
    """End the session; its keys can no longer be downloaded."""
    _gate().sessions.end(this_session())
    g.session = None
    return render_template("left.html", by_password=current_app.extensions["opensslgen"].password is not None)


def _let_in(answer: Response) -> Response:
    """Begin a session with a new key, whatever cookie the request has."""
    session = _gate().sessions.begin()
    secure = current_app.extensions["opensslgen"].secure
    answer.set_cookie(_gate().cookie, session.key, httponly=True, samesite="Strict", secure=secure)
    return answer


def _login_page(problem: str | None) -> Response:
    """Return the page, with a token for a separate cookie, as there is no session yet."""
    ticket = secrets.token_urlsafe(16)
    answer = current_app.make_response(render_template("login.html", problem=problem, csrf=_login_csrf(ticket)))
    secure = current_app.extensions["opensslgen"].secure
    answer.set_cookie(_gate().login_cookie, ticket, httponly=True, samesite="Strict", secure=secure)
    return answer


def _login_csrf(ticket: str) -> str:
    return hmac.new(_gate().login_key, ticket.encode(), "sha256").hexdigest()
