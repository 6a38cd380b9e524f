# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather


def matrix_evidence(results: Any, plan: Any) -> dict[str, Any]:
    """Put the results of smtp_probe by host together, against the plan's hosts."""
    if not isinstance(results, Mapping) or not isinstance(plan, Mapping):
        raise AnsibleFilterError("matrix_evidence: give the results by host, and the plan's hosts, as dictionaries")
    return as_data(gather(plan, results))


class FilterModule:
    """The filter matrix_evidence."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"matrix_evidence": matrix_evidence}
