"""A backup holds the whole CA, opens without us, and gives away nothing; what is damaged is never restored."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile

import pytest

from .conftest import files_below, opensslgen
from .daily import daily

SECRET = {"OPENSSLGEN_BACKUP_PASSPHRASE": "correct horse"}


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A folder with a root, a server, a revoked client and a CRL, and its backup."""
    folder = tmp_path_factory.mktemp("office")
    for command in (
        ["root", "--cn", "Office CA", "--key-type", "p-256"],
        ["server", "pbx.example.com", "--key-type", "p-256"],
        ["client", "old.example.com", "--key-type", "p-256"],
        ["revoke", "old.example.com", "--yes"],
        ["crl"],
    ):
        assert opensslgen(*command, cwd=folder).returncode == 0
    made = opensslgen("backup", "office.backup", cwd=folder, env=SECRET)
    assert made.returncode == 0, made.stderr
    return folder


def restored(office, folder, **env):
    return opensslgen("restore", office / "office.backup", "--pki", folder, env=SECRET | env)


def without_locks(files):
    return {name: content for name, content in files.items() if not name.startswith(".lock")}


def test_what_is_restored_is_what_was_backed_up(office, tmp_path):
    done = restored(office, tmp_path / "pki")
    assert done.returncode == 0, done.stderr
    assert without_locks(files_below(tmp_path / "pki")) == without_locks(files_below(office / "pki"))
    assert opensslgen("server", "new.example.com", "--key-type", "p-256", cwd=tmp_path).returncode == 0


def test_only_the_owner_can_read_the_backup_and_what_is_restored(office, tmp_path):
    restored(office, tmp_path / "pki")
    for path in (office / "office.backup", tmp_path / "pki" / "private" / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (tmp_path / "pki", tmp_path / "pki" / "private"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_printed_command_opens_it_without_us(office, tmp_path):
    shown = opensslgen("backup", "again.backup", cwd=office, env=SECRET).stdout
    command = shown.rstrip().splitlines()[-1].strip()
    command = command.replace(
        "-in again.backup", f"-in {office / 'again.backup'} -pass env:OPENSSLGEN_BACKUP_PASSPHRASE"
    )
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=os.environ | SECRET, check=True)
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)
    assert (tmp_path / "pki" / "private" / "ca.key").exists()


def test_a_wrong_passphrase_restores_nothing(office, tmp_path):
    done = restored(office, tmp_path / "pki", OPENSSLGEN_BACKUP_PASSPHRASE="battery staple")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "the passphrase is wrong" in done.stderr


@pytest.mark.parametrize("place", daily((0, 20, 0.3, 0.6, -1), 0.3))
def test_one_changed_bit_restores_nothing(place, office, tmp_path):
    data = bytearray((office / "office.backup").read_bytes())
    data[place if isinstance(place, int) else int(len(data) * place)] ^= 1
    (tmp_path / "office.backup").write_bytes(data)
    done = restored(tmp_path, tmp_path / "pki")
    assert (done.returncode, [path.name for path in tmp_path.iterdir()]) == (2, ["office.backup"])


def member(name, **values):
    made = tarfile.TarInfo(name)
    for field, value in values.items():
        setattr(made, field, value)
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside"),
        pytest.param(member("/tmp/opensslgen-outside"), marks=pytest.mark.slow),
        pytest.param(member("pki/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), marks=pytest.mark.slow),
        pytest.param(member("pki/hard", type=tarfile.LNKTYPE, linkname="pki/ca.crt"), marks=pytest.mark.slow),
        pytest.param(member("pki/device", type=tarfile.CHRTYPE), marks=pytest.mark.slow),
        pytest.param(member("pki/unlisted"), marks=pytest.mark.slow),
    ],
    ids=lambda made: made.name,
)
def test_a_hostile_archive_restores_nothing(hostile, office, tmp_path):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w:gz") as tar:
        text = b"0" * 64 + b"  pki/ca.crt\n"
        tar.addfile(member("SHA256SUMS", size=len(text)), io.BytesIO(text))
        tar.addfile(member("pki/ca.crt"))
        tar.addfile(hostile)
    command = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-iter", "600000", "-md", "sha256"]
    command += ["-pass", "env:OPENSSLGEN_BACKUP_PASSPHRASE", "-out", str(tmp_path / "office.backup")]
    subprocess.run(command, input=plain.getvalue(), env=os.environ | SECRET, check=True)
    assert restored(tmp_path, tmp_path / "pki").returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["office.backup"]


def test_nothing_is_overwritten(office, tmp_path):
    before = (office / "office.backup").read_bytes()
    done = opensslgen("backup", "office.backup", cwd=office, env=SECRET)
    assert (done.returncode, (office / "office.backup").read_bytes()) == (1, before)
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "mine").touch()
    assert restored(office, tmp_path / "pki").returncode == 1
    assert [path.name for path in (tmp_path / "pki").iterdir()] == ["mine"]


def test_what_is_no_file_is_refused_by_its_name(office, tmp_path):
    shutil.copytree(office / "pki", tmp_path / "pki")
    (tmp_path / "pki" / "latest").symlink_to("issued")
    done = opensslgen("backup", "x.backup", cwd=tmp_path, env=SECRET)
    assert (done.returncode, "pki/latest" in done.stderr) == (1, True)
    assert not (tmp_path / "x.backup").exists()
