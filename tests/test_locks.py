"""A file system without locks is one clear error, and no loop is endless."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from opensslgen.errors import Error
from opensslgen.files import locks
from opensslgen.jobs.destination import Destination
from opensslgen.pki.store import Store

ERRORS = [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EIO]


@pytest.fixture(params=ERRORS, ids=errno.errorcode.get)
def without_locks(request, monkeypatch):
    """Let every lock of the kernel fail."""

    def flock(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_pki_folder_without_locks_is_one_clear_error(without_locks, tmp_path):
    with pytest.raises(Error, match="pki cannot be locked: "), Store(tmp_path / "pki").lock():
        pass
    assert not (tmp_path / "pki" / "private").exists()


def test_a_destination_without_locks_is_one_clear_error(without_locks, tmp_path):
    with pytest.raises(Error, match="cannot be locked: "), Destination(tmp_path / "out").work():
        pass
    assert not list(tmp_path.rglob(".opensslgen-*"))


def test_a_destination_that_others_sweep_again_and_again_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("opensslgen.jobs.destination.tempfile.mkdtemp", lambda **_: str(tmp_path / "gone"))
    with pytest.raises(Error, match="other runs remove what is made"), Destination(tmp_path / "out").work():
        pass


def test_a_folder_that_disappears_again_and_again_is_given_up(tmp_path, monkeypatch):
    real = Path.stat

    def stat(path, **options):
        if path.name == ".lock":
            raise FileNotFoundError
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(Error, match="disappears again and again"):
        locks._lock(tmp_path / ".lock", timeout=0.05)
