"""The documentation of the action of this name, for `ansible-doc`; the action runs on the controller."""

DOCUMENTATION = """
module: audit
short_description: Audit the ports of all hosts
description:
  - Asks each server for its certificates, from the controller, judges them as C(opensslgen audit) does, and writes one
    report. It does not connect to the hosts in any other way.
  - The report also contains the servers that do not answer.
  - Run it once for all hosts (C(run_once)).
version_added: 0.1.0
author: The authors of opensslgen (@opensslgen)
options:
  servers:
    description: The ports to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description: A host name or an IP address.
        type: str
        required: true
      port:
        description: The port.
        type: int
        default: 443
      name:
        description: The name to ask for, which the certificate must contain; by default the address.
        type: str
      starttls:
        description: The protocol for STARTTLS, such as C(smtp); by default TLS begins at once.
        type: str
  profile:
    description: Profiles of rules, such as apple, public and strict.
    type: list
    elements: str
    default: [apple]
  allow:
    description: Rules that may be broken, by their ids.
    type: list
    elements: str
    default: []
  within:
    description: Also report certificates that expire within this number of days.
    type: int
  report:
    description: The file on the controller for the report. It is not written in check mode.
    type: path
  format:
    description: The format of the report.
    type: str
    default: json
    choices: [json, sarif]
  timeout:
    description: Seconds to wait for a server.
    type: float
    default: 10.0
  jobs:
    description: Number of servers to ask at once.
    type: int
    default: 16
attributes:
  check_mode:
    support: full
    description: It never changes anything; in check mode, it writes no report either.
  diff_mode:
    support: none
    description: It changes nothing.
requirements:
  - opensslgen and openssl, on the controller
"""

EXAMPLES = """
- name: Audit the ports of all hosts
  opensslgen.fleet.audit:
    servers:
      - {address: 10.0.0.5, name: pbx.example.com}
      - {address: 10.0.0.6, port: 5061}
    report: audit.json
  run_once: true
"""

RETURN = """
totals:
  description: How many servers comply, violate the rules, or could not be asked, and the number of findings.
  returned: always
  type: dict
faults:
  description: The servers that do not comply, each with the worst finding.
  returned: always
  type: list
  elements: dict
report:
  description: The file of the report.
  returned: always
  type: str
"""
