"""Builds what people install, into dist/: `python .ci/build.py`, or with names: wheel pyz deb rpm sbom sums.

Needs the package `build`, and dpkg-deb and rpmbuild for the packages of distributions. The same commit, the same
tools and the same SOURCE_DATE_EPOCH (seconds since 1970; else the time of the commit) give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from email.utils import formatdate
from pathlib import Path
from string import Template

HERE = Path(__file__).absolute().parent
CHECKOUT = HERE.parent
PINS = HERE / "requirements.txt"
PROGRAM = "opensslgen"
MAINTAINER = "The opensslgen contributors <opensslgen@localhost>"
HOME = "usr/share/opensslgen"
"""Where the packages of distributions keep their Python modules: out of the way of those that the system imports."""
PKI = "/var/lib/opensslgen/pki"
"""The pki folder of the packages' timer; no package creates or removes it."""


def run(*command: object, **environment: str) -> str:
    """Run a command and return what it printed; end with its own words where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=CHECKOUT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"Error: {' '.join(words)}: exit code {done.returncode}")
    return done.stdout


def epoch() -> int:
    """Return the time that files in packages get, in seconds since 1970."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    git = ["git", "log", "-1", "--format=%ct"]
    committed = subprocess.run(git, cwd=CHECKOUT, capture_output=True, text=True)
    return int(committed.stdout or 1580601600)  # without git, the time that hatchling takes


