# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.matrix import EXPECTATIONS, lines, rows

_FORMS = {"rows": rows, "lines": lines}


def plan_matrix(plan: Any, expect: str | None = None, form: str = "rows") -> list[Any]:
    """Lay the probes of all hosts of a plan out as one list, or as the lines of a table."""
    if expect is not None and expect not in EXPECTATIONS:
        raise AnsibleFilterError(f"plan_matrix: expect is {expect!r}; say allowed or blocked, or leave it out")
    if form not in _FORMS:
        raise AnsibleFilterError(f"plan_matrix: form is {form!r}; say rows or lines")
    try:
        return list(_FORMS[form](plan, expect))
    except NotAPlan as wrong:
        raise AnsibleFilterError(f"plan_matrix: {wrong}") from wrong


class FilterModule:
    """The filter plan_matrix."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"plan_matrix": plan_matrix}
