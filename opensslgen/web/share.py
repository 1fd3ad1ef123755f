"""The read-only site from which phones on the network download the root.

It serves from memory: no request opens a file.
"""

from __future__ import annotations

import io
import re
import socket
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import segno
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from opensslgen.errors import Error
from opensslgen.trust.desk_phones import SETTINGS_FILE
from opensslgen.trust.devices import device_of
from opensslgen.trust.files import HTML, TrustFile, pages, root_files
from opensslgen.trust.pages import check_page
from opensslgen.trust.words import LANGUAGES

from .entrance import tls_settings
from .form_server import tls_front
from .http_server import CONNECTIONS, HEADERS, Limits, open_listener, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from ssl import SSLContext

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.trust.devices import Device
    from opensslgen.x509.certificate import Certificate

_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
}
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/?#@\s]+))(?::(?P<port>[0-9]{1,5}))?")
"""A Host header (RFC 9110 section 7.2) and nothing else."""


class Fetch(NamedTuple):
    """One thing that somebody has fetched."""

    address: str
    device: str
    name: str


def create_app(
    root: Certificate,
    *,
    url: str,
    profile: bytes | None = None,
    check: str | None = None,
    on_fetch: Callable[[Fetch], None] = lambda _: None,
) -> Flask:
    """Return the site; `url` is its address, `profile` the configuration profile if it is signed.

    `check` is the URL of `/check` over TLS, if there is one: a phone shows that page without a warning only if it
    trusts the root. `on_fetch` gets each page and file that was sent.
    """
    app = Flask("opensslgen", static_folder=None, template_folder=None)
    same = {file.name: file for file in (*root_files(root, profile=profile), *codes(url))}
    # A desk phone asks for its settings by this name.
    same[SETTINGS_FILE] = replace(same["46xxsettings-lines.txt"], name=SETTINGS_FILE)

    @cache
    def files(language: str, *, is_phone: bool) -> dict[str, TrustFile]:
        # A phone is here because it has scanned the code.
        address = None if is_phone else url
        return same | {file.name: file for file in pages(root, address=address, check=check, language=language)}

    def language() -> str:
        return request.accept_languages.best_match(LANGUAGES, LANGUAGES[0])

    def device() -> Device | None:
        return device_of(request.headers.get("User-Agent", ""))

    def device_name() -> str:
        found = device()
        if found:
            return found.title
        # Desk phones have no browser; Avaya's begin with their maker.
        return "desk phone" if request.headers.get("User-Agent", "").lower().startswith("avaya") else "unknown device"

    def find(name: str) -> Response | None:
        found = device()
        file = files(language(), is_phone=bool(found and found.is_phone)).get(name)
        if file is None:
            return None
        response = _answer(file)
        if file.media_type == HTML:
            response.headers["Vary"] = "User-Agent, Accept-Language"
        return response

    @app.before_request
    def refuse_other_hosts() -> None:
        if not _is_ours(request.headers.get("Host", "")):
            abort(421)

    @app.get("/", provide_automatic_options=False)
    def show_guide() -> Response:
        found = device()
        return find(f"{found.id if found else 'index'}.html") or abort(404)

    @app.get("/check", provide_automatic_options=False)
    def show_check() -> Response:
        if not request.is_secure:
            abort(404)
        response = Response(check_page(root, back=url, language=language()), content_type=HTML)
        response.headers["Vary"] = "Accept-Language"
        return response

    @app.get("/<name>", provide_automatic_options=False)
    def send_file(name: str) -> Response:
        return find(name) or abort(404)

    @app.errorhandler(HTTPException)
    def error(fault: HTTPException) -> Response:
        response = Response(f"{fault.code} {fault.name}\n", fault.code, mimetype="text/plain")
        if fault.code == 405:
            response.headers["Allow"] = "GET, HEAD"
        return response

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if response.status_code == 200 and request.method == "GET":
            on_fetch(Fetch(request.remote_addr or "?", device_name(), request.path.lstrip("/") or "the page"))
        return response

    return app


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The site, ready to be served."""

    app: Flask
    listener: socket.socket
    url: str
    check: str | None
    """The URL of the page over TLS that shows whether a phone trusts the root."""
    missing: Error | None
    """Why there is no such page; None as well if the key of the root is not here."""


@contextmanager
def offer(
    root: Certificate,
    *,
    address: str,
    port: int | None = None,
    profile: bytes | None = None,
    pki: Path | None,
    openssl: Callable[[], OpenSSL],
    on_fetch: Callable[[Fetch], None],
) -> Iterator[Offer]:
    """Open the site on an address, and serve it by TLS as well if `pki` has a certificate for that address.

    `port` is that of plain HTTP; None: 8080. The caller serves that. Raises Error if the port cannot be had.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(open_listener(address, 8080 if port is None else port))
        url = url_of(listener)
        secure, missing = (None, None)
        if pki is not None:
            try:
                host = urlsplit(url).hostname or address
                secure = _open_tls(address, host, port=port, pki=pki, openssl=openssl())
            except Error as error:
                missing = error
        check = None
        if secure:
            stack.enter_context(secure[0])
            check = check_url(secure[0])
        app = create_app(root, url=url, profile=profile, check=check, on_fetch=on_fetch)
        if secure:
            stack.enter_context(_serving_tls(app, *secure))
        yield Offer(app=app, listener=listener, url=url, check=check, missing=missing)


