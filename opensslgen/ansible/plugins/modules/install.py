"""The documentation of the action of this name, for `ansible-doc`; the action runs on the controller."""

DOCUMENTATION = """
module: install
short_description: Install certificate, chain and root on a host
description:
  - Copies the files for a host from the controller's pki folder to the pki folder of that host, and to other places.
    Only files that differ are written. All new files are written next to the old ones before the first is renamed.
  - The certificate must be for the key on the host. The key is copied only on the host itself.
  - Patches the vendor's script C(gen_certs.sh), if it exists. The script is edited on the controller and checked by
    the shell on the host; the original is kept next to it.
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  name:
    description: The name of the certificate; by default the name of the host in the inventory.
    type: str
  pki:
    description: The pki folder on the controller, with the CA, the keys and the certificates.
    type: path
    default: pki
  files:
    description: Other places for the files.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: Which file. C(chain) is the certificate with its issuers.
        type: str
        required: true
        choices: [certificate, chain, root, key]
      path:
        description: The absolute path on the host. Missing folders are created.
        type: str
        required: true
      mode:
        description: Four octal digits in quotes; by default C('0644'), for the key C('0600').
        type: str
      owner:
        description: The owner, such as C(root:ssl-cert); by default the user who connects.
        type: str
  target:
    description:
      - A server that C(opensslgen deploy) knows, such as C(nginx), C(apache), C(postfix), C(dovecot) or C(kamailio). It
        adds its files, and its command if I(reload) is empty.
    type: str
    default: ''
  settings:
    description: Settings of the target, as C(--set) of C(opensslgen deploy) takes them.
    type: dict
    default: {}
  gen_certs:
    description: The path of the vendor's script, or empty to patch none.
    type: str
    default: /opt/Avaya/scripts/gen_certs.sh
  gen_certs_days:
    description: The default validity in the patched script, in days.
    type: int
    default: 820
  reload:
    description:
      - A command for the shell on the host, to run if anything has changed.
      - If it fails, or the connection breaks, the next run repeats it.
    type: str
    default: ''
  folder:
    description: The pki folder on the host, as for M(opensslgen.fleet.request).
    type: str
    default: /etc/opensslgen/pki
  openssl:
    description: The openssl program on the host.
    type: str
    default: openssl
attributes:
  check_mode:
    support: full
    description: Says which files would change.
  diff_mode:
    support: full
    description: Shows the content of certificates and scripts, but never of a key.
requirements:
  - opensslgen, on the controller
  - a shell, openssl and coreutils on the host, but no Python
"""

EXAMPLES = """
- name: Install the certificates
  opensslgen.fleet.install:
    pki: "{{ playbook_dir }}/pki"
    files:
      - {what: chain, path: /etc/nginx/tls/server.pem}
      - {what: key, path: /etc/nginx/tls/server.key, owner: "root:ssl-cert", mode: "0640"}
    reload: nginx -s reload
"""

RETURN = """
files:
  description: The files that have changed, or would change.
  returned: success
  type: list
  elements: str
reloaded:
  description: Whether the command was run, or would be run.
  returned: success
  type: bool
not_after:
  description: When the certificate expires; none in check mode if it is not signed yet.
  returned: success
  type: str
"""
