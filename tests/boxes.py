"""Appliances in network namespaces, each with its own root folder, sshd and TLS server, and without Python.

All of it lies below one folder and in namespaces of its own, and is gone at the end. No address is seen from outside.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import needs

NETWORK = "10.77.0"
PROGRAMS = ("busybox", "dash", "openssl", "sshd")
SSHD = """
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile none
PermitRootLogin yes
"""
TLS = """#!/bin/sh
# What an appliance calls to have its server read its certificate again.
set -e
if [ -f /run/tls.pid ]; then
    pid=$(cat /run/tls.pid)
    kill "$pid" || :
    # Its port is free when it has ended.
    while grep -q -s -v ') Z' "/proc/$pid/stat"; do
        sleep 0.1
    done
fi
openssl s_server -accept 443 -cert /etc/tls/chain.pem -CAfile /etc/opensslgen/pki/ca.crt -key /etc/tls/key.pem \\
    -quiet </dev/null >/dev/null 2>&1 &
echo $! >/run/tls.pid
echo reloaded >>/run/reloads
"""
DYING = """#!/bin/sh
# Stops for good at what shall be the last that this machine does.
case " $* " in
    *"{at}"*)
        : >/dying
        while :; do
            sleep 1
        done
        ;;
esac
exec {program} "$@"
"""
BOOT = """
mount --bind /dev dev
mount --bind /proc proc
exec chroot . /bin/sh -c '[ ! -f /etc/tls/key.pem ] || /etc/init.d/tls start; exec /usr/sbin/sshd -D -e'
"""


@dataclass
class Box:
    """One appliance."""

    name: str
    address: str
    namespace: str
    root: Path
    sshd: subprocess.Popen | None = field(default=None)

    def start(self):
        """Switch it on: sshd, and the TLS server if it has been given a certificate."""
        log = (self.root / "sshd.log").open("ab")
        self.sshd = subprocess.Popen(
            inside(self.namespace, "unshare", "-m", "sh", "-c", BOOT),
            cwd=self.root,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        reach = inside(self.namespace, "bash", "-c", f"exec 3<>/dev/tcp/{self.address}/22")
        for _ in range(200):
            if subprocess.run(reach, capture_output=True).returncode == 0:
                return
            assert self.sshd.poll() is None, (self.root / "sshd.log").read_text()
            time.sleep(0.02)
        raise AssertionError((self.root / "sshd.log").read_text())

    def kill(self):
        """Pull the plug: nothing that runs there does anything any more, nor does its network."""
        for word in ("down", "up"):
            if word == "up":
                self.kill_processes()
            subprocess.run(["ip", "-n", self.namespace, "link", "set", "eth0", word], check=True)

    def kill_processes(self):
        listed = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=True)
        for pid in listed.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if self.sshd:
            self.sshd.wait()

    def dies_at(self, program, at):
        """Have it die when a program is started with these words among its arguments; returns what undoes that."""
        real = self.root / program
        moved = real.with_name(f"{real.name}.real")
        real.rename(moved)
        # An applet of busybox is told by its name.
        start = f"busybox {real.name}" if moved.is_symlink() else f"/{moved.relative_to(self.root)}"
        real.write_text(DYING.format(at=at, program=start))
        real.chmod(0o755)

        def wait():
            while not (self.root / "dying").exists():
                time.sleep(0.02)
                if stopped.is_set():
                    return
            self.kill()

        stopped = threading.Event()
        watcher = threading.Thread(target=wait)
        watcher.start()

        def undo():
            stopped.set()
            watcher.join()
            moved.replace(real)
            died = (self.root / "dying").exists()
            (self.root / "dying").unlink(missing_ok=True)
            return died

        return undo


@dataclass(frozen=True)
class Boxes:
    """Appliances, and the machine that reaches them over the network: the controller."""

    folder: Path
    controller: str
    """Its namespace."""
    boxes: list[Box]

    @property
    def key(self):
        """The file of the private key that opens all of them."""
        return self.folder / "id"

    def run(self, *command, **options):
        """Run a command on the controller."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(inside(self.controller, *command), capture_output=True, text=True, timeout=300, **options)


