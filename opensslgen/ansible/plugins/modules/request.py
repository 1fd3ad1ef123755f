"""What `ansible-doc` shows of the action of this name, which does all the work on the controller."""

DOCUMENTATION = """
module: request
short_description: Have a host make its private key and certificate request
description:
  - Runs on the host the shell script that C(opensslgen server NAME --csr-only --script) prints. The key is made there
    and never leaves it.
  - What is there already is kept if it is as wanted. A key of the kind that is wanted is kept for other names, too.
  - What is replaced gets an old name beside the new one.
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  name:
    description: The host's main name, or an address. It becomes the common name and the first subject alternative name.
    type: str
    default: the inventory's name of the host
  san:
    description: Further names, such as C(IP:10.0.0.5) or C(sip.example.com).
    type: list
    elements: str
    default: []
  subject:
    description:
      - Fields of the subject - common_name, organization, organizational_unit, country, state, locality,
        email_address.
    type: dict
    default: {}
  key_type:
    description: rsa-2048, rsa-3072, rsa-4096, p-256 or p-384.
    type: str
    default: rsa-2048
  days:
    description: Days that the certificate shall be valid. The request does not tell them; they go with its result.
    type: int
    default: 820
  allow:
    description: Rules that need not be kept, by their ids.
    type: list
    elements: str
    default: []
  new_key:
    description:
      - Whether a new key is made when the certificate on the host is about to end. Else the key is kept, unless its
        certificate was revoked as compromised on the controller, O(pki).
    type: bool
    default: false
  within:
    description: How many days before its end that is.
    type: int
    default: 30
  pki:
    description:
      - The folder on the controller with root, key and certificates. A key whose certificate was revoked there for
        C(keyCompromise) is replaced on the host.
    type: path
    default: pki
  folder:
    description: The folder on the host for key and request, laid out as easy-rsa's.
    type: str
    default: /etc/opensslgen/pki
  openssl:
    description: The openssl of the host.
    type: str
    default: openssl
attributes:
  check_mode:
    support: full
    description: Tells whether a request would be made; there is none yet.
  diff_mode:
    support: full
    description: Shows subject, names and kind of key.
requirements:
  - opensslgen, on the controller
  - a shell, openssl and coreutils on the host, no Python
"""

EXAMPLES = """
- name: Have each host make its key and request
  opensslgen.fleet.request:
    san: ["IP:{{ ansible_host }}"]
  register: requested
"""

RETURN = """
request:
  description: The request in PEM; none in check mode if it is yet to be made.
  returned: success
  type: str
order:
  description: The options that it is signed by.
  returned: success
  type: dict
notes:
  description: Likely slips in the names.
  returned: success
  type: list
  elements: str
"""
