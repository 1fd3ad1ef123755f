"""Sign all requests of the play on the controller, in one batch; documented in `modules/sign.py`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401
from ansible_collections.opensslgen.fleet.plugins.modules.sign import DOCUMENTATION

from opensslgen.fleet.action import FleetAction, options_of
from opensslgen.fleet.sign_requests import sign_all
from opensslgen.plan.secrets import CA_PASSPHRASE


class ActionModule(FleetAction):
    """Signs what is not signed yet; if one request cannot be signed, the others still are."""

    OPTIONS = options_of(DOCUMENTATION)

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the names of the certificates that were issued, and why others were not."""
        # A host that failed or was skipped has no order.
        requests = [request for request in options["requests"] if request.get("order")]
        signed = sign_all(
            requests,
            pki=Path(options["pki"]),
            passphrase=options["passphrase"] or os.environ.get(CA_PASSPHRASE),
            openssl=options["openssl"],
            within=timedelta(days=options["within"]),
            allow=options["allow"],
            jobs=options["jobs"],
            check=self.checks,
        )
        changed = [one.name for one in signed if one.changed]
        return {
            "changed": bool(changed),
            "signed": changed,
            "kept": [one.name for one in signed if not one.changed and not one.failed],
            "faults": {one.name: one.why for one in signed if one.failed},
            **self.diff(
                (f"certificate of {one.name}: {one.why}", "", one.certificate) for one in signed if one.changed
            ),
        }
