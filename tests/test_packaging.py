"""What people install is whole and reproducible: wheel, sdist, one file, Debian package, action, container, SBOM."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest
import yaml

import opensslgen

from .conftest import CHECKOUT
from .needs import needs

SOURCE = (".ci", "LICENSE", "README.md", "opensslgen", "pyproject.toml", "templates", "tests")
EPOCH = "1764000000"
EXTRAS = re.findall(
    r"^([a-z]+) = \[",
    (CHECKOUT / "pyproject.toml").read_text().partition("optional-dependencies]")[2].partition("[project.scripts")[0],
    re.MULTILINE,
)
PINS = dict(
    line.split("==") for line in (CHECKOUT / ".ci" / "requirements.txt").read_text().split("\n") if "==" in line
)
LOWEST = dict(re.findall(r'"(click|idna|sh)>=([0-9.]+)"', (CHECKOUT / "pyproject.toml").read_text()))
PYTHONS = sorted({sys.executable, *map(str, Path.home().glob(".pyenv/versions/3.1[0-9].*/bin/python3"))})
"""Where pyenv has more versions of Python, the one file is tried with each."""


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


def run(*command, extra=None, codes=(0,), **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | (extra or {})
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, **options)
    assert done.returncode in codes, done.stdout + done.stderr
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


def installer(venv):
    """Make a virtual environment, and return what installs into it: this Python's pip, as a copy takes seconds."""
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin" / "python"]
    return [*pip, "install", "-q", "--disable-pip-version-check"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["editable", "wheel"])
def test_an_install_finds_the_templates(how, source, tmp_path):
    pip = installer(tmp_path / "venv")
    if how == "wheel":
        run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", source)
        (wheel,) = (tmp_path / "dist").iterdir()
        names = zipfile.ZipFile(wheel).namelist()
        assert {"opensslgen/templates/v3_req.cnf", "opensslgen/templates/trust/page.html"} <= set(names)
        assert not [name for name in names if not name.startswith("opensslgen")]
        run(*pip, wheel)
    else:
        run(*pip, "-e", source)
    (tmp_path / "work").mkdir()
    makes_certificates(tmp_path / "work", tmp_path / "venv" / "bin" / "opensslgen")
    run(tmp_path / "venv" / "bin" / "python", "-m", "opensslgen", "--version", cwd=tmp_path)


@pytest.fixture(scope="module")
def dist(source, tmp_path_factory):
    """Everything that the release command builds."""
    folder = tmp_path_factory.mktemp("dist")
    build(source, folder)
    return folder


@pytest.mark.slow
def test_an_upgrade_goes_on_with_the_pki_folder_of_the_older_version(source, dist, tmp_path):
    older = tmp_path / "older"
    shutil.copytree(source, older)
    version = older / "opensslgen" / "__init__.py"
    version.write_text(version.read_text().replace(f'"{opensslgen.__version__}"', '"0.1.9"'))
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    program = tmp_path / "venv" / "bin" / "opensslgen"
    pip = [tmp_path / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, older)
    assert "0.1.9" in run(program, "--version")
    work = tmp_path / "work"
    work.mkdir()
    makes_certificates(work, program)
    before = sums(work / "pki" / "private")

    (wheel,) = dist.glob("*.whl")
    run(*pip, "--upgrade", "--no-deps", wheel)

    assert opensslgen.__version__ in run(program, "--version")
    assert "✓" in run(program, "doctor", cwd=work)
    assert "pbx.example.com" in run(program, "list", cwd=work)
    run(program, "audit", "pki", "--root", "pki/ca.crt", cwd=work)
    assert sums(work / "pki" / "private") == before
    run(program, "renew", "pbx.example.com", "--keep-key", cwd=work)
    run(program, "audit", "pki", "--root", "pki/ca.crt", cwd=work)
    assert sums(work / "pki" / "private") == before


def build(source, dist, *what):
    run(sys.executable, source / ".ci" / "build.py", "--dist", dist, *what, extra={"SOURCE_DATE_EPOCH": EPOCH})


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_two_builds_are_equal_byte_for_byte(source, dist, tmp_path):
    elsewhere = tmp_path / "some where else"
    shutil.copytree(source, elsewhere, ignore=shutil.ignore_patterns("__pycache__"))
    build(elsewhere, tmp_path / "dist")
    assert sums(tmp_path / "dist") == sums(dist)
    assert len(sums(dist)) == 7
    run("sha256sum", "-c", "SHA256SUMS", cwd=dist)


