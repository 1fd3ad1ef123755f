"""Real servers with real configs behind a real sshd, in a network namespace: what `opensslgen deploy` is tried on.

They see the files of this machine, and write only below one folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import needs
from .boxes import SSHD, boxes, inside

PORT = 2222
"""Of the sshd that sees the files of this machine."""

NGINX = """
pid {home}/pid; error_log {home}/log;
events {{}}
http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
server {{ {listen} ssl_certificate {chain}; ssl_certificate_key {key}; }} }}
"""
APACHE = """
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
ServerName {name}
PidFile {home}/pid
ErrorLog {home}/log
DefaultRuntimeDir {home}
User daemon
Group daemon
Listen 8443
<VirtualHost *:8443>
SSLEngine on
SSLCertificateFile {home}/{name}-fullchain.pem
SSLCertificateKeyFile {home}/{name}.key
</VirtualHost>
"""
HAPROXY = """
global
    stats socket {home}/admin.sock
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend https
    bind :9443 ssl crt {home}/{name}.pem
    http-request return status 200
"""
POSTFIX = """
compatibility_level = 3.6
queue_directory = {home}/queue
local_recipient_maps =
data_directory = {home}/data
mail_owner = postfix
setgid_group = postdrop
inet_protocols = ipv4
maillog_file = {home}/log
maillog_file_prefixes = {home}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {home}/{name}-fullchain.pem
smtpd_tls_key_file = {home}/{name}.key
"""
MASTER = """
smtp inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
ssl = required
ssl_cert = <{home}/{name}-fullchain.pem
ssl_key = <{home}/{name}.key
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = 993
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
"""
KAMAILIO = """
#!KAMAILIO
children=1
log_stderror=no
enable_tls=yes
listen=tls:{address}:5061
mpath="{modules}/"
loadmodule "kex.so"
loadmodule "tls.so"
loadmodule "sl.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:{home}/ctl")
modparam("tls", "config", "{home}/tls.cfg")
request_route {{ exit; }}
"""
TLS = """
[server:default]
method = TLSv1.2+
certificate = {home}/{name}-fullchain.pem
private_key = {home}/{name}.key
ca_list = {home}/{name}-ca.pem
"""


@dataclass(frozen=True)
class Server:
    """A real server: its configs, how it is started, and how it is deployed to."""

    ports: str
    configs: dict[str, str]
    start: str
    """Shell text; the folder is $home."""
    settings: tuple[str, ...]
    needs: tuple[str, ...]
    folders: dict[str, str] = field(default_factory=dict)
    """With their owners."""


SERVERS = {
    "nginx": Server(
        "443", {"nginx.conf": NGINX}, 'nginx -c "$home/nginx.conf"', ("config={home}/nginx.conf",), ("nginx",),
    ),
    "apache": Server(
        "8443", {"apache.conf": APACHE}, 'apache2 -f "$home/apache.conf" -k start',
        ("control=apache2 -f {home}/apache.conf",), ("apache2",),
    ),
    "haproxy": Server(
        "9443", {"haproxy.cfg": HAPROXY}, 'haproxy -D -p "$home/pid" -f "$home/haproxy.cfg"',
        ("config={home}/haproxy.cfg", "reload=haproxy -D -p {home}/pid -f {home}/haproxy.cfg -sf $(cat {home}/pid)"),
        ("haproxy",),
    ),
    "postfix": Server(
        "25/smtp", {"main.cf": POSTFIX, "master.cf": MASTER}, 'postfix -c "$home" start', ("config={home}",),
        ("postfix",), {"queue": "root", "data": "postfix"},
    ),
    "dovecot": Server(
        "993", {"dovecot.conf": DOVECOT}, 'dovecot -c "$home/dovecot.conf"', ("config={home}/dovecot.conf",),
        ("dovecot",),
    ),
    "kamailio": Server(
        "5061", {"kamailio.cfg": KAMAILIO, "tls.cfg": TLS},
        'kamailio -f "$home/kamailio.cfg" -P "$home/pid" -w "$home"', ("reload=kamcmd -s unix:{home}/ctl tls.reload",),
        ("kamailio", "kamcmd"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A machine in a namespace, and the one that reaches it."""

    boxes: object
    box: object
    folder: Path
    homes: Path
    """Where servers have their files, which other users can reach."""

    @property
    def ssh(self):
        return f"ssh -F {self.folder}/client"

    def deploy(self, *words, path=None, check=None, **options):
        """Run `opensslgen deploy` on the machine that reaches it."""
        environment = {**os.environ, **({"PATH": f"{path}:{os.environ['PATH']}"} if path else {})}
        done = self.boxes.run(*self.argv(*words), env=environment, cwd=self.folder, **options)
        if check is not None:
            assert done.returncode == check, done.stdout + done.stderr
        return done

    def argv(self, *words):
        return [sys.executable, "-m", "opensslgen", "deploy", *map(str, words), "--ssh", self.ssh]

    def shows(self, port, starttls=None):
        """Return the fingerprint that a port shows, as openssl says."""
        words = ["-connect", f"{self.box.address}:{port}", *(["-starttls", starttls] if starttls else [])]
        script = 'openssl s_client "$@" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256'
        done = subprocess.run(
            inside(self.boxes.controller, "sh", "-c", script, "sh", *words), capture_output=True, text=True
        )
        return done.stdout.strip().rpartition("=")[2]

    def start(self, name, certificate_name, *, folder=None, listen=None, **values):
        """Start a server whose files are there; returns its folder."""
        server = SERVERS[name]
        home = self.homes / (folder or name)
        listen = listen or [int(server.ports.partition("/")[0])]
        values = {
            "key": home / f"{certificate_name}.key",
            "chain": home / f"{certificate_name}-fullchain.pem",
            **values,
        }
        values["modules"] = next(map(str, Path("/usr/lib").glob("*/kamailio/modules")), "")
        values["listen"] = " ".join(f"listen {port} ssl;" for port in listen)
        home.mkdir(exist_ok=True)
        home.chmod(0o755)
        for each, owner in server.folders.items():
            (home / each).mkdir()
            shutil.chown(home / each, owner)
        for file, text in server.configs.items():
            (home / file).write_text(text.format(home=home, name=certificate_name, address=self.box.address, **values))
        done = subprocess.run(
            inside(self.box.namespace, "sh", "-c", server.start),
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "home": str(home)},
            stdin=subprocess.DEVNULL, stdout=(log := (home / "started").open("w")), stderr=log, timeout=60,
        )  # fmt: skip
        log.close()
        assert done.returncode == 0, (home / "started").read_text()
        self.wait_for(listen[0])
        return home

    def wait_for(self, port):
        reach = inside(self.boxes.controller, "bash", "-c", f"exec 3<>/dev/tcp/{self.box.address}/{port}")
        for _ in range(300):
            if subprocess.run(reach, capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens on {port}")


@contextlib.contextmanager
def machine(folder):
    """Give a machine whose sshd sees this machine's files, besides the small one that boxes.py makes."""
    needs.need("sshd", "ssh", "root", "networks")
    with boxes(folder, ["box"]) as found:
        (box,) = found.boxes
        key = folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        config = SSHD.replace("/etc/ssh/host_key", str(key)).replace("/etc/ssh/authorized_keys", f"{folder}/id.pub")
        (folder / "sshd_config").write_text(f"Port {PORT}\n{config}")
        with (folder / "known_hosts").open("a") as known:
            known.write(f"[{box.address}]:{PORT} {key.with_suffix('.pub').read_text()}")
        (folder / "client").write_text(
            f"Host *\n  User root\n  HostName {box.address}\n  IdentityFile {folder}/id\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            f"Host full\n  Port {PORT}\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        sshd = subprocess.Popen(
            inside(box.namespace, needs.program_path("sshd"), "-D", "-e", "-f", folder / "sshd_config"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with tempfile.TemporaryDirectory() as homes:
                Path(homes).chmod(0o755)
                made = Machine(found, box, folder, Path(homes))
                made.wait_for(PORT)
                yield made
                box.kill_processes()
        finally:
            sshd.kill()
            sshd.wait()
