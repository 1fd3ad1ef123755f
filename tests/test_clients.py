"""The certificate served by openssl's s_server, and what the clients that people have think of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest


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


@pytest.fixture(scope="module")
def port(served):
    with serving(served) as port:
        yield port


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


@pytest.mark.parametrize("name", ["pbx.example.com", "localhost", "127.0.0.1"])
@pytest.mark.parametrize("client", CLIENTS)
def test_clients_accept_it_by_name_and_by_address(client, name, served, port):
    done = subprocess.run(
        CLIENTS[client](str(served.files["root"]), port, name),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()


@pytest.mark.parametrize("name", ["other.example.com", "127.0.0.2"])
@pytest.mark.parametrize("client", CLIENTS)
def test_clients_refuse_a_wrong_name(client, name, served, port):
    done = subprocess.run(
        CLIENTS[client](str(served.files["root"]), port, name),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode != 0


def python_connects(root, port, name):
    context = ssl.create_default_context(cafile=root)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_connection(("127.0.0.1", port)) as raw, context.wrap_socket(raw, server_hostname=name):
        return True


@pytest.mark.parametrize("name", ["pbx.example.com", "127.0.0.1"])
def test_pythons_strict_verification_accepts_it(name, served, port):
    assert python_connects(served.files["root"], port, name)


def test_pythons_strict_verification_refuses_a_wrong_name(served, port):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        python_connects(served.files["root"], port, "other.example.com")


def test_the_clients_are_here():
    assert not [program for program in ("openssl", "gnutls-cli", "curl", "node") if shutil.which(program) is None]
