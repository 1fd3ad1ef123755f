"""Folders of easy-rsa 3 and of `openssl ca`, used as they stand, and ours, in which those two go on working."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from opensslgen.cli.main import cli
from opensslgen.pki import index

from .conftest import agreeing, files_below
from .daily import daily
from .needs import needs, program_path
from .shells import EACH_SHELL, SHELLS


def run(*arguments, **env):
    return CliRunner().invoke(cli, agreeing(arguments), env=env)


def succeed(*arguments, **env):
    done = run(*arguments, **env)
    assert done.exit_code == 0, done.output
    return done


def easyrsa(*arguments, **environment):
    """Run Debian's easy-rsa as its users do, in the folder pki."""
    settings = {
        "EASYRSA_PKI": str(Path("pki").absolute()),
        "EASYRSA_BATCH": "1",
        "EASYRSA_ALGO": "ec",
        "EASYRSA_CURVE": "prime256v1",
        "EASYRSA_CERT_EXPIRE": "700",
    }
    done = subprocess.run(
        [program_path("easyrsa"), *arguments],
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def states():
    return {entry.subject: entry.state for entry in index.read(Path("pki/index.txt"))}


def revoked_in(crl):
    return {entry.serial_number for entry in x509.load_pem_x509_crl(Path(crl).read_bytes())}


def certificate(path):
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def server(name, *arguments, shell=None, pki="pki", **env):
    """Make a server's certificate by the program, or by its script in a shell."""
    command = ("server", name, "--key-type", "p-256", "--pki", pki, *arguments)
    if shell is None:
        return succeed(*command, **env)
    script = succeed(*command, "--script", **env).stdout
    done = subprocess.run(
        [*SHELLS[shell], "/dev/stdin"], input=script, env={**os.environ, **env}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def ca_config(folder):
    Path("ca.cnf").write_text(
        f"[ca]\ndefault_ca = d\n[d]\ndir = {folder}\ndatabase = $dir/index.txt\nserial = $dir/serial\n"
        "new_certs_dir = $dir/newcerts\ncertificate = $dir/cacert.pem\nprivate_key = $dir/private/cakey.pem\n"
        "default_md = sha256\ndefault_days = 365\ndefault_crl_days = 30\npolicy = p\nx509_extensions = e\n"
        "[p]\ncommonName = supplied\n[e]\nbasicConstraints = critical,CA:FALSE\nextendedKeyUsage = serverAuth\n"
        "[req]\ndistinguished_name = n\nx509_extensions = r\n[n]\ncommonName = x\n"
        "[r]\nbasicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = hash\n"
    )


def ssl(*arguments, code=0):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def demo(tmp_path):
    """A folder of `openssl ca`, of the form that its manual has, with one certificate in force and one revoked."""
    for folder in ("demoCA/newcerts", "demoCA/private"):
        (tmp_path / folder).mkdir(parents=True, mode=0o700)
    (tmp_path / "demoCA/index.txt").touch()
    (tmp_path / "demoCA/serial").write_text("1000\n")
    ca_config("demoCA")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "ca.cnf")
    ssl("req", "-x509", *new, "-subj", "/CN=Demo root", "-days", "2000", "-keyout", "demoCA/private/cakey.pem",
        "-out", "demoCA/cacert.pem")  # fmt: skip
    for name in ("old.example.com", "lost.example.com"):
        ssl("req", "-new", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        ssl("ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.crt", "-notext")
    ssl("ca", "-config", "ca.cnf", "-revoke", "lost.example.com.crt", "-crl_reason", "superseded")
    return tmp_path / "demoCA"


@needs("easyrsa")
@pytest.mark.parametrize("passphrase", daily((None, "correct horse"), None))
def test_a_folder_of_easyrsa_is_used_as_it_stands(passphrase, tmp_path):
    protection = {"EASYRSA_PASSIN": f"pass:{passphrase}", "EASYRSA_PASSOUT": f"pass:{passphrase}"} if passphrase else {}
    nopass = () if passphrase else ("nopass",)
    easyrsa("init-pki")
    easyrsa("build-ca", *nopass, **protection)
    easyrsa("build-server-full", "old.example.com", "nopass", **protection)
    easyrsa("build-client-full", "lost", "nopass", **protection)
    easyrsa("revoke", "lost", **protection)
    before = Path("pki/index.txt").read_text()
    secrets = {"OPENSSLGEN_CA_PASSPHRASE": passphrase} if passphrase else {}
    server("a.example.com", "--san", "10.0.0.5", **secrets)
    server("b.example.com", shell="dash", **secrets)
    assert Path("pki/index.txt").read_text().startswith(before)
    assert states() == {"/CN=old.example.com": "V", "/CN=lost": "R", "/CN=a.example.com": "V", "/CN=b.example.com": "V"}
    root = certificate("pki/ca.crt")
    for name in ("a.example.com", "b.example.com"):
        certificate(f"pki/issued/{name}.crt").verify_directly_issued_by(root)
    listed = succeed("list", "--all").stdout
    assert re.search(r"CN=lost .*  revoked ", listed)
    assert "old.example.com" in listed
    assert "REVOKED on " in succeed("show", "lost").stdout
    # And it goes on there as if nothing had been.
    easyrsa("build-server-full", "c.example.com", "nopass", **protection)
    easyrsa("revoke", "a.example.com", **protection)
    easyrsa("gen-crl", **protection)
    assert len(revoked_in("pki/crl.pem")) == 2
    assert states()["/CN=a.example.com"] == "R"
    assert "REVOKED on " in succeed("show", "a.example.com").stdout
    exported = run("export", "old.example.com", "--as", "p12", OPENSSLGEN_P12_PASSWORD="battery staple")
    assert exported.exit_code == 0, exported.output


@needs("easyrsa")
@pytest.mark.parametrize("shell", daily((None, "dash"), "dash"))
def test_easyrsa_goes_on_working_in_a_folder_that_we_made(shell, tmp_path):
    server("pbx.example.com", shell=shell)
    server("gone.example.com", shell=shell)
    assert "Subject:" in easyrsa("show-ca")
    assert "pbx.example.com" in easyrsa("show-cert", "pbx.example.com")
    assert "pbx.example.com" in easyrsa("show-req", "pbx.example.com")
    easyrsa("gen-req", "new.example.com", "nopass")
    easyrsa("sign-req", "server", "new.example.com")
    certificate("pki/issued/new.example.com.crt").verify_directly_issued_by(certificate("pki/ca.crt"))
    gone = certificate("pki/issued/gone.example.com.crt").serial_number
    easyrsa("revoke", "gone.example.com", "keyCompromise")
    easyrsa("gen-crl")
    assert revoked_in("pki/crl.pem") == {gone}
    crl = x509.load_pem_x509_crl(Path("pki/crl.pem").read_bytes())
    assert crl.is_signature_valid(certificate("pki/ca.crt").public_key())
    assert states() == {"/CN=pbx.example.com": "V", "/CN=gone.example.com": "R", "/CN=new.example.com": "V"}
    # What easy-rsa did there is respected, and our next certificate goes beside it.
    listed = succeed("list", "--all").stdout
    assert re.search(r"DNS:gone.example.com .*  revoked .*  \(revoked on .*keyCompromise", listed)
    server("again.example.com", shell=shell)
    ssl("verify", "-crl_check", "-CAfile", "pki/ca.crt", "-CRLfile", "pki/crl.pem", "pki/issued/again.example.com.crt")


@needs("easyrsa")
def test_easyrsa_works_with_a_root_that_was_adopted(tmp_path):
    succeed("root", "--key-type", "p-256", "--pki", "elsewhere")
    succeed("adopt", "elsewhere/ca.crt", "--key", "elsewhere/private/ca.key")
    easyrsa("build-server-full", "new.example.com", "nopass")
    certificate("pki/issued/new.example.com.crt").verify_directly_issued_by(certificate("elsewhere/ca.crt"))


@needs("easyrsa")
def test_easyrsa_asks_for_the_passphrase_of_our_key(tmp_path):
    succeed("root", "--key-type", "p-256", OPENSSLGEN_CA_PASSPHRASE="correct horse")
    easyrsa("build-client-full", "phone", "nopass", EASYRSA_PASSIN="pass:correct horse")
    assert states() == {"/CN=phone": "V"}


@needs("easyrsa")
def test_what_easyrsa_works_by_is_not_written_twice_nor_over(tmp_path):
    easyrsa("init-pki")
    before = Path("pki/openssl-easyrsa.cnf").read_bytes()
    easyrsa("build-ca", "nopass")
    server("a.example.com")
    assert Path("pki/openssl-easyrsa.cnf").read_bytes() == before


def test_a_folder_of_openssl_ca_is_used_as_it_stands(demo):
    before = (demo / "index.txt").read_text()
    server("new.example.com", pki=demo)
    server("script.example.com", shell="dash", pki=demo)
    assert not (demo / "ca.crt").exists()
    assert not (demo / "openssl-easyrsa.cnf").exists()
    assert (demo / "index.txt").read_text().startswith(before)
    assert (demo / "serial").read_text() == "1002\n"
    for name in ("new.example.com", "script.example.com"):
        certificate(demo / "issued" / f"{name}.crt").verify_directly_issued_by(certificate(demo / "cacert.pem"))
    listed = succeed("list", "--all", "--pki", demo).stdout
    assert re.search(r"revoked .* \(revoked on .*superseded", listed)
    assert "CN=Demo root" in listed
    assert "REVOKED on " in succeed("show", "1001", "--pki", demo).stdout
    # `openssl ca` goes on with its own numbers, and revokes what we made.
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "ca.cnf")
    ssl("req", "-new", *new, "-subj", "/CN=third.example.com", "-keyout", "third.key", "-out", "third.csr")
    ssl("ca", "-batch", "-config", "ca.cnf", "-in", "third.csr", "-out", "third.crt", "-notext")
    assert certificate("third.crt").serial_number == 0x1002
    ssl("ca", "-config", "ca.cnf", "-revoke", str(demo / "issued" / "new.example.com.crt"))
    ssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem")
    assert len(revoked_in("crl.pem")) == 2
    assert "REVOKED on " in succeed("show", "new.example.com", "--pki", demo).stdout


@pytest.mark.slow
@pytest.mark.parametrize("shell", [None, *EACH_SHELL])
def test_an_index_that_wants_each_subject_once_is_kept_so(shell, demo):
    """`openssl ca` writes unique_subject = yes by itself, and reads no index any more that breaks it."""
    assert (demo / "index.txt.attr").read_text() == "unique_subject = yes\n"
    before = files_below(demo), (demo / "index.txt").read_text()
    arguments = ("server", "old.example.com", "--key-type", "p-256", "--pki", demo)
    if shell is None:
        done = run(*arguments)
        assert done.exit_code == 1
        assert "line 1, has a certificate for /CN=old.example.com already" in done.stderr
        assert "Hint: revoke that certificate first" in done.stderr
    else:
        done = subprocess.run(
            [*SHELLS[shell], "/dev/stdin"], input=succeed(*arguments, "--script").stdout, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "has a certificate for /CN=old.example.com already" in done.stderr
    assert (demo / "index.txt").read_text() == before[1]
    assert set(files_below(demo)) == set(before[0])
    # One that is revoked is in nobody's way.
    server("lost.example.com", shell=shell, pki=demo)
    ssl("ca", "-config", "ca.cnf", "-updatedb")


def test_a_certificate_of_openssl_ca_is_exported(demo):
    succeed("export", "1000", "--as", "chain", "--pki", demo)
    assert len(x509.load_pem_x509_certificates(Path("old.example.com-chain.pem").read_bytes())) == 2
    done = run("export", "1000", "--as", "p12", "--pki", demo)
    assert done.exit_code == 1
    assert "the key of old.example.com is not in the folder" in done.stderr
    assert "lost.example.com is revoked" in succeed("export", "1001", "--as", "pem", "--pki", demo).stderr


@pytest.mark.slow
@needs("easyrsa")
def test_a_folder_of_easyrsa_is_where_we_sign_and_renew(tmp_path):
    easyrsa("init-pki")
    easyrsa("build-ca", "nopass")
    easyrsa("build-server-full", "old.example.com", "nopass")
    easyrsa("gen-req", "asks.example.com", "nopass")
    before = certificate("pki/issued/old.example.com.crt")
    succeed("renew", "old.example.com")
    succeed("sign", "pki/reqs/asks.example.com.req", "--san", "asks.example.com", "--name", "signed")
    root = certificate("pki/ca.crt")
    for name in ("old.example.com", "signed"):
        certificate(f"pki/issued/{name}.crt").verify_directly_issued_by(root)
    after = certificate("pki/issued/old.example.com.crt")
    assert after.serial_number != before.serial_number
    assert after.subject == before.subject
    assert [entry.state for entry in index.read(Path("pki/index.txt"))] == ["V", "V", "V"]
    easyrsa("revoke", "old.example.com", "superseded")
    easyrsa("gen-crl")
    assert revoked_in("pki/crl.pem") == {after.serial_number}
    assert "1 revoked" in succeed("list").stderr


def test_a_folder_of_openssl_ca_is_where_we_sign(demo):
    succeed("sign", "lost.example.com.csr", "--san", "lost.example.com", "--pki", demo)
    certificate(demo / "issued/lost.example.com.crt").verify_directly_issued_by(certificate(demo / "cacert.pem"))
    done = run("sign", "old.example.com.csr", "--san", "old.example.com", "--pki", demo)
    assert done.exit_code == 1
    assert "unique_subject = yes" in done.stderr
    ssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem")


@pytest.mark.slow
@needs("easyrsa")
def test_easyrsa_and_we_revoke_in_one_folder(tmp_path):
    easyrsa("init-pki")
    easyrsa("build-ca", "nopass")
    serials = []
    for name in ("first", "second", "third"):
        easyrsa("build-client-full", name, "nopass")
        serials.append(certificate(f"pki/issued/{name}.crt").serial_number)
    easyrsa("revoke", "first", "keyCompromise")
    succeed("revoke", "second", "--yes", "--reason", "superseded")
    succeed("crl")
    assert revoked_in("pki/crl.pem") == set(serials[:2])
    assert "REVOKED on " in succeed("show", "second").stdout
    easyrsa("revoke", "third")
    easyrsa("gen-crl")
    assert revoked_in("pki/crl.pem") == set(serials)
    succeed("crl")
    assert revoked_in("pki/crl.pem") == set(serials)
    # What was revoked by either is free for a new certificate by either.
    easyrsa("build-client-full", "second", "nopass")
    server("first.example.com")
    assert states() == {"/CN=first": "R", "/CN=second": "V", "/CN=third": "R", "/CN=first.example.com": "V"}


def test_openssl_ca_and_we_revoke_in_one_folder(demo):
    succeed("revoke", "1000", "--yes", "--reason", "superseded", "--pki", demo)
    succeed("crl", "--pki", demo)
    assert revoked_in(demo / "crl.pem") == {0x1000, 0x1001}
    ssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "theirs.pem")
    assert revoked_in("theirs.pem") == {0x1000, 0x1001}
    # The subject is free again.
    server("old.example.com", pki=demo)
