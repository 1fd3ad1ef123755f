"""Imported first by each plugin, for a clear error on a controller without the Python package."""

from __future__ import annotations

import sys

from ansible.errors import AnsibleError

try:
    import opensslgen.fleet  # noqa: F401
except ModuleNotFoundError as error:
    raise AnsibleError(
        f"the collection opensslgen.fleet needs the Python package opensslgen where Ansible's own Python finds it:"
        f" {sys.executable} -m pip install . (in a checkout of it)"
    ) from error
