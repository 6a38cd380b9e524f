# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy's zones set against the inventory: which addresses each zone stands for, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from .addresses import EVERYWHERE, Block, Span, outermost, unusable
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


@dataclass(frozen=True)
class Place:
    """What a zone stands for: its ends in order, one for each block."""

    name: str
    ends: tuple[End, ...] = ()

    @cached_property
    def span(self) -> Span:
        """All its addresses."""
        return Span(end.block for end in self.ends)

    @cached_property
    def spans(self) -> dict[int, Span]:
        """Its addresses by family, for the families it has."""
        return {version: part for version in (4, 6) if (part := self.span.of(version))}

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Its blocks in order, without those inside another one: what rules are made of."""
        return outermost(end.block for end in self.ends)

    @cached_property
    def pinned(self) -> dict[Block, End]:
        """The ends that are one address, by it."""
        return {end.block: end for end in self.ends if end.block.single}


class World:
    """Zones, hosts and owners of addresses. Complaints about the inventory land in *findings*."""

    def __init__(self, policy: Policy, hosts: Iterable[Host], findings: Findings) -> None:
        self.policy = policy
        self.hosts = {
            host.name: replace(host, addresses=tuple(sorted(set(host.addresses))))
            for host in sorted(hosts, key=lambda host: host.name)
        }
        self.groups: dict[str, list[Host]] = {}
        for host in self.hosts.values():
            for group in host.groups:
                self.groups.setdefault(group, []).append(host)
        self.owner: dict[Block, str] = {}
        for host in self.hosts.values():
            for block in host.addresses:
                self.owner.setdefault(block, host.name)
        self._zones = {zone.name: Place(zone.name, self._ends(zone, findings)) for zone in policy.zones}
        self._any = Place(ANY, tuple(End(block, ANY) for block in EVERYWHERE))
        self.routers = self._routers(findings)
        managed = {zone.group for zone in policy.zones if zone.group and zone.managed}
        self.managed = {name for name, host in self.hosts.items() if host.groups & managed} | self.routers
        sentinels = sorted(policy.sentinels, key=lambda sentinel: sentinel.name)
        self.sentinels = _distinct(End(block, s.name) for s in sentinels for block in s.addresses)
        self._check_members(findings)

    def place(self, zone: str) -> Place:
        """What *zone* stands for; nothing, when it could not be read."""
        return self._any if zone == ANY else self._zones.get(zone, Place(zone))

    def _ends(self, zone: Zone, findings: Findings) -> tuple[End, ...]:
        found = []
        for host in self._members(f"zones.{zone.name}", "group", zone.group, findings) if zone.group else []:
            if not host.addresses:
                findings.host_error(
                    *(host.name, "smtp_addresses", None, f"is missing, and zone {zone.name} needs it"),
                    "list the host's addresses in its inventory, or set ansible_host to one",
                )
            found += [
                End(block, host.name, host.smtp_name or zone.server_name or host.name) for block in host.addresses
            ]
        for block in zone.addresses:
            owner = self.owner.get(block)
            name = zone.server_name or (self.hosts[owner].smtp_name if owner else None)
            found.append(End(block, owner or zone.name, name))
        found += [End(block, zone.name) for block in zone.networks]
        return _distinct(found)

    def _members(self, place: str, name: str, group: str, findings: Findings) -> list[Host]:
        members = self.groups.get(group, [])
        if not members:
            remedy = nearest(group, list(self.groups))
            findings.error(place, name, group, "is not a group of the inventory that has hosts", remedy)
        return members

    def _routers(self, findings: Findings) -> set[str]:
        found = set()
        for gateway in self.policy.lan_gateways:
            if gateway.hosts:
                found |= {host.name for host in self._members(gateway.place, "hosts", gateway.hosts, findings)}
        return found

    def _check_members(self, findings: Findings) -> None:
        """A host of the plan has addresses that can be reached, and has them alone."""
        members = {host.name for host in self.members}
        holders: dict[Block, list[str]] = {}
        for host in self.hosts.values():
            for block in host.addresses:
                holders.setdefault(block, []).append(host.name)
        for host in self.members:
            for block in host.addresses:
                problem = unusable(block)
                if problem:
                    remedy = "list the addresses in smtp_addresses by which other hosts know this one"
                    findings.host_error(host.name, "smtp_addresses", block, problem, remedy)
        for block, names in holders.items():
            if len(names) > 1 and not members.isdisjoint(names):
                findings.host_error(
                    *(names[-1], "smtp_addresses", block, f"is an address of {', '.join(names[:-1])}, too"),
                    "give every host addresses of its own",
                )
        for name in sorted(self.routers):
            if not self.hosts[name].addresses:
                remedy = "list the router's addresses in its inventory, or set ansible_host to one"
                findings.host_error(name, "smtp_addresses", None, "is missing, and this host is a router", remedy)

    @cached_property
    def managed_span(self) -> Span:
        """The addresses of all managed hosts."""
        return Span(block for name in self.managed for block in self.hosts[name].addresses)

    @cached_property
    def pinned(self) -> tuple[End, ...]:
        """Every single address that a zone or a sentinel names, once: the columns of the matrix."""
        zones = [place for _name, place in sorted(self._zones.items())]
        return _distinct([*(end for place in zones for end in place.pinned.values()), *self.sentinels])

    @cached_property
    def members(self) -> tuple[Host, ...]:
        """The hosts that a plan is for: in a zone, a router, or a sentinel."""
        everything = Span(end.block for place in self._zones.values() for end in place.ends)
        sentinels = {end.block for end in self.sentinels}
        return tuple(
            host
            for host in self.hosts.values()
            if host.name in self.managed
            or any(everything.covers(block) or block in sentinels for block in host.addresses)
        )


def _distinct(ends: Iterable[End]) -> tuple[End, ...]:
    """The *ends* in order of their addresses; of several at one block, the first."""
    found: dict[Block, End] = {}
    for end in ends:
        found.setdefault(end.block, end)
    return tuple(found[block] for block in sorted(found))
