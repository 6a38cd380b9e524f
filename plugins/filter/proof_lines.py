# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.rules import FINDINGS
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.rules_table import CERTAINTIES, findings


def proof_lines(result: Any, host: str, names: Any = FINDINGS, certainty: str | None = None) -> list[str]:
    """Show what smtp_firewall_info found on a host, with the rules that decide and the remedies."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError("proof_lines: give what smtp_firewall_info returned")
    unknown = sorted(set(names) - set(FINDINGS))
    if unknown:
        raise AnsibleFilterError(f"proof_lines: {unknown[0]!r} is not one of {', '.join(FINDINGS)}")
    if certainty not in (None, *CERTAINTIES):
        raise AnsibleFilterError(f"proof_lines: {certainty!r} is not one of {', '.join(CERTAINTIES)}")
    return findings(host, result, names, (certainty,) if certainty else CERTAINTIES)


class FilterModule:
    """The filter proof_lines."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"proof_lines": proof_lines}
