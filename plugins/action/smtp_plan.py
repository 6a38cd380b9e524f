# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of smtp_plan: read the inventory, compile, say what is wrong."""

from __future__ import annotations

import datetime
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.alertpath.smtp.plugins.plugin_utils.inventory_hosts import inventory_hosts
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import Findings, PolicyError


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
                "policy": {"type": "dict"},
                "review_overdue": {"type": "str", "choices": ["error", "warning"]},
                "today": {"type": "str"},
                "probes_for": {"type": "list", "elements": "str"},
            }
        )
        policy = options["policy"]
        if policy is None:
            if "smtp_policy" not in variables:
                raise AnsibleActionFail("smtp_policy is not defined; declare it in group_vars/all/smtp_policy.yml")
            policy = self._templar.template(variables["smtp_policy"])
        findings = Findings()
        hosts = inventory_hosts(variables["hostvars"], variables["groups"], findings)
        try:
            findings.raise_errors()
            plan = compile_policy(
                policy,
                hosts,
                _day(options["today"]),
                file=_origin(variables.get("smtp_policy")) if options["policy"] is None else None,
                review_overdue=options["review_overdue"],
                probes_for=options["probes_for"],
            )
        except PolicyError as refused:
            return {"failed": True, "msg": str(refused), "errors": [finding.as_dict() for finding in refused.findings]}
        for finding in plan.findings:
            Display().warning(f"{finding['path']}: {finding['field']}: {finding['message']}; {finding['remedy']}")
        return {"changed": False, **plan.as_dict()}


def _day(text: str | None) -> datetime.date:
    if text is None:
        return datetime.datetime.now(tz=datetime.UTC).date()
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise AnsibleActionFail(f"today: {text!r} is not a date; write it as 2026-11-30") from None


def _origin(value: Any) -> str | None:
    """Where a variable stands, as far as ansible-core remembers (2.19 and later)."""
    try:
        from ansible._internal._datatag._tags import Origin
    except ImportError:
        return None
    tag = Origin.get_tag(value)
    return str(tag).partition(":")[0] if tag else None
