# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy's zones set against the inventory: which addresses each zone stands for, and whose they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from .addresses import EVERYWHERE, Block
from .errors import Findings
from .model import ANY, Host, Policy, Zone
from .reader import nearest


@dataclass(frozen=True, order=True)
class End:
    """An address, or a network, at which a path may begin or end."""

    block: Block
    label: str
    """The inventory's name of the host, else the zone's name."""
    server_name: str | None = None


class Span:
    """A set of blocks that answers quickly whether it covers or meets another."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        merged: list[Block] = []
        for block in sorted(blocks):
            last = merged[-1] if merged else None
            if last and last.version == block.version and block.first <= last.last + 1:
                merged[-1] = Block(last.version, last.first, max(last.last, block.last))
            else:
                merged.append(block)
        self.blocks = tuple(merged)
        self._starts = [(block.version, block.first) for block in merged]

    def covers(self, block: Block) -> bool:
        """Whether every address of *block* is in the set."""
        index = bisect_right(self._starts, (block.version, block.first)) - 1
        return index >= 0 and self.blocks[index].covers(block)

    def covers_all(self, other: Span) -> bool:
        """Whether the set holds all of *other*, which is not empty."""
        return bool(other.blocks) and all(self.covers(block) for block in other.blocks)

    def meets(self, other: Span) -> bool:
        """Whether any address is in both."""
        one, two = 0, 0
        while one < len(self.blocks) and two < len(other.blocks):
            a, b = self.blocks[one], other.blocks[two]
            if a.version == b.version and a.first <= b.last and b.first <= a.last:
                return True
            if (a.version, a.last) < (b.version, b.last):
                one += 1
            else:
                two += 1
        return False


@dataclass(frozen=True)
class Place:
    """What a zone stands for."""

    name: str
    ends: tuple[End, ...]

    @cached_property
    def span(self) -> Span:
        """All its addresses."""
        return Span(end.block for end in self.ends)

    @property
    def versions(self) -> set[int]:
        """The address families it has."""
        return {end.block.version for end in self.ends}


class World:
    """Zones, hosts and owners of addresses. Complaints about the inventory land in *findings*."""

    def __init__(self, policy: Policy, hosts: Iterable[Host], findings: Findings) -> None:
        self.policy = policy
        self.hosts = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
        self.groups: dict[str, list[Host]] = {}
        for host in self.hosts.values():
            for group in host.groups:
                self.groups.setdefault(group, []).append(host)
        self.owner: dict[Block, str] = {}
        self._own(findings)
        self.places = {zone.name: Place(zone.name, self._ends(zone, findings)) for zone in policy.zones}
        self.places[ANY] = Place(ANY, tuple(End(block, ANY) for block in EVERYWHERE))
        self.routers = self._routers(findings)
        managed = {zone.group for zone in policy.zones if zone.group and zone.managed}
        self.managed = {name for name, host in self.hosts.items() if host.groups & managed} | self.routers
        self.sentinels = self._sentinels(policy)

    def _own(self, findings: Findings) -> None:
        for host in self.hosts.values():
            for block in host.addresses:
                other = self.owner.setdefault(block, host.name)
                if other != host.name:
                    findings.error(
                        *(host.name, "smtp_addresses", block, f"is an address of {other}, too"),
                        "give every host addresses of its own",
                    )

    def _ends(self, zone: Zone, findings: Findings) -> tuple[End, ...]:
        found = set()
        place = f"zones.{zone.name}"
        members = self.groups.get(zone.group, []) if zone.group else []
        if zone.group and not members:
            findings.error(
                place,
                "group",
                zone.group,
                "is not a group of the inventory that has hosts",
                nearest(zone.group, list(self.groups)),
            )
        for host in members:
            if not host.addresses:
                findings.error(
                    *(host.name, "smtp_addresses", None, f"is missing, and zone {zone.name} needs it"),
                    "list the host's addresses in its inventory, or set ansible_host to one",
                )
            for block in host.addresses:
                found.add(End(block, host.name, host.smtp_name or zone.server_name or host.name))
        for block in zone.addresses:
            owner = self.owner.get(block)
            name = zone.server_name or (self.hosts[owner].smtp_name if owner else None)
            found.add(End(block, owner or zone.name, name))
        found |= {End(block, zone.name) for block in zone.networks}
        return tuple(sorted(found, key=lambda end: (end.block, end.label)))

    def _routers(self, findings: Findings) -> set[str]:
        found = set()
        for number, gateway in enumerate(self.policy.lan_gateways):
            members = self.groups.get(gateway.hosts, [])
            if not members:
                findings.error(
                    *(
                        f"lan_gateways[{number}]",
                        "hosts",
                        gateway.hosts,
                        "is not a group of the inventory that has hosts",
                    ),
                    nearest(gateway.hosts, list(self.groups)),
                )
            found |= {host.name for host in members}
        return found

    def _sentinels(self, policy: Policy) -> tuple[End, ...]:
        return tuple(sorted({End(block, s.name) for s in policy.sentinels for block in s.addresses}))

    @cached_property
    def pinned(self) -> tuple[End, ...]:
        """Every single address that a zone or a sentinel names, once: the columns of the matrix."""
        found: dict[Block, End] = {}
        for place in (self.places[zone.name] for zone in self.policy.zones):
            for end in place.ends:
                if end.block.single and (end.block not in found or found[end.block].server_name is None):
                    found[end.block] = end
        for end in self.sentinels:
            found.setdefault(end.block, end)
        return tuple(found[block] for block in sorted(found))

    @cached_property
    def members(self) -> tuple[Host, ...]:
        """The hosts that a plan is for: in a zone, a router, or a sentinel."""
        everything = Span(end.block for name, place in self.places.items() if name != ANY for end in place.ends)
        sentinels = {end.block for end in self.sentinels}
        return tuple(
            host
            for host in self.hosts.values()
            if host.name in self.managed
            or any(everything.covers(block) or block in sentinels for block in host.addresses)
        )
