# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of smtp_plan: read the inventory, compile, say what is wrong."""

from __future__ import annotations

import datetime
from pathlib import PurePath
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.alertpath.smtp.plugins.plugin_utils.inventory_hosts import inventory_hosts
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import Findings, Origin, PolicyError


class ActionModule(ActionBase):
    """Compile the policy for the whole inventory. Nothing is sent to any host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec(
            argument_spec={
                "policy": {"type": "raw"},
                "review_overdue": {"type": "str", "choices": ["error", "warning"]},
                "today": {"type": "str"},
                "probes_for": {"type": "list", "elements": "str"},
            }
        )
        findings = Findings(origin=_origins(variables.get("inventory_dir"), variables.get("playbook_dir")))
        policy = options["policy"]
        if policy is None:
            if "smtp_policy" not in variables:
                raise AnsibleActionFail("smtp_policy is not defined; declare it in group_vars/all/smtp_policy.yml")
            policy = self._templar.template(variables["smtp_policy"])
        hosts = inventory_hosts(variables["hostvars"], variables["groups"], findings)
        try:
            plan = compile_policy(
                policy, hosts, _day(options["today"]), findings, options["review_overdue"], options["probes_for"]
            )
        except PolicyError as refused:
            return {"failed": True, "msg": str(refused), "errors": [finding.as_dict() for finding in refused.findings]}
        warnings = [str(finding) for finding in findings.warnings]
        return {"changed": False, **plan.as_dict(), **({"warnings": warnings} if warnings else {})}


def _day(text: str | None) -> datetime.date:
    if text is None:
        return datetime.datetime.now(tz=datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise AnsibleActionFail(f"today: {text!r} is not a date; write it as 2026-11-30") from None


def _origins(*folders: str | None) -> Origin:
    """Tell where a value was read from, relative to the first of *folders* that it lies in."""
    roots = [PurePath(folder) for folder in folders if folder]

    def origin(value: object) -> str | None:
        found = _position(value)
        if found is None:
            return None
        file, line = PurePath(found[0]), found[1]
        shown = next((file.relative_to(root) for root in roots if file.is_relative_to(root)), file)
        return f"{shown}:{line}" if line else str(shown)

    return origin


def _position(value: object) -> tuple[str, int | None] | None:
    """File and line, as ansible-core remembers them: a tag since 2.19, an attribute of untouched YAML before."""
    try:
        from ansible._internal._datatag._tags import Origin as Tag
    except ImportError:
        position = getattr(value, "ansible_pos", None)
        return (position[0], position[1]) if position else None
    tag = Tag.get_tag(value)
    return (tag.path, tag.line_num) if tag and tag.path else None
