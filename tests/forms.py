"""The form as a process of its own, and a browser without a screen to visit it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from opensslgen.web.config import Config
from opensslgen.web.pending import SECRET

from .conftest import CHECKOUT, wait

FILLED = {
    "name": "pbx.example.com",
    "names": "10.0.0.5\nDNS:sip.example.com",
    "days": "820",
    "eku": ["serverAuth", "clientAuth"],
    "key_type": "p-256",
    "where": "here",
}
"""What a person fills in, mostly by leaving it as it is."""


HOST = "127.0.0.1:8820"


class Client:
    """Flask's own test client with a host, a session and its token for forms."""

    def __init__(self, app, host=HOST):
        self.client, self.host, self.csrf = app.test_client(), host, ""

    def ask(self, method, path, **options):
        options.setdefault("base_url", f"http://{self.host}")
        answer = self.client.open(path, method=method, **options)
        answer.get_data()
        return answer

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, headers=None, **fields):
        return self.ask("POST", path, data={"csrf": self.csrf, **fields}, headers=headers)

    def take(self, path):
        """Download a file: what holds a key only by a form."""
        is_secret = path.rpartition("/")[2] in SECRET
        assert not is_secret or self.get(path).status_code == 404
        return self.post(path) if is_secret else self.get(path)

    def enter(self, token="token"):
        answer = self.get(f"/enter?token={token}")
        assert answer.status_code == 200
        self.csrf = re.search(r'name="csrf" value="([^"]+)"', self.get("/").text)[1]
        return self

    def make(self, **fields):
        """Fill in, confirm, and return the address of what was made."""
        fields.setdefault("passphrase_again", fields.get("passphrase", ""))
        shown = self.post("/new", **{**FILLED, **fields})
        assert shown.status_code == 303, shown.text
        made = self.post(shown.location)
        assert made.status_code == 303, made.text
        return made.location


def form_config(openssl, pki, **options):
    """Return the settings of a form that is tried without a socket."""
    # What is asked for is ready with the answer, unless a test wants to see the progress.
    return Config(pki=pki, openssl=lambda: openssl, hosts=frozenset({HOST}), **{"patience": 60, **options})


PASSWORD = "correct horse battery"


def log_in(client, password=PASSWORD):
    page = client.get("/login").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    answer = client.ask("POST", "/login", data={"csrf": csrf, "password": password})
    if answer.status_code == 303:
        client.csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)[1]
        return client
    return answer


@dataclass
class Running:
    """A form that runs."""

    url: str
    process: subprocess.Popen
    log: str = ""
    """What it has printed, once it has ended."""

    @property
    def port(self):
        return urlsplit(self.url).port

    def stop(self, number=signal.SIGTERM, *, timeout=30):
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=timeout)
        self.log += out + err
        return self.process.returncode


@contextlib.contextmanager
def running(*arguments, env=None, cwd=None, before=""):
    """Start `opensslgen web` on a free port, after some lines of Python that change it, and stop it at the end."""
    code = f"import sys\n{before}\nfrom opensslgen.cli.main import main\nsys.argv[0] = 'opensslgen'\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "web", "--port", "0", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()
    if url.startswith("{"):
        url = json.loads(url)["url"]
    if not url:
        out, err = process.communicate(timeout=30)
        raise AssertionError(out + err)
    form = Running(url, process)
    try:
        yield form
    finally:
        try:
            form.stop()
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def csrf(self):
        return re.search(r'name="csrf" value="([^"]+)"', self.text)[1]


@dataclass
class Visitor:
    """A browser as far as cookies go; paths are sent as they are given, dots and all."""

    port: int
    host: str = "127.0.0.1"
    context: object = None
    """For TLS."""
    name: str | None = None
    """The name of the host, if it is not to be its address."""
    cookies: dict = field(default_factory=dict)
    csrf: str = ""
    timeout: float = 60
    source: str = "127.0.0.1"
    """The address that it comes from."""

    def ask(self, method, path, body=None, headers=None):
        """Send one request over a connection of its own."""
        if self.context:
            connection = _Named(
                self.host,
                self.port,
                timeout=self.timeout,
                context=self.context,
                source_address=(self.source, 0),
                name=self.name,
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        sent = {"Host": f"{self.name or self.host}:{self.port}", **(headers or {})}
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        if isinstance(body, dict):
            body = urlencode(body, doseq=True)
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, **fields):
        return self.ask("POST", path, {"csrf": self.csrf, **fields})

    def enter(self, url):
        """Use the printed link."""
        parts = urlsplit(url)
        answer = self.get(f"{parts.path}?{parts.query}")
        assert answer.status == 200, answer.text
        self.csrf = self.get("/").csrf
        return self

    def make(self, **fields):
        """Fill the form in, confirm what is shown, and return the address of what was made."""
        shown = self.post("/new", **{**FILLED, **fields})
        assert shown.status == 303, shown.text
        return self.confirm(shown)

    def confirm(self, shown):
        """Confirm what an answer leads to, wait until it is done, and return the address of what was made."""
        made = self.post(shown.headers["Location"])
        if made.headers.get("Location", "").endswith("/progress"):
            progress = made.headers["Location"]
            made = wait(lambda: (answer := self.get(progress)).status != 200 and answer)
        assert made.status == 303, made.text
        return made.headers["Location"]


class _Named(http.client.HTTPSConnection):
    """Connects to an address and asks for a name, as if a DNS server had led there."""

    def __init__(self, *arguments, name, **options):
        super().__init__(*arguments, **options)
        self._name = name

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name or self.host)


def visitor(form):
    """Return a visitor that has used the form's link."""
    return Visitor(form.port).enter(form.url)


def raw(port, data, *, timeout=10):
    """Send bytes as they are, and return what comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


def memory(process):
    """Return the most that a process has had in memory, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


@contextlib.contextmanager
def slow_connections(port, number, *, source="127.0.0.1", context=None):
    """Keep connections open that send a byte now and then, and never a whole request."""
    open_ones, stop = [], threading.Event()
    for _ in range(number):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        with contextlib.suppress(OSError):
            if context:
                connection = context.wrap_socket(connection, server_hostname="form.example.com")
            connection.sendall(b"POST / HTTP/1.1\r\nX-Slow: ")
        open_ones.append(connection)

    def drip():
        while not stop.wait(0.5):
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield open_ones
    finally:
        stop.set()
        thread.join()
        for connection in open_ones:
            connection.close()
