"""Unpack the openssl of every Debian release beside the machine's own, to test against all of them.

    export OPENSSLGEN_TEST_OPENSSLS="$(python -m tests.debian_openssls)"

Nothing is installed. Remove a release's folder from the cache to bring a newer one.
"""

from __future__ import annotations

import functools
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

# A release and the suites that it is put together from; the last one wins. OpenSSL 4 is in experimental, which holds
# little else, and moves to sid one day: so the newest is asked from both.
RELEASES = {
    "bullseye": ("bullseye",),
    "bookworm": ("bookworm",),
    "trixie": ("trixie",),
    "forky": ("forky",),
    "experimental": ("sid", "experimental"),
}
REQUIRED = {"bullseye", "bookworm", "trixie"}

# Proxies and passwords stay the machine's. Its hooks go, because they clean its own cache; its preferences go, because
# they pin its own packages; an empty status makes apt fetch every dependency, libc too.
APT_CONF = """\
#clear APT::Update;
#clear DPkg;
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
APT::Default-Release "{suite}";
APT::Sandbox::User "root";
Dir::Cache "{folder}/cache";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{folder}/state";
Dir::State::Status "{folder}/status";
"""


def run(*command: str | Path) -> str:
    """Return what a command prints; raise subprocess.CalledProcessError when it fails, its own words on stderr."""
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout


@functools.cache
def mirror() -> str:
    """Return the address from which this machine takes its own Debian; raise LookupError when it has none."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
    targets = ("Created-By: Packages", "Component: main", f"Release: {codename}")
    # --no-release-info: a new machine has the sources but has not read what they hold.
    addresses = run("apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI)", *targets).split()
    # Other archives may use a release's name too, but Debian's mirrors share this path.
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise LookupError(f"no Debian mirror is configured for {codename}")


def packages(suites: tuple[str, ...], *, folder: Path) -> list[Path]:
    """Download openssl and everything that it depends on into a folder."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    sources = [f"deb [signed-by={keyring}] {mirror()} {suite} main\n" for suite in suites]
    (folder / "sources.list").write_text("".join(sources), "utf-8")
    (folder / "apt.conf").write_text(APT_CONF.format(folder=folder, suite=suites[-1]), "utf-8")
    (folder / "status").touch()
    (folder / "state/lists/partial").mkdir(parents=True)
    (folder / "cache/archives/partial").mkdir(parents=True)
    apt = ("apt-get", "-c", folder / "apt.conf", "-qq")
    run(*apt, "update")
    run(*apt, "--yes", "--no-install-recommends", "--download-only", "install", "openssl")
    return sorted((folder / "cache/archives").glob("*.deb"))


def command(root: Path) -> list[str]:
    """Return the command that starts the openssl under a root with the loader and the libraries found there."""
    # /lib64 is no place to look: the link there is absolute and leads to the machine's own loader.
    loader = next(path for lib in ("lib", "usr/lib") for path in root.glob(f"{lib}/*-linux-gnu*/ld*.so.?"))
    folders = [root / lib / loader.parent.name for lib in ("lib", "usr/lib")]
    return [str(loader), "--library-path", ":".join(map(str, folders)), str(root / "usr/bin/openssl")]


def script(root: Path) -> str:
    """Return a shell script that runs the openssl under a root."""
    start = command(root)
    modules = root / "usr/lib" / Path(start[0]).parent.name / "ossl-modules"
    # Without it 3.0 and later would load the machine's own legacy.so.
    export = f"export OPENSSL_MODULES={shlex.quote(str(modules))}\n" if modules.is_dir() else ""
    return f'#!/bin/sh\n{export}exec {shlex.join(start)} "$@"\n'


def check(root: Path) -> str:
    """Return the version of the openssl under a root; raise LookupError when a library comes from elsewhere."""
    loader, *rest = command(root)
    for line in run(loader, "--list", *rest).splitlines():
        _, found, library = line.partition(" => ")
        if found and not library.startswith(f"{root}/"):
            raise LookupError(f"a library is missing: {line.strip()}")
    return run(loader, *rest, "version").strip()


def wrapper(release: str, *, cache: Path) -> Path:
    """Return the script that runs a release's openssl, after unpacking it when the cache does not have it yet."""
    home = cache / release
    if (home / "openssl").exists():
        return home / "openssl"
    with tempfile.TemporaryDirectory(prefix=f".{release}-", dir=cache) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        for package in packages(RELEASES[release], folder=Path(scratch)):
            run("dpkg-deb", "--extract", package, made / "root")
        version = check(made / "root")
        (made / "openssl").write_text(script(made / "root").replace(str(made), str(home)), "utf-8")
        (made / "openssl").chmod(0o755)
        # Last and at once, so that what has the release's name is whole; another run may have been first.
        try:
            made.rename(home)
        except OSError:
            if not (home / "openssl").exists():
                raise
    print(f"{release}: {version}", file=sys.stderr)
    return home / "openssl"


def main() -> int:
    """Print the wrappers, separated by colons; return 1 when a required release is missing."""
    cache = Path(os.environ.get("OPENSSLGEN_TEST_CACHE") or "~/.cache/opensslgen-tests").expanduser().resolve()
    cache.mkdir(parents=True, exist_ok=True)
    wrappers = {}
    for release in RELEASES:
        try:
            wrappers[release] = wrapper(release, cache=cache)
        except (LookupError, OSError, subprocess.CalledProcessError) as error:
            print(f"{release}: skipped: {error}", file=sys.stderr)
    print(":".join(map(str, wrappers.values())))
    return int(not wrappers.keys() >= REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