def inside(namespace, *command):
    return ["nsenter", f"--net=/run/netns/{namespace}", *map(str, command)]


@contextlib.contextmanager
def boxes(folder, names):
    """Give so many appliances, switched on, until the end of the block."""
    prefix = f"fleet-{os.getpid()}-{threading.get_native_id()}-{time.monotonic_ns() % 100000}"
    controller = f"{prefix}-c"
    found = [
        Box(name, f"{NETWORK}.{number}", f"{prefix}-{number}", folder / name) for number, name in enumerate(names, 11)
    ]
    namespaces = [controller, *(box.namespace for box in found)]
    needs.need("ip", "ssh", "ssh-keygen", "root", "mount", "networks")
    make_root(folder / "image")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True)
    try:
        for namespace in namespaces:
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", controller, "link", "add", "lan", "type", "bridge")
        ip("-n", controller, "address", "add", f"{NETWORK}.1/24", "dev", "lan")
        ip("-n", controller, "link", "set", "lan", "up")
        for number, box in enumerate(found):
            port = f"port{number}"
            # Made in the controller's namespace, and never to be seen in the machine's own.
            ip("-n", controller, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", box.namespace)
            ip("-n", controller, "link", "set", port, "master", "lan", "up")
            ip("-n", box.namespace, "address", "add", f"{box.address}/24", "dev", "eth0")
            ip("-n", box.namespace, "link", "set", "eth0", "up")
            # Programs and libraries are the same files; what is written is not.
            subprocess.run(["cp", "-al", folder / "image", box.root], check=True)
            host_key = box.root / "etc/ssh/host_key"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)
            with (folder / "known_hosts").open("a") as known:
                known.write(f"{box.address} {host_key.with_suffix('.pub').read_text()}")
            shutil.copy(folder / "id.pub", box.root / "etc/ssh/authorized_keys")
            # Busybox's shell in every other one.
            (box.root / "bin/sh").symlink_to("busybox" if number % 2 else "dash")
        for box in found:
            box.start()
        yield Boxes(folder, controller, found)
    finally:
        for box in found:
            with contextlib.suppress(subprocess.CalledProcessError):
                box.kill_processes()
        for pid in subprocess.run(["ip", "netns", "pids", controller], capture_output=True, text=True).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for namespace in namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def make_root(root):
    """Make a root folder with busybox, dash, openssl and sshd, and what they load, and nothing else."""
    for name in ("bin", "dev", "proc", "etc/init.d", "etc/ssh", "root", "run/sshd", "tmp", "usr/sbin", "usr/lib"):
        (root / name).mkdir(parents=True)
    for name in PROGRAMS:
        with_libraries(root, Path(needs.program_path(name)), root / ("usr/sbin" if name == "sshd" else "bin") / name)
    # Since 9.8 sshd has parts that it starts.
    for part in ("sshd-session", "sshd-auth"):
        path = Path("/usr/lib/openssh") / part
        if path.exists():
            with_libraries(root, path, root / path.relative_to("/"))
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in set(listed.stdout.split()) - {"sh", "busybox"}:
        link = root / "bin" / applet
        if not link.exists():
            link.symlink_to("busybox")
    (root / "etc/init.d/tls").write_text(TLS)
    (root / "etc/init.d/tls").chmod(0o755)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nsshd:x:74:74::/run/sshd:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nsshd:x:74:\ntls:x:99:\n")
    (root / "etc/shadow").write_text("root:*:1::::::\n")
    (root / "etc/ssh/sshd_config").write_text(SSHD)


def with_libraries(root, program, target):
    """Copy a program and the libraries that it loads."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    loaded = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", loaded):
        place = root / library.lstrip("/")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
