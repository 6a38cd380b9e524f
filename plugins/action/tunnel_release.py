# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of tunnel_release: wheels are built here and carried to the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.build import BuildError, wheelhouse
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.compiled import (
    CompileError,
    controller,
    require_fit,
)
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.given import GivenError, release_of
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.source import Source, SourceError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.target import Target, TargetError

MODULE = "alertpath.smtp.tunnel_release"


class ActionModule(ActionBase):
    """Ask the target what it has and what fits it; build, carry and install only when that differs."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(
            argument_spec={
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "wheelhouse": {"type": "path"},
                "compiled": {"type": "bool", "default": False},
            }
        )
        if options["wheelhouse"] and options["compiled"]:
            raise AnsibleActionFail("compiled and wheelhouse: what lies in the folder is installed as it is; give one")
        found = self._execute_module(MODULE, module_args={"state": options["state"]}, task_vars=task_vars)
        if options["state"] == "absent" or found.get("failed"):
            return found
        try:
            return self._present(found, options, task_vars)
        except (BuildError, CompileError, GivenError, SourceError, TargetError) as error:
            raise AnsibleActionFail(str(error)) from None

    def _present(
        self, found: dict[str, Any], options: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        target = Target.of(found["interpreter"])
        given, compiled = options["wheelhouse"], options["compiled"]
        source = None if given else Source.read()
        release = source.release(target, compiled) if source else release_of(Path(str(given)))
        if found["release"] == release:
            return found
        if compiled:
            require_fit(target, controller())
        diff = {"before": f"{found['release'] or ''}\n", "after": f"{release}\n"}
        if self._task.check_mode:
            return {**found, "changed": True, "release": release, "diff": diff}
        wheels = wheelhouse(source, target, compiled) if source else Path(str(given))
        folder = self._carry(wheels)
        try:
            arguments = {"state": "present", "digest": release, "folder": folder}
            installed = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir, force=True)
        return {**installed, "diff": diff}

    def _carry(self, wheels: Path) -> str:
        """Copy every wheel into the task's temporary folder on the target; return that folder."""
        folder = str(self._connection._shell.tmpdir or self._make_tmp_path())
        carried = [self._connection._shell.join_path(folder, wheel.name) for wheel in sorted(wheels.glob("*.whl"))]
        for wheel, place in zip(sorted(wheels.glob("*.whl")), carried, strict=True):
            self._transfer_file(str(wheel), place)
        # Another user than the one that logs in may run the module.
        self._fixup_perms2([folder, *carried])
        return folder
