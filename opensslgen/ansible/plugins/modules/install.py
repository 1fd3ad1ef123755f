"""What `ansible-doc` shows of the action of this name, which does all the work on the controller."""

DOCUMENTATION = """
module: install
short_description: Put certificate, chain and root in place on a host
description:
  - Copies what the controller's pki folder has for a host to the pki folder of that host, and to further places.
    Only what differs is written; the new files lie beside the old ones before the first is renamed.
  - The certificate must be for the key that the host has. A key is copied on the host itself.
  - Mends the vendor's script C(gen_certs.sh), if it is there; it is fetched, edited on the controller, checked by the
    host's own shell, and put back, and the original is kept beside it.
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  name:
    description: The name of the certificate.
    type: str
    default: the inventory's name of the host
  pki:
    description: The folder on the controller with root, key and certificates.
    type: path
    default: pki
  files:
    description: Further places for the files.
    type: list
    elements: dict
    default: []
    suboptions:
      what:
        description: Which file it is. C(chain) is the certificate and what signed it.
        type: str
        required: true
        choices: [certificate, chain, root, key]
      path:
        description: The absolute path on the host. Folders that are missing are made.
        type: str
        required: true
      mode:
        description: Four octal digits in quotes; by default C('0644'), for the key C('0600').
        type: str
      owner:
        description: Such as C(root:ssl-cert); by default whoever connects.
        type: str
  gen_certs:
    description: Where the vendor's script is; empty to leave it alone.
    type: str
    default: /opt/Avaya/scripts/gen_certs.sh
  gen_certs_days:
    description: The default validity that it gets, in days.
    type: int
    default: 820
  reload:
    description:
      - A command for the host's shell, run when anything has changed.
      - If it fails, or the connection breaks, it is run again the next time.
    type: str
    default: ''
  folder:
    description: The folder on the host that M(opensslgen.fleet.request) uses.
    type: str
    default: /etc/opensslgen/pki
  openssl:
    description: The openssl of the host.
    type: str
    default: openssl
attributes:
  check_mode:
    support: full
    description: Tells which files would change.
  diff_mode:
    support: full
    description: Shows what certificates say, the script's lines, and nothing of a key.
requirements:
  - opensslgen, on the controller
  - a shell, openssl and coreutils on the host, no Python
"""

EXAMPLES = """
- name: Put the certificates in place
  opensslgen.fleet.install:
    pki: "{{ playbook_dir }}/pki"
    files:
      - {what: chain, path: /etc/nginx/tls/server.pem}
      - {what: key, path: /etc/nginx/tls/server.key, owner: "root:ssl-cert", mode: "0640"}
    reload: nginx -s reload
"""

RETURN = """
files:
  description: The files that have changed, or would.
  returned: success
  type: list
  elements: str
reloaded:
  description: Whether the command was run, or would be.
  returned: success
  type: bool
not_after:
  description: When the certificate ends; none in check mode if it is yet to be signed.
  returned: success
  type: str
"""
