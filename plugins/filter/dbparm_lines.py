# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs import dbparm
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_plan import Refused


def dbparm_lines(plan: Any, names: Any = None, enabled: bool = True) -> dict[str, Any]:
    """Write the next hops of a plan as lines for a CyberArk Vault's dbparm.ini."""
    try:
        return dbparm.dbparm_lines(plan, [names] if isinstance(names, str) else names, bool(enabled))
    except (NotAPlan, Refused) as wrong:
        raise AnsibleFilterError(f"dbparm_lines: {wrong}") from wrong


class FilterModule:
    """The filter dbparm_lines."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dbparm_lines": dbparm_lines}
