# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import from_data
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.junit import document


def matrix_junit(evidence: Any, name: str = "alertpath") -> str:
    """Show what matrix_evidence put together as JUnit XML under *name*."""
    try:
        report = from_data(evidence)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"matrix_junit: give what matrix_evidence returns; {error} is missing") from error
    return document(report, name)


class FilterModule:
    """The filter matrix_junit."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"matrix_junit": matrix_junit}
