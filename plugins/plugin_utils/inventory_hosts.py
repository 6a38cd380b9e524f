# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's hosts as the policy compiler wants them. No name is resolved: an address is a rule's prerequisite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .policy.addresses import Block, parse_block
from .policy.errors import Findings
from .policy.model import Host
from .policy.reader import is_server_name


def inventory_hosts(
    hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]], findings: Findings
) -> list[Host]:
    """Every host of the inventory with its groups and addresses; addresses that are none land in *findings*."""
    members: dict[str, set[str]] = {}
    for group, names in groups.items():
        for name in names:
            members.setdefault(name, set()).add(group)
    found = []
    for name in sorted(members):
        variables = hostvars[name]
        addresses = _addresses(name, variables, findings)
        found.append(Host(name, frozenset(members[name]), addresses, _server_name(name, variables, findings)))
    return found


def _addresses(name: str, variables: Mapping[str, Any], findings: Findings) -> tuple[Block, ...]:
    declared = variables.get("smtp_addresses")
    if declared is None:
        try:
            return (parse_block(str(variables.get("ansible_host", name))),)
        except ValueError:
            return ()
    if not isinstance(declared, (str, list, tuple)):
        findings.host_error(name, "smtp_addresses", declared, "is not a list", "list the host's own addresses")
        return ()
    found = set()
    for item in [declared] if isinstance(declared, str) else declared:
        try:
            found.add(parse_block(item))
        except ValueError as problem:
            findings.host_error(name, "smtp_addresses", item, str(problem), "list the host's own addresses")
    return tuple(sorted(found))


def _server_name(name: str, variables: Mapping[str, Any], findings: Findings) -> str | None:
    declared = variables.get("smtp_name")
    if declared is None or declared == "":
        return None
    if not is_server_name(declared):
        remedy = "write the name that the host's certificate carries"
        findings.host_error(name, "smtp_name", declared, "is not a host name", remedy)
        return None
    return str(declared).lower()
