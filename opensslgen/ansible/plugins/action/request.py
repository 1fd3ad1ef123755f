"""Let a host generate its key and request; documented in `modules/request.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401
from ansible_collections.opensslgen.fleet.plugins.modules.request import DOCUMENTATION

from opensslgen.fleet.action import FleetAction, options_of
from opensslgen.fleet.request import ensure_request, order_of
from opensslgen.pki.folder import Folder

ORDER = ("name", "san", "subject", "key_type", "days")


class ActionModule(FleetAction):
    """Returns the request of a host, which makes it if necessary."""

    OPTIONS = options_of(DOCUMENTATION)

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request, and the options for signing it."""
        order = {name: options[name] for name in ORDER} | {"name": options["name"] or task_vars["inventory_hostname"]}
        answer = ensure_request(
            self.host(options["openssl"]),
            order_of(order),
            folder=options["folder"],
            allow=options["allow"],
            new_key=options["new_key"],
            within=timedelta(days=options["within"]),
            compromised=Folder(Path(options["pki"])).compromised,
            check=self.checks,
        )
        return {
            "changed": answer.changed,
            "order": order,
            "request": answer.request,
            "notes": list(answer.notes),
            **self.diff([("request", answer.before, answer.after)]),
        }
