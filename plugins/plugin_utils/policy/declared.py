# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was declared, as a plan carries it on to documents and to devices that no role configures."""

from __future__ import annotations

from typing import Any

from .accepts import Accept
from .model import Policy
from .rules import Texts
from .world import World


def paths(policy: Policy, opened: tuple[Accept, ...], texts: Texts) -> list[dict[str, Any]]:
    """Every way that is open, with its ends as addresses and who answers for it; in the order of *opened*."""
    by_id = {path.id: path for path in policy.paths}
    found = []
    for accept in opened:
        gateway = accept.gateway
        answers = gateway or by_id[accept.id]
        found.append(
            {
                "id": accept.id,
                "kind": "lan_gateway" if gateway else "path",
                "from": accept.source.name,
                "to": accept.destination.name,
                "sources": [texts[block] for block in accept.source.blocks],
                "destinations": [texts[block] for block in accept.destination.blocks],
                "ports": list(accept.ports),
                "encryption": accept.encryption,
                "owner": answers.owner,
                "approved_by": answers.approved_by,
                "reason": answers.reason,
                "review_by": answers.review_by.isoformat() if answers.review_by else None,
                "cleartext_reason": None if gateway else by_id[accept.id].cleartext_reason,
                "wide_reason": None if gateway else by_id[accept.id].wide_reason,
                "hosts": gateway.hosts if gateway else None,
                "mode": gateway.mode if gateway else None,
                "mail_server": gateway.mail_server if gateway else None,
                "lan": gateway.lan if gateway else None,
            }
        )
    return found


def zones(policy: Policy, world: World, texts: Texts) -> list[dict[str, Any]]:
    """Every zone with what it stands for, by name."""
    return [
        {
            "name": zone.name,
            "group": zone.group,
            "managed": zone.managed,
            "addresses": [texts[block] for block in world.place(zone.name).pinned],
            "networks": [texts[block] for block in zone.networks],
            "server_name": zone.server_name,
        }
        for zone in sorted(policy.zones, key=lambda zone: zone.name)
    ]


def lockdowns(policy: Policy, world: World, texts: Texts) -> list[dict[str, Any]]:
    """Every lockdown with what it lets pass besides SMTP and who answers for it, by its group."""
    return [
        {
            "hosts": locked.hosts,
            "allow": [
                {
                    "id": item.id,
                    "direction": "egress" if item.outgoing else "ingress",
                    "peer": item.peer,
                    "peers": [texts[block] for block in world.place(item.peer).blocks],
                    "protocol": item.protocol,
                    "ports": list(item.ports),
                }
                for item in locked.allow
            ],
            "owner": locked.owner,
            "approved_by": locked.approved_by,
            "reason": locked.reason,
            "review_by": locked.review_by.isoformat() if locked.review_by else None,
        }
        for locked in sorted(policy.lockdowns, key=lambda locked: (locked.hosts, repr(locked)))
    ]


def sentinels(policy: Policy, texts: Texts) -> list[dict[str, Any]]:
    """Every destination that must be unreachable, by name."""
    return [
        {"name": sentinel.name, "addresses": [texts[block] for block in sentinel.addresses]}
        for sentinel in sorted(policy.sentinels, key=lambda sentinel: (sentinel.name, sentinel.addresses))
    ]
