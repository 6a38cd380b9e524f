# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather


def matrix_evidence(
    results: Any, plan: Any, drift: Any = None, proof: Any = None, require_answer: Any = True
) -> dict[str, Any]:
    """Put what probes, checks and proofs found on each host together, against the plan's hosts."""
    given = (results, plan, *(item for item in (drift, proof) if item is not None))
    if not all(isinstance(item, Mapping) for item in given):
        raise AnsibleFilterError("matrix_evidence: give the results by host, and the plan's hosts, as dictionaries")
    return as_data(gather(plan, results, drift, proof, boolean(require_answer)))


class FilterModule:
    """The filter matrix_evidence."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"matrix_evidence": matrix_evidence}
