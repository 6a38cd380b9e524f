# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lockdown: everything is denied in both directions but SMTP's own paths and declared management paths. Pure.

Answers of TCP are told by their flags, not by connection tracking: a first rule that tracks connections knows none of
those that are open, and would freeze the session that loads it. UDP has no flags; an answer passes only to a query the
kernel has seen.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from . import maps
from .hooks import loopback
from .management import DIRECTIONS, PROTOCOLS, Management

_OPPOSITE = {"ingress": "egress", "egress": "ingress"}
_FAMILIES = {4: "ip", 6: "ip6"}
_TYPES = {4: "icmp", 6: "icmpv6"}

# Without these no address is found, no route learned and no path's packet size: RFC 4890 section 4.4.1, and for IPv4
# the errors of RFC 792.
_NEEDED = [
    "\tchain needed {",
    "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
    "\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
    "\t\ticmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert,"
    " ind-neighbor-solicit, ind-neighbor-advert } ip6 hoplimit 255 accept",
    "\t\ticmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
    "\t\tmeta l4proto { icmp, ipv6-icmp } ct state established accept",
    # A reset opens nothing and carries nothing; by it a denied connection is told so.
    "\t\ttcp flags & (syn | rst) == rst accept",
    "\t}",
]


def tables(management: Sequence[Management]) -> Dict[Tuple[str, str], List[maps.VerdictMap]]:
    """Return the verdict maps of each direction and protocol that has any."""
    found = {}
    for direction in DIRECTIONS:
        for protocol in PROTOCOLS:
            rules = [item.rule for item in management if (item.direction, item.protocol) == (direction, protocol)]
            if rules:
                found[direction, protocol] = maps.build(f"manage_{direction}_{protocol}", rules)
    return found


def map_type(protocol: str, version: int) -> str:
    """Return the name of nft's type for the last part of the key of a map of *protocol*."""
    return {4: "icmp_type", 6: "icmpv6_type"}[version] if protocol == "icmp" else "inet_service"


def chains(
    managed: Mapping[Tuple[str, str], List[maps.VerdictMap]],
    smtp: Mapping[str, List[maps.VerdictMap]],
    denials: Mapping[str, List[str]],
) -> List[str]:
    """Return the chains of both directions, for *managed* as tables gives it.

    *smtp* are the maps of SMTP's paths by direction, whose answers must pass; *denials* the lines by which each
    direction denies the rest.
    """
    lines = list(_NEEDED)
    for direction in DIRECTIONS:
        opposite = _OPPOSITE[direction]
        back = [*smtp[opposite], *managed.get((opposite, "tcp"), [])]
        lines += [f"\tchain answers_{direction} {{", *(_lookup("tcp", found, forth=False) for found in back), "\t}"]
        lines += [f"\tchain locked_{direction} {{", *loopback(direction), "\t\tjump needed"]
        for protocol in PROTOCOLS:
            lines += [_lookup(protocol, found, forth=True) for found in managed.get((direction, protocol), [])]
        for found in managed.get((opposite, "udp"), []):
            lines.append("\t\tct state established " + _lookup("udp", found, forth=False).lstrip())
        lines += [f"\t\ttcp flags & (syn | ack) != syn jump answers_{direction}", *denials[direction], "\t}"]
    return lines


def _lookup(protocol: str, verdicts: maps.VerdictMap, forth: bool) -> str:
    family = _FAMILIES[verdicts.version]
    port = "dport" if forth else "sport"
    last = f"{_TYPES[verdicts.version]} type" if protocol == "icmp" else f"{protocol} {port}"
    ends = ("saddr", "daddr") if forth else ("daddr", "saddr")
    return f"\t\t{family} {ends[0]} . {family} {ends[1]} . {last} vmap @{verdicts.name}"
