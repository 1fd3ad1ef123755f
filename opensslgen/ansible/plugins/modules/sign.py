"""The documentation of the action of this name, for `ansible-doc`; the action runs on the controller."""

DOCUMENTATION = """
module: sign
short_description: Sign the requests of all hosts
description:
  - Signs requests on the controller, with the CA of a pki folder, if there is no certificate for the same key and names
    yet, or if it expires soon. Other certificates are left alone.
  - The names come from the inventory, by way of M(opensslgen.fleet.request). Of the request itself, only the public key
    is used.
  - If a request cannot be signed, the others still are; O(opensslgen.fleet.install#module:name) fails for its
    host.
  - Run it once for all hosts (C(run_once)).
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  requests:
    description: The results of M(opensslgen.fleet.request) for all hosts. Those without an order are skipped.
    type: list
    elements: dict
    required: true
  pki:
    description: The pki folder on the controller, with the CA, the keys and the certificates,
      laid out as by easy-rsa.
    type: path
    default: pki
  within:
    description: Reissue certificates that expire within this number of days.
    type: int
    default: 30
  allow:
    description: Rules that may be broken, by their ids.
    type: list
    elements: str
    default: []
  passphrase:
    description: The passphrase of the root's key; by default it is in the variable E(OPENSSLGEN_CA_PASSPHRASE).
    type: str
  openssl:
    description: The openssl program on the controller.
    type: str
  jobs:
    description: Number of processes; by default one per CPU core.
    type: int
attributes:
  check_mode:
    support: full
    description: Says what would be signed.
  diff_mode:
    support: full
    description: Shows why each certificate is issued, and its names, expiry date and serial number.
requirements:
  - opensslgen, on the controller
"""

EXAMPLES = """
- name: Sign what is not signed yet
  opensslgen.fleet.sign:
    requests: "{{ ansible_play_batch | map('extract', hostvars, 'requested') }}"
    pki: "{{ playbook_dir }}/pki"
  run_once: true
"""

RETURN = """
signed:
  description: The names whose certificates were issued.
  returned: success
  type: list
  elements: str
kept:
  description: The names whose certificates were not changed.
  returned: success
  type: list
  elements: str
faults:
  description: Why others were not signed, by name.
  returned: success
  type: dict
"""
