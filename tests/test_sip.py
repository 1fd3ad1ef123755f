"""The scenario that all of this is for: a SIP registrar with our certificate, and clients that hold it to its name.

Kamailio is the registrar. sipsak verifies it, chain and name, by GnuTLS. baresip (1.0) verifies nothing, but shows a
certificate of its own, as mutual TLS wants.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time

import pytest

from opensslgen.jobs.perform import Authority
from opensslgen.pki.store import Store

from .conftest import make_root, make_server, no_secret
from .needs import needs

pytestmark = [pytest.mark.slow, needs("kamailio", "sipsak", "baresip", "unshare", "users")]

CONFIG = """
debug=2
log_stderror=yes
fork=yes
children=1
tcp_children=1
enable_tls=yes
listen=tls:127.0.0.1:{port}
tls_max_connections=64
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
modparam("usrloc", "db_mode", 0)
# sipsak 0.9.8 takes the tickets of TLS 1.3 for an answer, and an empty one.
modparam("tls", "tls_method", "TLSv1.2")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{root}")
modparam("tls", "verify_certificate", {mutual})
modparam("tls", "require_certificate", {mutual})
request_route {{
    if (is_method("REGISTER")) {{
        xlog("L_ALERT", "registered $tu over $proto\\n");
        save("location");
        exit;
    }}
    sl_send_reply("405", "Method Not Allowed");
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def registrar(folder, made, *, mutual=False):
    """Run Kamailio with a certificate of ours, and give its port and the function that returns its log."""
    port = free_port()
    files = made.files
    config, log = folder / "kamailio.cfg", folder / "kamailio.log"
    config.write_text(
        CONFIG.format(
            port=port,
            certificate=files["chain"],
            key=files["key"],
            root=files["certificate"].parent.parent / "ca.crt",
            mutual=int(mutual),
        )
    )
    command = ["kamailio", "-f", config, "-DD", "-E", "-m", "32", "-M", "4", "-w", folder, "-Y", folder]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert time.monotonic() < end, log.read_text()
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield port, log.read_text
        finally:
            process.terminate()
            process.wait(20)


def sipsak(folder, name, port, root):
    """Register over TLS at a host by its name, in a mount namespace where that is this machine."""
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost pbx.example.com other.example.com\n")
    inside = ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    register = ["-U", "-i", "-E", "tls", "-r", port, "-H", "127.0.0.1", "-x", 60, "-C", "sip:alice@127.0.0.1", "-vvv"]
    command = ["unshare", "-rm", *inside, "sipsak", *register, f"--tls-ca-cert={root}", "-s", f"sip:alice@{name}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace", timeout=30)
    return done.returncode, done.stdout + done.stderr


def baresip(folder, port, *, certificate):
    """Register with a certificate of the client's own, and return what baresip says of it."""
    home = folder / "baresip"
    home.mkdir()
    (home / "config").write_text(
        f"sip_listen 127.0.0.1:0\nsip_certificate {certificate}\nnet_interface 127.0.0.1\n"
        "module_path /usr/lib/baresip/modules\nmodule_app account.so\nmodule_app menu.so\n"
    )
    account = f'<sip:alice@pbx.example.com;transport=tls>;regint=60;outbound="sip:127.0.0.1:{port};transport=tls"\n'
    (home / "accounts").write_text(account)
    command = ["baresip", "-f", home, "-t", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


@pytest.fixture
def made(authority):
    make_root(authority)
    return make_server(authority, "pbx.example.com", san=["sip:pbx.example.com", "127.0.0.1"])


def test_a_client_registers_over_tls_that_verifies_the_registrar_by_name(made, authority, tmp_path):
    with registrar(tmp_path, made) as (port, log):
        code, said = sipsak(tmp_path, "pbx.example.com", port, authority.store.path / "ca.crt")
        assert code == 0, said
        assert "SIP/2.0 200 OK" in said
        assert "registered sip:alice@pbx.example.com over tls" in log()


def test_with_the_root_missing_the_client_refuses(made, openssl, tmp_path):
    other = Authority(Store(tmp_path / "other"), openssl, no_secret)
    make_root(other)
    with registrar(tmp_path, made) as (port, log):
        for root in (tmp_path / "other" / "ca.crt", "/dev/null"):
            code, said = sipsak(tmp_path, "pbx.example.com", port, root)
            assert code == 3, said
            assert "hasn't got a known issuer" in said
        assert "registered sip:" not in log()


def test_by_another_name_the_client_refuses(made, authority, tmp_path):
    with registrar(tmp_path, made) as (port, log):
        code, said = sipsak(tmp_path, "other.example.com", port, authority.store.path / "ca.crt")
        assert code == 3, said
        assert "does not match hostname 'other.example.com'" in said
        assert "registered sip:" not in log()


@pytest.mark.parametrize(("usages", "registers"), [((), True), (("serverAuth",), False)])
def test_mutual_tls_takes_our_certificate_because_it_is_for_clients_too(usages, registers, made, authority, tmp_path):
    """The default has both extended key usages; with serverAuth alone a registrar refuses it from a client."""
    phone = make_server(authority, "phone.example.com", extended_key_usage=usages)
    pem = tmp_path / "phone.pem"
    pem.write_bytes(phone.files["certificate"].read_bytes() + phone.files["key"].read_bytes())
    with registrar(tmp_path, made, mutual=True) as (port, log):
        said = baresip(tmp_path, port, certificate=pem)
        assert ("200 OK" in said) == registers, said
        assert ("registered sip:alice@pbx.example.com over tls" in log()) == registers
        code, said = sipsak(tmp_path, "pbx.example.com", port, authority.store.path / "ca.crt")
        assert code != 0, "a client without a certificate is refused"
