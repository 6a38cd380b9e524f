# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_markdown import markdown
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.instagate import worksheets
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.instagate_document import document


def instagate_worksheet(plan: Any) -> list[dict[str, Any]]:
    """Turn a plan's LAN gateways into worksheets for an InstaGate."""
    try:
        found = worksheets(plan)
    except NotAPlan as wrong:
        raise AnsibleFilterError(f"instagate_worksheet: {wrong}") from wrong
    return [{**worksheet.as_dict(), "markdown": markdown(document(worksheet))} for worksheet in found]


class FilterModule:
    """The filter instagate_worksheet."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"instagate_worksheet": instagate_worksheet}
