# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for the firewalls of clouds: AWS security groups and Azure network security groups, as their APIs take them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from ..policy.errors import Findings
from .cloud_aws import aws_group
from .cloud_azure import azure_group
from .cloud_flows import EGRESS, Flow, Holder, flows, holders, opened, public
from .documents_plan import digest
from .perimeter_plan import refuse

CYBERARK = (
    "CyberArk's cloud templates give the Vault's network no SMTP egress at all: without these rules on the Vault's own "
    "group, network ACLs and routes that agree, and the Vault's host firewall open too, no alert leaves it"
)
_PORT_25 = {
    "aws": "EC2 blocks outbound port 25 to the internet by default, whatever the group says; ask AWS to lift it",
    "azure": "Azure blocks outbound port 25 to the internet for many subscriptions, whatever the rules say; use 587",
}
_MAKERS: dict[str, Callable[[Holder, list[Flow], tuple[int, ...], int, Findings], dict[str, Any]]] = {
    "aws": aws_group,
    "azure": azure_group,
}


def cloud_rules(
    plan: Any,
    provider: str,
    today: datetime.date,
    *,
    per: str = "zone",
    names: Iterable[str] | None = None,
    priority: int = 100,
) -> dict[str, Any]:
    """The rules of *plan* for a cloud (`aws` or `azure`), one group for each zone or host, as docs/perimeter.md shows.

    *priority* is the first one of Azure's rules. Raises NotAPlan, or Refused with every reason.
    """
    findings = Findings()
    if provider not in _MAKERS:
        findings.error(None, "provider", provider, "is not a choice", f"say one of {', '.join(sorted(_MAKERS))}")
    refuse(findings)
    made_from = digest(plan)
    what = opened(plan, today)
    groups = []
    for holder in holders(plan, per, names):
        found = flows(holder, what.live)
        group = _MAKERS[provider](holder, found, what.ports, priority, findings)
        if any(f.direction == EGRESS and 25 in f.ports and public(f.peers) for f in found):
            group["warnings"].append(_PORT_25[provider])
        groups.append(group)
    refuse(findings)
    return {
        "provider": provider,
        "per": per,
        "ports": list(what.ports),
        "digest": made_from,
        "groups": groups,
        "expired": [
            {"path": o.way.id, "review_by": o.way.review_by.isoformat() if o.way.review_by else None}
            for o in what.expired
        ],
        "warnings": [CYBERARK, *what.warnings],
    }
