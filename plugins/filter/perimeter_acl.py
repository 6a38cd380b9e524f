# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan, day
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter import acl
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_aerleon import Missing
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_plan import Refused


def perimeter_acl(
    plan: Any,
    target: str,
    options: str = "",
    name: str = "ALERTPATH-SMTP",
    rest: str = "none",
    families: Any = None,
    paths: Any = None,
    deny: Any = None,
    today: Any = None,
) -> dict[str, Any]:
    """Write what a plan opens as ACLs for a firewall or router."""
    try:
        return acl(
            plan,
            str(target),
            day(today, "today") or datetime.datetime.now(tz=datetime.UTC).date(),
            options=str(options or ""),
            name=str(name),
            rest=str(rest),
            families=[families] if isinstance(families, str) else families,
            paths=[paths] if isinstance(paths, str) else paths,
            deny=deny,
        )
    except (NotAPlan, Missing, Refused) as wrong:
        raise AnsibleFilterError(f"perimeter_acl: {wrong}") from wrong


class FilterModule:
    """The filter perimeter_acl."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"perimeter_acl": perimeter_acl}
