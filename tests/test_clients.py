"""The certificate served by openssl's s_server, and what the clients that people have think of it."""

from __future__ import annotations

import socket
import ssl
import subprocess

import pytest

from .clients import CLIENTS, serving


@pytest.fixture(scope="module")
def port(served):
    with serving(served) as port:
        yield port


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
