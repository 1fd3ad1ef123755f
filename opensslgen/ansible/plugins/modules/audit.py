"""What `ansible-doc` shows of the action of this name, which does all the work on the controller."""

DOCUMENTATION = """
module: audit
short_description: Judge what the ports of all hosts show
description:
  - Asks each server from the controller for its chain, judges it as C(opensslgen audit) does, and writes one report.
    The hosts themselves are not connected to.
  - A server that does not answer is in the report, too.
  - Is to be run once for all hosts (C(run_once)).
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
        description: The name that is asked for and that the certificate must carry; by default the address.
        type: str
      starttls:
        description: How it is asked for TLS, such as C(smtp); by default it speaks it from the first byte.
        type: str
  profile:
    description: Whose rules - apple, public, strict.
    type: list
    elements: str
    default: [apple]
  allow:
    description: Rules that need not be kept, by their ids.
    type: list
    elements: str
    default: []
  within:
    description: Find what ends within so many days.
    type: int
  report:
    description: The file on the controller that gets the report. It is not written in check mode.
    type: path
  format:
    description: The report's format.
    type: str
    default: json
    choices: [json, sarif]
  timeout:
    description: Seconds to wait for a server.
    type: float
    default: 10.0
  jobs:
    description: Servers that are asked at once.
    type: int
    default: 16
attributes:
  check_mode:
    support: full
    description: It changes nothing in any case, and writes no report.
  diff_mode:
    support: none
    description: It changes nothing.
requirements:
  - opensslgen and openssl, on the controller
"""

EXAMPLES = """
- name: Judge what all hosts show
  opensslgen.fleet.audit:
    servers:
      - {address: 10.0.0.5, name: pbx.example.com}
      - {address: 10.0.0.6, port: 5061}
    report: audit.json
  run_once: true
"""

RETURN = """
totals:
  description: How many servers comply, violate a rule, or could not be asked, and the number of findings.
  returned: always
  type: dict
faults:
  description: The servers that do not comply, and what speaks against each first.
  returned: always
  type: list
  elements: dict
report:
  description: The report's file.
  returned: always
  type: str
"""
