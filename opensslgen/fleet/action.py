"""The base of the collection's action plugins: they run on the controller, and send only shell text to a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from opensslgen.errors import Error
from opensslgen.jobs.job import Violation
from opensslgen.report.made import findings_text

from .remote import Host


def options_of(documentation: str) -> dict[str, dict[str, Any]]:
    """Return the options in the documentation of a plugin, as the `argument_spec` of Ansible's modules."""
    options: dict[str, dict[str, Any]] = yaml.safe_load(documentation)["options"]
    return _specification(options)


def _specification(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, option in options.items():
        spec: dict[str, Any] = {
            key: option[key] for key in ("type", "elements", "required", "default", "choices") if key in option
        }
        if "suboptions" in option:
            spec["options"] = _specification(option["suboptions"])
        found[name] = spec | {"no_log": name == "passphrase"}
    return found


class FleetAction(ActionBase):  # type: ignore[misc] # ansible has no types
    """An action that checks its options, acts, and turns an Error into a failed task."""

    OPTIONS: ClassVar[dict[str, dict[str, Any]]] = {}
    """From the documentation of each plugin, as the `argument_spec` of Ansible's modules."""
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(self.OPTIONS)
        try:
            return result | self.act(options, task_vars or {})
        except Violation as violation:
            raise AnsibleActionFail(f"{violation.message}:\n{findings_text(violation.findings)}") from violation
        except Error as error:
            raise AnsibleActionFail(error.message + (f" ({error.hint})" if error.hint else "")) from error

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work of the task, and return its result."""
        raise NotImplementedError

    @property
    def checks(self) -> bool:
        """Whether it runs in check mode, so that nothing may be changed."""
        return bool(self._task.check_mode)

    def host(self, openssl: str) -> Host:
        """Return the host of this task, which is reached through its connection, with its `become`."""

        def shell(text: bytes) -> tuple[int, str, str]:
            answer = self._low_level_execute_command("sh", in_data=text)
            return answer["rc"], answer["stdout"], answer["stderr"]

        return Host(shell, openssl)

    def diff(self, changes: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
        """Return what `--diff` shows of changes (title, before, after); nothing without `--diff`."""
        if not self._task.diff:
            return {}
        return {
            "diff": [
                {"before_header": title, "after_header": title, "before": before, "after": after}
                for title, before, after in changes
            ]
        }
