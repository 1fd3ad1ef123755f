"""However it is installed, it finds its templates: a wheel, an editable install, a zipapp, a plain `pip install .`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from .conftest import CHECKOUT

SOURCE = ("LICENSE", "README.md", "opensslgen", "pyproject.toml", "templates", "tests")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what belongs to the project, so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCE:
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=ignore)
        else:
            shutil.copy(path, folder / name)
    return folder


def run(*command, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def makes_certificates(folder, *command):
    run(*command, "server", "pbx.example.com", "--new-ca", "--key-type", "p-256", cwd=folder)
    assert (folder / "pki" / "issued" / "pbx.example.com.crt").exists()
    assert "[ v3_req ]" in run(*command, "server", "b.example.com", "--script", cwd=folder)
    run(*command, "ansible", "fleet", cwd=folder)
    assert (folder / "fleet" / "roles" / "fleet" / "tasks" / "main.yml").exists()
    run(*command, "trust", cwd=folder)
    assert (folder / "trust" / "iphone.html").exists()
    assert "check_same" in run(*command, "trust", "--script", cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["plain", "editable", "wheel"])
def test_an_install_finds_the_templates(how, source, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    pip = [tmp_path / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if how == "wheel":
        run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", source)
        (wheel,) = (tmp_path / "dist").iterdir()
        names = zipfile.ZipFile(wheel).namelist()
        assert {"opensslgen/templates/v3_req.cnf", "opensslgen/templates/trust/page.html"} <= set(names)
        assert not [name for name in names if not name.startswith("opensslgen")]
        run(*pip, wheel)
    else:
        run(*pip, *(["-e"] if how == "editable" else []), source)
    (tmp_path / "work").mkdir()
    makes_certificates(tmp_path / "work", tmp_path / "venv" / "bin" / "opensslgen")
    run(tmp_path / "venv" / "bin" / "python", "-m", "opensslgen", "--version", cwd=tmp_path)


@pytest.mark.slow
def test_a_zipapp_finds_the_templates(source, tmp_path):
    app = tmp_path / "app"
    run(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", app, source)
    run(sys.executable, "-m", "zipapp", app, "-m", "opensslgen.__main__:main", "-o", tmp_path / "opensslgen.pyz")
    # A stick that is mounted somewhere, read only, on a machine without a network.
    stick = tmp_path / "USB STICK"
    stick.mkdir()
    shutil.move(tmp_path / "opensslgen.pyz", stick / "opensslgen.pyz")
    stick.chmod(0o500)
    shutil.rmtree(app)
    (tmp_path / "work").mkdir()
    offline = ["unshare", "-n"] if os.geteuid() == 0 else []
    makes_certificates(tmp_path / "work", *offline, sys.executable, "-I", stick / "opensslgen.pyz")
    stick.chmod(0o700)
