# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_html import page
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan, ways
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import from_data
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.history import grown, read, run
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.page import document


def matrix_html(
    evidence: Any, plan: Any = None, history: Any = "", title: Any = "What is open, what is blocked"
) -> str:
    """Show what matrix_evidence put together as one HTML page."""
    try:
        report = from_data(evidence)
        at, digest = str(evidence.get("at") or ""), str(evidence.get("digest") or "")
        found = ways(plan) if plan else ()
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"matrix_html: give what matrix_evidence returns; {error} is missing") from error
    except NotAPlan as wrong:
        raise AnsibleFilterError(f"matrix_html: plan: {wrong}") from wrong
    runs = grown(read(str(history or "")), run(report, at, digest))
    return page(document(report, found, runs, at, digest, str(title)))


class FilterModule:
    """The filter matrix_html."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"matrix_html": matrix_html}
