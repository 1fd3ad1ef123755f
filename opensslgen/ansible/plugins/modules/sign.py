"""What `ansible-doc` shows of the action of this name, which does all the work on the controller."""

DOCUMENTATION = """
module: sign
short_description: Sign the requests of all hosts
description:
  - Signs on the controller, with the root of a pki folder, each request that has no certificate yet for its key and
    names, or one that ends soon. What is signed already is left alone.
  - The names come from the inventory, by way of what M(opensslgen.fleet.request) returns; of what a host has sent
    nothing is used but its public key.
  - A request that cannot be signed does not stop the others; O(opensslgen.fleet.install#module:name) fails for it.
  - Is to be run once for all hosts (C(run_once)).
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  requests:
    description: What M(opensslgen.fleet.request) has returned, of all hosts. What has no order is passed over.
    type: list
    elements: dict
    required: true
  pki:
    description: The folder on the controller with root, key and certificates, laid out as easy-rsa's.
    type: path
    default: pki
  within:
    description: A certificate that ends within so many days is made anew.
    type: int
    default: 30
  allow:
    description: Rules that need not be kept, by their ids.
    type: list
    elements: str
    default: []
  passphrase:
    description: The passphrase of the root's key; by default the variable E(OPENSSLGEN_CA_PASSPHRASE) has it.
    type: str
  openssl:
    description: The openssl of the controller.
    type: str
  jobs:
    description: Processes; by default one for each core.
    type: int
attributes:
  check_mode:
    support: full
    description: Tells what would be signed.
  diff_mode:
    support: full
    description: Shows why each certificate is made, and its names, end and serial number.
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
  description: The names whose certificates were made.
  returned: success
  type: list
  elements: str
kept:
  description: The names whose certificates were left alone.
  returned: success
  type: list
  elements: str
faults:
  description: Why others were not signed, by name.
  returned: success
  type: dict
"""
