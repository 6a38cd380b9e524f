# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS: what `aws ec2 authorize-security-group-egress` and `-ingress` take as --ip-permissions.

Limits as in the EC2 API reference (IpRange, Ipv6Range) and the Amazon VPC quotas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..policy.addresses import Block
from ..policy.errors import Findings
from .cloud_flows import EGRESS, INGRESS, Flow, Holder
from .documents_plan import Way
from .perimeter_plan import cidr, plain

_LONGEST = 255
_QUOTA = 60
_ONLY_ALLOWS = (
    "a security group denies nothing, and a new one lets everything out: take its allow-all egress (IpProtocol -1 to "
    "0.0.0.0/0 and ::/0) away, here and in every other group of the same interface, for their rules add up; what else "
    "the hosts need to reach then needs rules of its own"
)


def aws_group(
    holder: Holder, found: list[Flow], _smtp: tuple[int, ...], _priority: int, findings: Findings
) -> dict[str, Any]:
    """The group's permissions. A path that opens only some of the holder's addresses goes to *findings*: a security
    group cannot tell its members apart, so it would open the others too."""
    for flow in found:
        if not flow.all_own:
            remedy = "ask for per='host'" if holder.kind == "zone" else "give the host an interface for each address"
            message = f"{flow.way.id} opens only some of its IPv{flow.version} addresses, and a group opens all"
            findings.error(holder.name, flow.direction, ", ".join(map(str, flow.own)), message, remedy)
    warnings = [_ONLY_ALLOWS]
    group: dict[str, Any] = {"name": holder.name, "kind": holder.kind}
    for direction in (EGRESS, INGRESS):
        group[direction] = _permissions([flow for flow in found if flow.direction == direction])
        for family in ("IpRanges", "Ipv6Ranges"):
            count = sum(len(permission[family]) for permission in group[direction])
            if count > _QUOTA:
                version = "IPv4" if family == "IpRanges" else "IPv6"
                warnings.append(
                    f"{direction}: {count} {version} rules are more than the quota of {_QUOTA} that a security group "
                    "has by default; have it raised, or use networks in the policy"
                )
    group["warnings"] = warnings
    return group


def _permissions(found: Iterable[Flow]) -> list[dict[str, Any]]:
    """One permission for each port; each range once, for AWS refuses one that is there already."""
    by_port: dict[int, dict[Block, dict[str, Way]]] = {}
    for flow in found:
        for port in flow.ports:
            for block in flow.peers:
                by_port.setdefault(port, {}).setdefault(block, {})[flow.way.id] = flow.way
    return [
        {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "IpRanges": _ranges(peers, 4, "CidrIp"),
            "Ipv6Ranges": _ranges(peers, 6, "CidrIpv6"),
        }
        for port, peers in sorted(by_port.items())
    ]


def _ranges(peers: dict[Block, dict[str, Way]], version: int, key: str) -> list[dict[str, str]]:
    return [
        {key: cidr(block), "Description": _description(peers[block].values())}
        for block in sorted(peers)
        if block.version == version
    ]


def _description(ways: Iterable[Way]) -> str:
    """Within what AWS allows: letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"""
    return plain(
        "; ".join(f"{way.id} ({way.approved_by or 'not approved'}): {way.reason or ''}" for way in ways), _LONGEST
    )
