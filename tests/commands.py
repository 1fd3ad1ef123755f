"""The commands that print scripts, a folder to run them in, and both ways of running them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .conftest import files_below, opensslgen
from .jobs import SECRETS, request_from_elsewhere, summary


def command_line(*words, openssl, cwd, **env):
    """Run opensslgen with this openssl in a folder; fail unless it ends well."""
    done = opensslgen(*words, cwd=cwd, env={**SECRETS, "OPENSSLGEN_OPENSSL": openssl.path, **env})
    assert done.returncode == 0, done.stderr + done.stdout
    return done


EC = ("--key-type", "p-256")
PRINTED = {
    "root": ("root", "--cn", "Other root", *EC, "--pki", "new"),
    "server": ("server", "sip.example.com", "--san", "10.0.0.5,2001:db8::1", "--p12-compat"),
    "client": ("client", "phone-17", *EC, "--p12"),
    "self-signed": ("self-signed", "alone.example.com", *EC, "--pki", "new"),
    "intermediate": ("intermediate", "Site Berlin", *EC, "--permit", "example.com"),
    "sign": ("sign", "elsewhere.req", "--san", "a.example"),
    "adopt": ("adopt", "pki/ca.crt", "--key", "pki/private/ca.key", "--pki", "new"),
    "renew": ("renew", "pbx.example.com"),
    "renew ca": ("renew", "ca", "--days", "4000"),
    "revoke": ("revoke", "pbx.example.com", "--yes", "--reason", "superseded"),
    "crl": ("crl", "--days", "7"),
    "passwd": ("passwd",),
    "passwd --remove": ("passwd", "--remove", "--pki", "locked"),
    "export": ("export", "pbx.example.com", "--for", "ip-office"),
    "export --as der": ("export", "pbx.example.com", "--as", "der"),
    "trust": ("trust",),
    "trust --sign": ("trust", "--sign", "pbx.example.com"),
}
"""The commands that can be printed as a script, each as it is started in the folder `office`."""


VENDOR = """cat >req.cnf <<END
[req]
distinguished_name = dn
prompt = no
x509_extensions = leaf
[dn]
CN = box.example.com
[leaf]
basicConstraints = CA:FALSE
subjectAltName = DNS:box.example.com
END
openssl req -x509 -newkey rsa:2048 -nodes -sha1 -days 2555 -config req.cnf -keyout server.key -out server.crt
"""
"""A script that makes a certificate which breaks rules, without a config of the machine."""


def prepare(folder, openssl):
    """Fill a folder, and return it: a CA of this openssl, a revoked client, a CRL; and files from elsewhere."""
    for words in (
        ("root", "--cn", "Office CA", *EC),
        ("server", "pbx.example.com", *EC),
        ("client", "old.example.com", *EC),
        ("revoke", "old.example.com", "--yes"),
        ("crl",),
        ("root", "--cn", "Locked CA", *EC, "--passphrase", "--pki", "locked"),
    ):
        command_line(*words, openssl=openssl, cwd=folder)
    (folder / "elsewhere.req").write_bytes(request_from_elsewhere().der)
    (folder / "server.cnf").write_text(
        "[v3]\nbasicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n"
    )
    (folder / "sites.csv").write_text("name,p12\nberlin.example.com,yes\nparis.example.com,\n")
    (folder / "vendor.sh").write_text(VENDOR)
    return folder


@functools.cache
def by_command(words, office, openssl):
    """Return the script of a command, and a copy of a folder in which the command has run: once for all shells."""
    run = Path(shutil.copytree(office, tempfile.mkdtemp(dir=office.parent) + "/run"))
    script = command_line(*words, "--script", openssl=openssl, cwd=run).stdout
    command_line(*words, openssl=openssl, cwd=run)
    return script, run


def both_ways(words, office, tmp_path, *, openssl, shell, env=()):
    """Run a command and its script in two copies of a folder; fail unless they leave the same."""
    script, run = by_command(words, office, openssl)
    printed = shutil.copytree(office, tmp_path / "printed")
    (tmp_path / "script.sh").write_text(script)
    done = subprocess.run(
        [*shell, tmp_path / "script.sh"],
        cwd=printed,
        env={**os.environ, **SECRETS, "OPENSSLGEN_OPENSSL": openssl.path, **dict(env)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for pki in ("pki", "locked", "new"):
        if (run / pki).exists():
            assert summary(printed / pki) == summary(run / pki)
    assert files_outside(printed) == files_outside(run)
    return done


def files_outside(folder):
    """Return the names and modes of files that are not in a pki folder."""
    files = files_below(folder)
    return {name: mode for name, mode in files.items() if name.split("/")[0] not in {"pki", "locked", "new"}}
