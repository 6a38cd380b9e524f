# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.planned import planned_rows


def plan_matrix(plan: Any, expect: str | None = None) -> list[dict[str, Any]]:
    """Lay the probes of all hosts of a plan out as one list."""
    if not isinstance(plan, Mapping) or not isinstance(plan.get("hosts"), Mapping):
        raise AnsibleFilterError("plan_matrix: give what alertpath.smtp.smtp_plan returned")
    if expect not in (None, "allowed", "blocked"):
        raise AnsibleFilterError(f"plan_matrix: expect is {expect!r}; say allowed or blocked, or leave it out")
    return planned_rows(plan["hosts"], expect)


class FilterModule:
    """The filter plan_matrix."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"plan_matrix": plan_matrix}
