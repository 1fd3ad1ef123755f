"""Audit the ports of the fleet from the controller; documented in `modules/audit.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401
from ansible_collections.opensslgen.fleet.plugins.modules.audit import DOCUMENTATION

from opensslgen.fleet.action import FleetAction, options_of
from opensslgen.fleet.audit_servers import audit_servers, write_report


class ActionModule(FleetAction):
    """Judges the certificates of all servers, and writes one report; does not connect to the hosts of the play."""

    OPTIONS = options_of(DOCUMENTATION)

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return how many servers comply, and what is wrong with the others."""
        answer = audit_servers(
            options["servers"],
            profiles=options["profile"],
            allow=options["allow"],
            within=None if options["within"] is None else timedelta(days=options["within"]),
            output=options["format"],
            timeout=options["timeout"],
            jobs=options["jobs"],
        )
        if options["report"] and not self.checks:
            write_report(Path(options["report"]), answer.report)
        share = f"{len(answer.faults)} of {answer.tally.results}"
        return {
            "changed": False,
            "totals": answer.tally._asdict(),
            "faults": [{"server": server, "message": message} for server, message in answer.faults],
            "report": options["report"],
            **({"failed": True, "msg": f"not all servers comply: {share} do not"} if answer.faults else {}),
        }
