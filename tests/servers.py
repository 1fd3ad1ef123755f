"""Real servers on the loopback, and servers that misbehave, each as a context manager that gives the port."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import needs

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Issued:
    """A certificate, and its key to issue and serve with."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()


def issue(name, *sans, issuer=None, ca=False, crls=True, days=(-1, 300), organization=None):
    """Issue a certificate that keeps Apple's rules, but for what is asked for otherwise."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    now = datetime.now(timezone.utc).replace(microsecond=0)
    extensions = [
        (x509.BasicConstraints(ca, None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        (
            x509.KeyUsage(
                digital_signature=not ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=ca and crls,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        ),
    ]
    if not ca:
        extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
        extensions.append((x509.SubjectAlternativeName(list(sans) or [x509.DNSName(name)]), False))
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now + timedelta(days=days[0]),
        now + timedelta(days=days[1]),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Issued(builder.sign(signer, hashes.SHA256()), key)


def write(folder, *chain):
    """Write a chain and the key of its first certificate, and return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chain.pem").write_text("".join(each.pem for each in chain))
    (folder / "key.pem").write_text(chain[0].key_pem)
    return folder / "chain.pem", folder / "key.pem"


def free_port(host=HOST):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def program(argv, port, *, host=HOST, **options):
    """Run a server until the end of the block, which begins as soon as it takes connections."""
    env = {**os.environ, "OPENSSL_CONF": os.devnull}
    running = subprocess.Popen(
        list(map(str, argv)),
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
                break
            assert running.poll() is None, running.stdout.read().decode()
            time.sleep(0.01)
        yield port
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


@contextlib.contextmanager
def s_server(folder, *chain, options=(), host=HOST):
    """Serve with `openssl s_server`."""
    certificates, key = write(folder, *chain)
    port = free_port(host)
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    argv = ["openssl", "s_server", "-accept", where, "-cert", certificates, "-key", key, "-quiet"]
    if len(chain) > 1:
        (folder / "rest.pem").write_text("".join(each.pem for each in chain[1:]))
        argv += ["-cert_chain", folder / "rest.pem"]
    with program([*argv, *options], port, host=host) as served:
        yield served


@contextlib.contextmanager
def nginx(folder, *chain):
    """Serve with nginx, which sends what its file holds, in that order; as any user, all of it in one folder."""
    with nginx_of(folder, *write(folder, *chain)) as served:
        yield served


@contextlib.contextmanager
def nginx_of(folder, certificates, key):
    """Serve with nginx what lies in files."""
    port = free_port()
    temporary = " ".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\n"
        f"server {{ listen {HOST}:{port} ssl; ssl_certificate {certificates}; ssl_certificate_key {key}; }} }}\n"
    )
    with program(
        [needs.program_path("nginx"), "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"], port
    ) as served:
        yield served


@contextlib.contextmanager
def scripted(behave, *, host=HOST):
    """Serve by a function of the connection, each in a thread of its own."""
    with socket.create_server((host, 0), backlog=128) as listening:
        stopped = threading.Event()

        def one(connection):
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                behave(connection, stopped)

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listening.getsockname()[1]
        finally:
            stopped.set()
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def deaf():
    """Give a port that takes no connection and refuses none: the queue of its socket is full."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.create_server((HOST, 0), backlog=0))
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def tls_context(folder, *chain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write(folder, *chain))
    return context


def dialogue(*steps, context=None):
    """Send each step, None being a message that is awaited, then speak TLS: STARTTLS of a protocol, boiled down."""

    def behave(connection, stopped):
        for step in steps:
            if step is None:
                connection.recv(4096)
            else:
                connection.sendall(step)
        if context is None:
            return
        with context.wrap_socket(connection, server_side=True) as secure:
            while secure.recv(4096):
                pass

    return behave


def silent(connection, stopped):
    stopped.wait(60)


def closing(connection, stopped):
    pass


def garbage(connection, stopped):
    connection.sendall(b"220 CONNECTED(00000003)\n---\nCertificate chain\n 0 s:x\n" * 20)
    connection.recv(4096)


def alert(connection, stopped):
    connection.recv(4096)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")


def dripping(connection, stopped):
    connection.recv(4096)
    for byte in b"\x16\x03\x03\x00\x5a\x02" + bytes(1000):
        connection.sendall(bytes([byte]))
        if stopped.wait(0.2):
            return


def endless(context):
    """Speak TLS, and then send without end what looks like the output of s_client."""
    text = b"---\nCertificate chain\n 0 s:/CN=spoof\n   i:/CN=spoof\n" * 200

    def behave(connection, stopped):
        with context.wrap_socket(connection, server_side=True) as secure:
            while not stopped.is_set():
                secure.sendall(text)

    return behave
