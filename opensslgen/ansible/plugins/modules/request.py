"""The documentation of the action of this name, for `ansible-doc`; the action runs on the controller."""

DOCUMENTATION = """
module: request
short_description: Let a host generate its private key and certificate request
description:
  - Runs the shell script that C(opensslgen server NAME --csr-only --script) prints, on the host. The key is generated
    there, and never leaves the host.
  - A request and a key that are as wanted are kept. A key of the right type is kept also if the names have changed.
  - Replaced files are kept under another name next to the new ones.
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  name:
    description: The main name of the host, or an IP address. It becomes the common name and the first subject
      alternative name. By default the name of the host in the inventory.
    type: str
  san:
    description: Additional names, such as C(IP:10.0.0.5) or C(sip.example.com).
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
    description: Days of validity of the certificate. They are returned with the request, which does not contain them.
    type: int
    default: 820
  allow:
    description: Rules that may be broken, by their ids.
    type: list
    elements: str
    default: []
  new_key:
    description:
      - Whether to generate a new key when the certificate on the host expires soon. Otherwise the key is kept, unless
        its certificate was revoked as compromised in O(pki).
    type: bool
    default: false
  within:
    description: How many days before the expiry date that is.
    type: int
    default: 30
  pki:
    description:
      - The pki folder on the controller, with the CA, the keys and the certificates. A key whose certificate was
        revoked there for C(keyCompromise) is replaced on the host.
    type: path
    default: pki
  folder:
    description: The pki folder on the host, laid out as by easy-rsa.
    type: str
    default: /etc/opensslgen/pki
  openssl:
    description: The openssl program on the host.
    type: str
    default: openssl
attributes:
  check_mode:
    support: full
    description: Says whether a request would be made, but returns none.
  diff_mode:
    support: full
    description: Shows the subject, the names and the type of key.
requirements:
  - opensslgen, on the controller
  - a shell, openssl and coreutils on the host, but no Python
"""

EXAMPLES = """
- name: Let each host generate its key and request
  opensslgen.fleet.request:
    san: ["IP:{{ ansible_host }}"]
  register: requested
"""

RETURN = """
request:
  description: The request in PEM; none in check mode if it is not made yet.
  returned: success
  type: str
order:
  description: The options for signing it.
  returned: success
  type: dict
notes:
  description: Likely mistakes in the names.
  returned: success
  type: list
  elements: str
"""