def _open_tls(
    address: str, host: str, *, port: int | None, pki: Path, openssl: OpenSSL
) -> tuple[socket.socket, SSLContext]:
    """Return a socket for TLS with its settings; raises Error without a certificate for this address, or a port."""
    context, _ = tls_settings(host, host, pki=pki, openssl=openssl)
    beside = 8443 if port is None else port + 1 if 0 < port < 65535 else 0
    return open_listener(address, beside), context


@contextmanager
def _serving_tls(app: Flask, listener: socket.socket, context: SSLContext) -> Iterator[None]:
    """Serve the site over TLS as well, in a thread, until the end of the block."""
    stop = threading.Event()
    with tls_front(listener, context) as (inner, front):

        def run() -> None:
            # The TLS front counts the connections of an address.
            limits = Limits(per_address=CONNECTIONS)
            serve(
                app, inner, limits=limits, scheme="https", client=front.client,
                until=stop.is_set, stopping=front.stop_accepting,
            )  # fmt: skip

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(Limits().grace + 2)


def check_url(listener: socket.socket) -> str:
    """Return the URL of the page that shows whether a phone trusts the root, on a socket with TLS."""
    return f"{url_of(listener, scheme='https')}check"


def _answer(file: TrustFile) -> Response:
    response = Response(file.data, content_type=file.media_type)
    if not file.media_type.startswith(("text/", "image/")):
        # Not as an attachment: devices install a root by its media type.
        response.headers["Content-Disposition"] = f'inline; filename="{file.name}"'
    return response


def _is_ours(host: str) -> bool:
    """Tell whether a Host header is an address, or a name of this machine.

    An attacker can point any other name here (DNS rebinding), but not an address.
    """
    if not host:
        return True  # desk phones that speak HTTP/1.0
    match = _HOST.fullmatch(host)
    if not match or int(match["port"] or 0) > 65535:
        return False
    try:
        ip_address(match["ipv6"] or match["name"])
    except ValueError:
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        return str(match["name"]).lower() in {"localhost", own, short, f"{short}.local"}
    return True


def codes(url: str) -> tuple[TrustFile, TrustFile]:
    """Return the QR code of a URL as SVG and as PNG."""
    code = segno.make_qr(url, error="m")
    svg, png = io.BytesIO(), io.BytesIO()
    code.save(svg, kind="svg", light="#fff", title=url, omitsize=True)
    code.save(png, kind="png", scale=8)
    return (
        TrustFile("qr.svg", "image/svg+xml", svg.getvalue()),
        TrustFile("qr.png", "image/png", png.getvalue()),
    )


def terminal_code(url: str, *, coloured: bool) -> str:
    """Return the QR code of a URL for a terminal, light on dark; without colours, the terminal has to be dark."""
    text = io.StringIO()
    segno.make_qr(url, error="m").terminal(text, compact=True)
    lines = text.getvalue().splitlines()
    return "".join(f"\x1b[97;40m{line}\x1b[0m\n" if coloured else f"{line}\n" for line in lines)


def lan_address() -> str:
    """Return the address of this machine on its network; raises Error if there is none.

    Nothing is sent: connecting a UDP socket only looks up the route, to an address that nobody has (RFC 5737).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
            return str(asking.getsockname()[0])
        except OSError as error:
            raise Error("this machine is on no network", hint="to choose an address, add --address IP") from error


def url_of(listener: socket.socket, *, scheme: str = "http") -> str:
    """Return the URL of the site on a socket; if it listens on all addresses, with this machine's on the network."""
    address, port = listener.getsockname()[:2]
    if ip_address(address).is_unspecified:
        address = lan_address()
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}/" if port == {"http": 80, "https": 443}[scheme] else f"{scheme}://{host}:{port}/"
