# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lockdown in the policy: hosts that deny everything but SMTP's paths and declared management connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .addresses import Block
from .errors import Findings
from .model import UNREAD, Host, Lockdown, Management, Policy
from .reader import Raw, Reader, nearest
from .rules import Texts
from .world import World

PROTOCOLS = ("tcp", "udp", "icmp")
_KEYS = ("hosts", "allow", "owner", "approved_by", "reason", "review_by")
_ALLOW_KEYS = ("id", "from", "to", "protocol", "port", "ports", "wide_reason")


class Way(NamedTuple):
    """One management connection of one host. Sorts as plans list it."""

    path: str
    direction: str
    protocol: str
    source: Block
    destination: Block
    port: int | None


def parse(top: Reader, zones: list[str], smtp: tuple[int, ...], findings: Findings) -> Iterator[Lockdown]:
    """Every lockdown of the policy that *top* reads; *zones* are the known ones, *smtp* the ports of SMTP."""
    for place, raw in top.mappings("lockdown"):
        reader = Reader(raw, place, findings)
        reader.known_keys(_KEYS)
        if raw.get("hosts") is None:
            reader.error("hosts", None, "is missing", "name the inventory group of the hosts to lock")
        yield Lockdown(
            hosts=reader.text("hosts") or UNREAD,
            allow=tuple(sorted(_allow(reader, place, zones, smtp), key=lambda item: item.id)),
            owner=reader.text("owner", required=True) or UNREAD,
            approved_by=reader.text("approved_by", required=True) or UNREAD,
            reason=reader.text("reason", required=True) or UNREAD,
            review_by=reader.date("review_by"),
            place=place,
        )


def _allow(reader: Reader, place: str, zones: list[str], smtp: tuple[int, ...]) -> Iterator[Management]:
    seen = set()
    for inner, raw in reader.mappings("allow"):
        identity = Reader(raw, f"{place}.{inner}", reader.findings).name("id")
        entry = Reader(raw, f"{place}.{identity or inner}", reader.findings)
        if identity in seen:
            entry.error("id", identity, "names two connections", "give each an id of its own")
        seen.add(identity)
        entry.known_keys(_ALLOW_KEYS)
        outgoing = raw.get("to") is not None
        if outgoing == (raw.get("from") is not None):
            remedy = "say from for what the hosts accept, to for what they open"
            entry.error("from", None, "or else to must be there, and not both", remedy)
        protocol = entry.choice("protocol", PROTOCOLS, "tcp") or "tcp"
        yield Management(
            id=identity or inner,
            outgoing=outgoing,
            peer=entry.zone("to" if outgoing else "from", zones, True) if outgoing or raw.get("from") else UNREAD,
            protocol=protocol,
            ports=_ports(entry, raw, protocol, smtp),
            wide_reason=entry.text("wide_reason"),
            place=entry.place,
        )


def _ports(entry: Reader, raw: Raw, protocol: str, smtp: tuple[int, ...]) -> tuple[int, ...]:
    given = [name for name in ("port", "ports") if raw.get(name) is not None]
    if len(given) > 1:
        entry.error("ports", None, "stands beside port", "say one of the two")
    if protocol == "icmp":
        if given:
            entry.error(given[0], raw[given[0]], "means nothing for ICMP", "leave it out")
        return ()
    ports = entry.ports(["port", "ports"])
    for port in ports:
        if protocol == "tcp" and port in smtp:
            entry.error(given[0], port, "is a port of SMTP", "declare a path, which has an encryption to keep")
    return ports


def check(policy: Policy, world: World, findings: Findings) -> None:
    """Refuse a lockdown of hosts that are not managed, or that would lock every operator out."""
    for locked in policy.lockdowns:
        members = world.groups.get(locked.hosts, [])
        if not members and locked.hosts:
            remedy = nearest(locked.hosts, list(world.groups))
            message = "is not a group of the inventory that has hosts"
            findings.error(locked.place, "hosts", locked.hosts, message, remedy)
        # What could not be read has its own finding, and says nothing about who could log in.
        readable = all(item.peer and (item.ports or item.protocol == "icmp") for item in locked.allow)
        for host in members:
            if host.name not in world.managed:
                remedy = "name one of its groups in a zone, or leave it out"
                findings.error(locked.place, "hosts", host.name, "is in no zone, so it has no firewall to lock", remedy)
            elif readable and not _can_log_in(host, world):
                remedy = "allow one, such as {id: ssh, from: admins, port: 22}, from addresses of its families"
                findings.error(locked.place, "allow", host.name, "could accept no TCP connection to log in by", remedy)


def _can_log_in(host: Host, world: World) -> bool:
    return any(way.direction == "ingress" and way.protocol == "tcp" for way in management(host, world) or [])


def management(host: Host, world: World) -> list[Way] | None:
    """What *host* may open and accept besides SMTP, in order; None when it is not locked."""
    locks = [locked for locked in world.policy.lockdowns if locked.hosts in host.groups]
    return sorted(set(_ways(host, world, locks))) if locks else None


def _ways(host: Host, world: World, locks: Iterable[Lockdown]) -> Iterator[Way]:
    mine = frozenset(host.addresses)
    for locked in locks:
        for item in locked.allow:
            direction = "egress" if item.outgoing else "ingress"
            for peer in world.place(item.peer).blocks:
                for own in host.addresses:
                    if peer.version != own.version or peer in mine:
                        continue
                    ends = (own, peer) if item.outgoing else (peer, own)
                    for port in item.ports or (None,):
                        yield Way(item.id, direction, item.protocol, *ends, port)


def shown(ways: Iterable[Way], texts: Texts) -> list[dict[str, object]]:
    """The *ways* as plans hold them."""
    return [
        {
            "path": way.path,
            "direction": way.direction,
            "protocol": way.protocol,
            "source": texts[way.source],
            "destination": texts[way.destination],
            "port": way.port,
        }
        for way in ways
    ]
