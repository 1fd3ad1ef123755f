"""The clients that people have, as commands that connect to a server on this machine by a name."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time


@contextlib.contextmanager
def serving(made, *options):
    """Run s_server with what was made; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", str(port), "-www", "-quiet", "-cert", made.files["certificate"]]
        + ["-key", made.files["key"], *options]
        + (["-cert_chain", made.files["chain"]] if "chain" in made.files else []),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENSSL_CONF": "/dev/null"},
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait()


def s_client(root, port, name):
    match = ["-verify_ip", name] if name[0].isdigit() else ["-verify_hostname", name]
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", root, "-verify_return_error", *match]


def gnutls(root, port, name):
    match = [] if name[0].isdigit() else [f"--sni-hostname={name}"]
    return ["gnutls-cli", "--x509cafile", root, f"--verify-hostname={name}", *match, "-p", str(port), "127.0.0.1"]


def curl(root, port, name):
    to = f"{name}:{port}:127.0.0.1:{port}"
    return ["curl", "-sS", "--max-time", "20", "--cacert", root, "--connect-to", to, f"https://{name}:{port}/"]


def node(root, port, name):
    code = (
        "const tls = require('tls'), fs = require('fs');"
        f"const s = tls.connect({{host: '127.0.0.1', port: {port}, ca: fs.readFileSync('{root}'),"
        f" servername: /^[0-9]/.test('{name}') ? '' : '{name}',"
        f" checkServerIdentity: (h, c) => tls.checkServerIdentity('{name}', c)}},"
        " () => process.exit(0)); s.on('error', e => { console.error(e.message); process.exit(1) });"
    )
    return ["node", "-e", code]


CLIENTS = {client.__name__: client for client in (s_client, gnutls, curl, node)}