def version() -> str:
    """Return the version of this checkout."""
    found = re.search(r'^__version__ = "(.+)"$', (CHECKOUT / PROGRAM / "__init__.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


def build_wheel(dist: Path) -> Path:
    """Build the sdist, and the wheel from it, as package indexes do."""
    run(sys.executable, "-m", "build", "--outdir", dist, SOURCE_DATE_EPOCH=str(epoch()))
    return wheel(dist)


def wheel(dist: Path) -> Path:
    """Return the wheel of this version, built if it is not there yet."""
    path = dist / f"{PROGRAM}-{version()}-py3-none-any.whl"
    return path if path.exists() else build_wheel(dist)


def install_into(folder: Path, dist: Path) -> None:
    """Install opensslgen and what it needs into a folder, as pure Python that every machine can run."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    run(*pip, "--no-deps", "--target", folder, wheel(dist), "-r", PINS)
    # MarkupSafe works without its compiled part. What pip notes about this install differs from machine to machine.
    for path in [*folder.rglob("*.so"), *folder.rglob("_speedups.*"), *folder.rglob("__pycache__")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for name in ("INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "uv_cache.json"):
        for path in folder.glob(f"*.dist-info/{name}"):
            path.unlink()
    shutil.rmtree(folder / "bin")


def build_pyz(dist: Path) -> Path:
    """Build the one file that Python runs, with the web form inside."""
    target = dist / f"{PROGRAM}.pyz"
    date = time.gmtime(max(epoch(), 315619200))[:6]  # a zip file knows no time before 1980
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        install_into(folder, dist)
        shutil.rmtree(folder / "share")
        start = f"from {PROGRAM}.__main__ import main\nmain()\n"
        (folder / "__main__.py").write_text(start)
        with target.open("wb") as file:
            file.write(b"#!/usr/bin/env python3\n")
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                for path in sorted(folder.rglob("*")):
                    # Folders are entries as well: without them Python finds no package that lacks an __init__.py.
                    name = path.relative_to(folder).as_posix() + ("/" if path.is_dir() else "")
                    entry = zipfile.ZipInfo(name, date)
                    entry.external_attr = (stat.S_IFDIR | 0o755 if path.is_dir() else stat.S_IFREG | 0o644) << 16
                    entry.compress_type = zipfile.ZIP_STORED if path.is_dir() else zipfile.ZIP_DEFLATED
                    archive.writestr(entry, b"" if path.is_dir() else path.read_bytes())
    target.chmod(0o755)
    return target


def build_deb(dist: Path) -> Path:
    """Build the Debian package; click, sh, idna and flask are inside, as those of Debian 12 are too old."""
    number = f"{version()}-1"
    target = dist / f"{PROGRAM}_{number}_all.deb"
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "root"
        licences = _stage(root, dist, zsh="usr/share/zsh/vendor-completions")
        doc = root / "usr/share/doc" / PROGRAM
        changes = (HERE / "debian" / "changelog").read_text().format(
            version=number, maintainer=MAINTAINER, date=formatdate(epoch(), usegmt=True).replace("GMT", "+0000")
        )  # fmt: skip
        _compress(_write(doc / "changelog.Debian", changes))
        _compress(Path(shutil.copy(root / HOME / PROGRAM / "manual" / "changelog.md", doc / "changelog")))
        _write(doc / "copyright", licences)
        _write(root / "usr/share/lintian/overrides" / PROGRAM, (HERE / "debian" / "lintian-overrides").read_text())
        _set_modes(root)
        control = root / "DEBIAN"
        size = sum(-(-path.stat().st_size // 1024) for path in root.rglob("*") if path.is_file())
        text = (HERE / "debian" / "control").read_text().format(version=number, maintainer=MAINTAINER, size=size)
        sums = [
            f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n"
            for path in sorted(root.rglob("*"))
            if path.is_file()
        ]
        _write(control / "control", text)
        _write(control / "md5sums", "".join(sums))
        for script in ("postinst", "prerm"):
            _write(control / script, (HERE / "debian" / script).read_text(), mode=0o755)
        control.chmod(0o755)
        for path in [root, *root.rglob("*")]:
            os.utime(path, (epoch(), epoch()))
        run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, target, SOURCE_DATE_EPOCH=str(epoch()))
    return target


def build_rpm(dist: Path) -> Path:
    """Build the RPM package, with the same files as the Debian package in the places of Fedora."""
    target = dist / f"{PROGRAM}-{version()}-1.noarch.rpm"
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "root"
        licences = _stage(root, dist, zsh="usr/share/zsh/site-functions")
        _write(root / "usr/share/licenses" / PROGRAM / "LICENSE", licences)
        _set_modes(root)
        places = [f"/{path.relative_to(root)}" for path in sorted(root.rglob("*")) if path.is_file()]
        folders = (
            path for path in sorted(root.rglob("*")) if path.is_dir() and PROGRAM in path.relative_to(root).parts
        )
        own = [f'%dir "/{path.relative_to(root)}"' for path in folders]
        files = "\n".join([*own, *(f'"{path}"' for path in places)])
        fixed = {"root": root, "files": files, "version": version()}
        spec = _write(Path(work) / "spec", Template((HERE / "rpm" / f"{PROGRAM}.spec").read_text()).substitute(fixed))
        run("rpmbuild", "--quiet", "-bb", "--define", f"_topdir {work}", spec, SOURCE_DATE_EPOCH=str(epoch()))
        shutil.copy(Path(work) / "RPMS" / "noarch" / target.name, target)
    return target


def _stage(root: Path, dist: Path, *, zsh: str) -> str:
    """Write what every package for a distribution contains below `root`, and return the licences as one text.

    `zsh` is where zsh looks for the completions of packages.
    """
    home = root / HOME
    (root / "usr/share/doc" / PROGRAM).mkdir(parents=True)
    install_into(home, dist)
    shutil.move(home / "share/man", root / "usr/share/man")
    (home / "share").rmdir()
    licences = (CHECKOUT / "LICENSE").read_text() + _licences(home)
    program = root / "usr/bin" / PROGRAM
    _write(program, (HERE / "debian" / PROGRAM).read_text(), mode=0o755)
    _write_what_it_prints(root, program, zsh=zsh)
    for page in root.glob("usr/share/man/*/*"):
        # Other packages have the pages of the libraries.
        _compress(page) if page.name.startswith(PROGRAM) else page.unlink()
    return licences


def _write_what_it_prints(root: Path, program: Path, *, zsh: str) -> None:
    """Write the completions and the systemd units, as the installed program prints them."""
    places = {
        ("completion", "bash"): "usr/share/bash-completion/completions/opensslgen",
        ("completion", "zsh"): f"{zsh}/_opensslgen",
        ("completion", "fish"): "usr/share/fish/vendor_completions.d/opensslgen.fish",
        ("script", "systemd", "service", "--pki", PKI): "usr/lib/systemd/system/opensslgen.service",
        ("script", "systemd", "timer"): "usr/lib/systemd/system/opensslgen.timer",
    }
    for words, place in places.items():
        # -B: the folder that becomes the package stays as it is.
        printed = run(sys.executable, "-B", program, *words, OPENSSLGEN_HOME=str(root / HOME))
        _write(root / place, printed.replace(str(program), f"/usr/bin/{PROGRAM}"))


def _licences(home: Path) -> str:
    """Return the licences of the libraries, and leave them at one place only."""
    texts = []
    for folder in sorted(home.glob("*.dist-info")):
        named = (path for path in folder.rglob("*") if re.match("(?i)licen[cs]e|copying", path.name))
        found = sorted(path for path in named if path.is_file())
        name = folder.name.removesuffix(".dist-info").replace("-", " ")
        if not name.startswith(PROGRAM):
            texts += [f"\n{name}\n\n{path.read_text().strip()}\n" for path in found]
        for path in found:
            path.unlink()
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    return "".join(texts)


def _write(path: Path, text: str, *, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def _compress(path: Path) -> None:
    """Compress a file as Debian demands it, without its name and time."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    path.unlink()


def _set_modes(root: Path) -> None:
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def build_sbom(dist: Path) -> Path:
    """Write what opensslgen.pyz and the Debian package contain, as CycloneDX, by its own tool (cyclonedx-bom)."""
    target = dist / f"{PROGRAM}-{version()}.cdx.json"
    with tempfile.TemporaryDirectory() as work:
        project = Path(work) / "pyproject.toml"
        # The tool cannot read a version that stands in a module.
        stated = f'version = "{version()}"'
        project.write_text((CHECKOUT / "pyproject.toml").read_text().replace('dynamic = ["version"]', stated))
        tool = (sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", PINS, "--pyproject", project)
        run(*tool, "--output-reproducible", "--of", "JSON", "--mc-type", "application", "-o", target)
    return target


def build_sums(dist: Path) -> Path:
    """Write the SHA-256 checksums of everything in dist/; `sha256sum -c SHA256SUMS` checks them."""
    target = dist / "SHA256SUMS"
    files = sorted(path for path in dist.iterdir() if path.is_file() and path != target)
    target.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files))
    return target


BUILDS = {
    "wheel": build_wheel,
    "pyz": build_pyz,
    "deb": build_deb,
    "rpm": build_rpm,
    "sbom": build_sbom,
    "sums": build_sums,
}


def main() -> None:
    """Build what is named, or everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="*", metavar="|".join(BUILDS), help="default: everything")
    parser.add_argument("--dist", type=Path, default=CHECKOUT / "dist", help="where to; default: dist/")
    options = parser.parse_args()
    if unknown := set(options.what) - set(BUILDS):
        parser.error(f"cannot build {', '.join(sorted(unknown))}")
    os.umask(0o022)
    dist = options.dist.absolute()
    dist.mkdir(parents=True, exist_ok=True)
    for name in options.what or BUILDS:
        print(BUILDS[name](dist))


if __name__ == "__main__":
    main()
