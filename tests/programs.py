"""The programs that tests start beside Python and openssl, and the Debian packages that they come in.

`python3 -m tests.programs` prints the packages of what is missing here; it needs nothing but Python.
"""

from __future__ import annotations

import os
import shutil

PACKAGES = {
    "apache2": "apache2",
    "baresip": "baresip-core",
    "bash": "bash",
    "busybox": "busybox",
    "certtool": "gnutls-bin",
    "certutil": "libnss3-tools",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "curl": "curl",
    "dash": "dash",
    "dovecot": "dovecot-imapd",
    "dpkg-deb": "dpkg",
    "easyrsa": "easy-rsa",
    "faketime": "faketime",
    "fish": "fish",
    "git": "git",
    "gnutls-cli": "gnutls-bin",
    "groff": "groff-base",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "kamailio": "kamailio kamailio-tls-modules",
    "kamcmd": "kamailio",
    "keytool": "default-jre-headless",
    "ksh93": "ksh93u+m",
    "lintian": "lintian",
    "mksh": "mksh",
    "nginx": "nginx-light",
    "node": "nodejs",
    "npm": "npm",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "patch": "patch",
    "posh": "posh",
    "postfix": "postfix",
    "py3compile": "python3",
    "rpmbuild": "rpm",
    "script": "bsdutils",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "sipsak": "sipsak",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "toybox": "toybox",
    "unshare": "util-linux",
    "update-ca-certificates": "ca-certificates",
    "yash": "yash",
    "zbarimg": "zbar-tools",
    "zsh": "zsh",
}
"""Package by program; a program that needs a second one names both."""

ELSEWHERE = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/share/easy-rsa")
"""Where programs lie that are not in the PATH of every user."""


PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), *ELSEWHERE))
"""Where programs are looked for, whatever a test makes of the PATH meanwhile."""


def find(program: str) -> str | None:
    """Return the path of a program, or None where it is not installed."""
    return shutil.which(program, path=PATH)


def packages(programs: list[str]) -> list[str]:
    """Return the packages that bring the programs, each once."""
    return sorted({package for program in programs for package in PACKAGES[program].split()})


if __name__ == "__main__":
    print(*packages([program for program in PACKAGES if not find(program)]))