@pytest.mark.slow
def test_wheel_and_sdist_are_whole_and_fit_for_an_index(dist):
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    inside = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("manual/*.md", "schema/*.json", "ansible/**/*.yml", "py.typed"):
        assert {
            f"opensslgen/{path.relative_to(CHECKOUT / 'opensslgen')}" for path in (CHECKOUT / "opensslgen").glob(kind)
        } <= inside
    assert {f"opensslgen/{path.relative_to(CHECKOUT)}" for path in (CHECKOUT / "templates").rglob("*.*")} <= inside
    pages = {name.rpartition("/")[2] for name in inside if "/share/man/" in name}
    assert {"opensslgen.1", "opensslgen-server.1", "opensslgen-phones.7"} <= pages
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "tests/conftest.py", "templates/v3_req.cnf", ".ci/man_pages.py"} <= packed


@pytest.mark.slow
def test_the_lowest_versions_of_the_libraries_work(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    pins = [f"{name}=={version}" for name, version in LOWEST.items()]
    assert len(pins) == 3
    run(*installer(tmp_path / "venv"), wheel, *pins)
    program = tmp_path / "venv" / "bin" / "opensslgen"
    (tmp_path / "work").mkdir()
    makes_certificates(tmp_path / "work", program)
    run(program, "server", "b\u00fccher.example", "--key-type", "p-256", cwd=tmp_path / "work")
    run(program, "list", cwd=tmp_path / "work")
    run(program, "audit", CHECKOUT / "templates" / "gen_certs.cnf", codes=(0, 1))
    assert (tmp_path / "venv/share/man/man1/opensslgen.1").exists()


def test_the_manual_names_every_extra():
    manual = (CHECKOUT / "opensslgen" / "manual" / "install.md").read_text()
    assert [extra for extra in EXTRAS if f"[{extra}]" not in manual] == []


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.removeprefix(str(Path.home())))
def test_the_one_file_works_offline(python, dist, tmp_path):
    # A stick that is mounted somewhere, read only, on a machine without a network.
    stick = tmp_path / "USB STICK"
    stick.mkdir()
    shutil.copy(dist / "opensslgen.pyz", stick)
    stick.chmod(0o500)
    (tmp_path / "work").mkdir()
    offline = ["unshare", "-n", "--", "sh", "-c", 'ip link set lo up; exec "$@"', "-"] if os.geteuid() == 0 else []
    program = [*offline, python, "-I", stick / "opensslgen.pyz"]
    makes_certificates(tmp_path / "work", *program)
    first, contents = run(*program, "--version").splitlines()
    assert first == f"opensslgen, version {opensslgen.__version__}"
    assert contents == "contains " + ", ".join(f"{name} {version}" for name, version in sorted(PINS.items()))
    form = subprocess.Popen(
        [python, "-I", "-u", stick / "opensslgen.pyz", "web", "--port", "0", "--quiet"],
        cwd=tmp_path / "work",
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://\S+", form.stdout.readline())[0]
        visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with visitor.open(address) as answer:
            assert b"<h1" in answer.read()
    finally:
        form.terminate()
        form.communicate(timeout=30)
    stick.chmod(0o700)


INSTALLED = r"""
set -eu
mount -t overlay none -o lowerdir=/,upperdir=$1/upper,workdir=$1/work $1/root
mount -t proc none $1/root/proc
mount --rbind /dev $1/root/dev
mount -t tmpfs none $1/root/tmp
cp $2 $1/root/tmp/package
chroot $1/root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 install="$3" remove="$4" sh -euc '
    $install /tmp/package
    pki=/var/lib/opensslgen/pki
    opensslgen server pbx.example.com --new-ca --key-type p-256 --pki $pki
    opensslgen audit $pki
    test -s /usr/share/man/man1/opensslgen.1.gz
    bash -n /usr/share/bash-completion/completions/opensslgen
    grep -q "^ExecStart=/usr/bin/opensslgen renew .*--pki $pki\$" /usr/lib/systemd/system/opensslgen.service
    opensslgen renew --quiet --within 30 --pki $pki
    find $pki -type f -exec sha256sum {} + > /tmp/before
    mkdir -p /etc/systemd/system/timers.target.wants
    ln -s /usr/lib/systemd/system/opensslgen.timer /etc/systemd/system/timers.target.wants/
    $remove opensslgen
    sha256sum --quiet -c /tmp/before
    left=$(find /usr/bin /usr/lib/systemd /usr/share /etc -name "*opensslgen*")
    test -z "$left" || { echo "left: $left"; exit 1; }
'
"""


@pytest.mark.slow
@needs("root", "mount", "dpkg-deb", "py3compile")
def test_the_debian_package_is_installed_used_and_removed(dist):
    (package,) = dist.glob("*.deb")
    in_a_copy_of_this_system(package, install="dpkg -i", remove="dpkg -P")


@pytest.mark.slow
@needs("root", "mount", "rpmbuild")
def test_the_rpm_package_is_installed_used_and_removed(dist):
    (package,) = dist.glob("*.rpm")
    # This system has the packages it requires from elsewhere.
    in_a_copy_of_this_system(package, install="rpm -i --nodeps", remove="rpm -e")


def in_a_copy_of_this_system(package, *, install, remove):
    folders = "mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work /mnt/root"
    run("unshare", "-m", "sh", "-c", f"{folders}; {INSTALLED}", "-", "/mnt", package, install, remove)


@pytest.mark.slow
def test_lintian_has_nothing_to_say(dist):
    (package,) = dist.glob("*.deb")
    assert run("lintian", "--fail-on", "error,warning", package) == ""


@pytest.mark.slow
def test_the_sbom_names_what_is_inside(dist):
    (path,) = dist.glob("*.cdx.json")
    sbom = json.loads(path.read_text())
    assert {each["name"]: each["version"] for each in sbom["components"]} == PINS
    assert sbom["metadata"]["component"]["version"] == opensslgen.__version__


ACTION = CHECKOUT / ".github" / "actions" / "audit"
BAD = "[ v3_req ]\nbasicConstraints = CA:TRUE\nsubjectAltName = DNS:pbx.example.com\n"


@pytest.mark.slow
@pytest.mark.parametrize(("text", "code"), [(BAD, 1), ("", 0)], ids=["bad", "nothing to check"])
def test_the_action_annotates_and_writes_sarif(text, code, source, tmp_path):
    for folder in ("runner", "my repository/etc"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copytree(ACTION, source / ".github" / "actions" / "audit", dirs_exist_ok=True)
    repository = tmp_path / "my repository"
    (repository / "README.md").write_text("# Nothing that opensslgen reads\n")
    (repository / "etc" / "openssl.cnf").write_text(text) if text else (repository / "etc").rmdir()
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    inputs = {name: each["default"] for name, each in action["inputs"].items()}
    environment = {
        "GITHUB_ACTION_PATH": str(source / ".github" / "actions" / "audit"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "RUNNER_TEMP": str(tmp_path / "runner"),
    }
    install, audit = action["runs"]["steps"]
    run("sh", "-euc", install["run"], extra=environment, cwd=repository)
    given = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], value)
        for name, value in audit["env"].items()
    }
    printed = run("sh", "-euc", audit["run"], extra=environment | given, cwd=repository, codes=(code,))
    assert ("::error file=etc/openssl.cnf,line=" in printed) == bool(text)
    assert (tmp_path / "output").read_text() == "sarif=opensslgen.sarif\n"
    (results,) = (each["results"] for each in json.loads((repository / "opensslgen.sarif").read_text())["runs"])
    found = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert found == ({"etc/openssl.cnf"} if text else set())


def test_the_steps_of_the_action_pass_shellcheck():
    for step in yaml.safe_load((ACTION / "action.yml").read_text())["runs"]["steps"]:
        done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=step["run"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        assert "${{" not in step["run"], "what a user types is no part of a script"


@pytest.mark.slow
def test_bandit_has_nothing_to_say():
    run(sys.executable, "-m", "bandit", "-q", "-c", CHECKOUT / "pyproject.toml", "-r", CHECKOUT / "opensslgen")
