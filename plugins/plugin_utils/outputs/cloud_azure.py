# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure: securityRules of Microsoft.Network/networkSecurityGroups, as ARM and Bicep take them.

Limits as in the ARM reference of securityRules and the networking limits of Azure subscriptions.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any

from ..policy.addresses import Block
from ..policy.errors import Findings
from .cloud_flows import EGRESS, INGRESS, Flow, Holder
from .perimeter_plan import cidr, plain

_FIRST, _LAST = 100, 4096
_NAME, _DESCRIPTION = 80, 140
_RULES = 1000
_PREFIXES = 4000
_DIRECTIONS = {EGRESS: "Outbound", INGRESS: "Inbound"}


def azure_group(
    holder: Holder, found: list[Flow], smtp: tuple[int, ...], priority: int, findings: Findings
) -> dict[str, Any]:
    """The group's rules: one for each path, direction and family, since a rule cannot mix families, then a deny for the
    SMTP ports right behind them. What Azure would refuse goes to *findings*."""
    rules: list[dict[str, Any]] = []
    for direction, spelt in _DIRECTIONS.items():
        mine = [flow for flow in found if flow.direction == direction]
        last = priority + len(mine)
        if not _FIRST <= priority <= last <= _LAST:
            findings.error(
                holder.name,
                "priority",
                priority,
                f"does not leave room for {len(mine) + 1} {spelt} rules between {_FIRST} and {_LAST}",
                "begin lower, or use zones that hold more addresses",
            )
        given: Counter[tuple[str, int]] = Counter()
        for number, flow in enumerate(mine):
            name = _name(flow.way.id, spelt, flow.version, given[flow.way.id, flow.version])
            given[flow.way.id, flow.version] += 1
            rules.append(_allow(flow, name, spelt, priority + number, findings))
        rules.append(_deny(spelt, last, smtp))
    warnings = []
    if len(rules) > _RULES:
        warnings.append(f"{len(rules)} rules are more than the {_RULES} that a network security group holds by default")
    return {"name": holder.name, "kind": holder.kind, "securityRules": rules, "warnings": warnings}


def _allow(flow: Flow, name: str, direction: str, priority: int, findings: Findings) -> dict[str, Any]:
    near, far = ("source", "destination") if flow.direction == EGRESS else ("destination", "source")
    if len(flow.own) + len(flow.peers) > _PREFIXES:
        message = f"makes a rule of more than {_PREFIXES} addresses and ranges"
        findings.error(flow.way.id, flow.direction, None, message, "use networks in the policy")
    way = flow.way
    return {
        "name": name,
        "properties": {
            "protocol": "Tcp",
            "sourcePortRange": "*",
            **_prefixes(near, flow.own),
            **_prefixes(far, flow.peers),
            **_ports(flow.ports),
            "access": "Allow",
            "priority": priority,
            "direction": direction,
            "description": plain(f"{way.id} ({way.approved_by or 'not approved'}): {way.reason or ''}", _DESCRIPTION),
        },
    }


def _deny(direction: str, priority: int, smtp: tuple[int, ...]) -> dict[str, Any]:
    return {
        "name": f"smtp-{direction}-deny",
        "properties": {
            "protocol": "Tcp",
            "sourcePortRange": "*",
            "sourceAddressPrefix": "*",
            "destinationAddressPrefix": "*",
            **_ports(smtp),
            "access": "Deny",
            "priority": priority,
            "direction": direction,
            "description": "No path allows other SMTP",
        },
    }


def _prefixes(side: str, blocks: tuple[Block, ...]) -> dict[str, Any]:
    texts = [cidr(block) for block in blocks]
    return {f"{side}AddressPrefix": texts[0]} if len(texts) == 1 else {f"{side}AddressPrefixes": texts}


def _ports(ports: tuple[int, ...]) -> dict[str, Any]:
    texts = [str(port) for port in ports]
    return {"destinationPortRange": texts[0]} if len(texts) == 1 else {"destinationPortRanges": texts}


def _name(path: str, direction: str, version: int, turn: int) -> str:
    """At most 80 of letters, digits, `_`, `.` and `-`, with a letter first and a digit last; unique in the group.

    *turn* counts the rules before it with the same id: LAN gateways of the same routers and mode share theirs.
    """
    suffix = f"-v{version}"
    prefix = f"smtp-{direction}-"
    slug = re.sub(r"[^A-Za-z0-9_.-]", "-", path)
    room = _NAME - len(prefix) - len(suffix)
    if slug != path or len(slug) > room or slug != slug.lower():
        unique = f"{path}#{turn}" if turn else path
        slug = f"{slug[: room - 7]}-{hashlib.sha256(unique.encode()).hexdigest()[:6]}"
    return f"{prefix}{slug}{suffix}"
