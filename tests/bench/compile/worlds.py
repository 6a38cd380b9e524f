# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies and inventories that the benchmark compiles: any number of hosts, 100 paths each."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.addresses import Block
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.model import Host

PATHS = 100
TODAY = datetime.date(2026, 11, 23)
_WORDS = {"owner": "o", "approved_by": "c", "reason": "r", "review_by": "2027-06-30", "encryption": "starttls"}
_IPV4, _IPV6 = 10 << 24, 0x20010DB8 << 96


class World(NamedTuple):
    """A policy as YAML has it, and the hosts of the inventory."""

    policy: dict[str, Any]
    hosts: list[Host]


def _hosts(count: int, groups: int, both: bool = False) -> list[Host]:
    found = []
    for number in range(count):
        blocks = [Block(4, _IPV4 + number, _IPV4 + number)]
        if both:
            blocks.append(Block(6, _IPV6 + number, _IPV6 + number))
        found.append(Host(f"h{number}", frozenset({f"g{number % groups}"}), tuple(blocks)))
    return found


def _path(number: int, source: str, destination: str) -> dict[str, Any]:
    return {"id": f"p{number}", "from": source, "to": destination, "port": 587, **_WORDS}


def groups_to_gateways(count: int, both: bool = False) -> World:
    """As many groups as paths, each with a path to a gateway of its own."""
    zones: dict[str, Any] = {f"g{number}": {"group": f"g{number}"} for number in range(PATHS)}
    for number in range(PATHS):
        addresses = [f"192.0.2.{number + 1}", *([f"2001:db8:ffff::{number + 1:x}"] if both else [])]
        zones[f"gw{number}"] = {"addresses": addresses, "name": f"gw{number}.test"}
    paths = [_path(number, f"g{number}", f"gw{number}") for number in range(PATHS)]
    return World({"zones": zones, "paths": paths}, _hosts(count, PATHS, both))


def both_versions(count: int) -> World:
    return groups_to_gateways(count, both=True)


def through_routers(count: int) -> World:
    """The same, and 10 routers that every path may cross."""
    policy, hosts = groups_to_gateways(count)
    policy["lan_gateways"] = [
        {
            **{"hosts": "routers", "mode": "internal_mail_server", "mail_server": "gw0"},
            **{key: _WORDS[key] for key in ("owner", "approved_by", "reason", "review_by")},
        }
    ]
    routers = [
        Host(f"r{number}", frozenset({"routers"}), (Block(4, (11 << 24) + number, (11 << 24) + number),))
        for number in range(10)
    ]
    return World(policy, [*hosts, *routers])


def groups_to_groups(count: int) -> World:
    """Ten groups, each with a path to each."""
    zones = {f"g{number}": {"group": f"g{number}"} for number in range(10)}
    paths = [_path(number, f"g{number // 10}", f"g{number % 10}") for number in range(PATHS)]
    return World({"zones": zones, "paths": paths}, _hosts(count, 10))


def write_inventory(world: World, folder: Path) -> None:
    """Write *world* as an inventory of Ansible: the hosts, and the policy in group_vars."""
    groups: dict[str, dict[str, Any]] = {}
    for host in world.hosts:
        for group in host.groups:
            addresses = [str(block) for block in host.addresses]
            groups.setdefault(group, {"hosts": {}})["hosts"][host.name] = {"smtp_addresses": addresses}
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(json.dumps({"all": {"children": groups}}))
    (folder / "group_vars" / "all" / "smtp_policy.yml").write_text(json.dumps({"smtp_policy": world.policy}))
