# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs import cloud
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan, day
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_plan import Refused


def cloud_rules(
    plan: Any, provider: str, per: str = "zone", names: Any = None, priority: Any = 100, today: Any = None
) -> dict[str, Any]:
    """Write what a plan opens as rules of a cloud's security groups."""
    if not str(priority).isdecimal():
        raise AnsibleFilterError(f"cloud_rules: priority {priority!r} is not a number; write one from 100 to 4096")
    try:
        return cloud.cloud_rules(
            plan,
            str(provider),
            day(today, "today") or datetime.datetime.now(tz=datetime.UTC).date(),
            per=str(per),
            names=[names] if isinstance(names, str) else names,
            priority=int(priority),
        )
    except (NotAPlan, Refused) as wrong:
        raise AnsibleFilterError(f"cloud_rules: {wrong}") from wrong


class FilterModule:
    """The filter cloud_rules."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cloud_rules": cloud_rules}
