# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which interfaces packets of a network come and go, as the host's routes say. Pure."""

from __future__ import annotations

import json
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

from .addresses import prefix
from .model import MARK_TOP, TOP, WIDTH, Loaded
from .spans import Span, Spans, join, minus, normal

# What `ip rule` shows when nobody added any.
_USUAL_TABLES = ("local", "main", "default", "255", "254", "253")
_RULE_KEYS = {"priority", "src", "table", "protocol", "fwmark", "fwmask"}
_DEVICELESS = ("blackhole", "unreachable", "prohibit", "throw", "local", "broadcast", "anycast", "multicast")
_NO_SOURCES: Dict[int, Spans] = {4: ((0xE0000000, TOP[4]),), 6: ((0xFF << 120, TOP[6]),)}


class Way(NamedTuple):
    """One route: the addresses it is for, the length of its prefix, its interfaces."""

    span: Span
    length: int
    devices: FrozenSet[str]


class Routes:
    """The routes of a host. Where they are not known, or depend on more than the address, every answer is None."""

    def __init__(self, loaded: Loaded) -> None:
        self._ways: Dict[int, List[Way]] = {4: [], 6: []}
        self._own: Dict[int, List[Span]] = {4: [(0, (1 << 24) - 1)], 6: [(0, 1)]}
        self._marks = _marks(loaded.rules) if loaded.routes.strip() else None
        self.known = self.usual((0, MARK_TOP))
        if self.known:
            for route in json.loads(loaded.routes):
                version, way = _way(route)
                if route.get("type") == "local" and route.get("table") in ("local", "255"):
                    family, span = _span(str(route["dst"]))
                    self._own[family].append(span)
                if way is not None and route.get("table", "main") in ("main", "254"):
                    self._ways[version].append(way)

    def usual(self, mark: Tuple[int, int]) -> bool:
        """Whether a packet with that *mark*, of which the bits in the second number are known, surely goes by these."""
        value, known = mark
        return self._marks is not None and all((value ^ other) & mask & known for other, mask in self._marks)

    def devices(self, version: int, span: Span) -> Optional[FrozenSet[str]]:
        """Return the interfaces towards the addresses *span*, None when that is not known."""
        if not self.known:
            return None
        first, last = span
        inside = [way for way in self._ways[version] if way.span[0] <= last and way.span[1] >= first]
        around = [way for way in inside if way.span[0] <= first and way.span[1] >= last]
        longest = max((way.length for way in around), default=-1)
        found = {device for way in inside if way.length >= longest for device in way.devices}
        return frozenset(found) or None

    def back(self, version: int, device: str) -> Tuple[Spans, Spans]:
        """Return the sources that the kernel's reverse path check (fib saddr . iif oif) takes for right when they come
        in by *device*: surely, and perhaps."""
        everything: Spans = ((0, TOP[version]),)
        if not self.known:
            return (), everything
        ways = sorted(self._ways[version], key=lambda way: way.length)
        right: Spans = ()
        if version == 6:
            # For IPv6 the kernel looks among the routes of that interface (RT6_LOOKUP_F_IFACE in nft_fib_ipv6.c).
            right = normal(way.span for way in ways if device in way.devices)
        else:
            for way in ways:
                span = (way.span,)
                right = join(right, span) if device in way.devices else minus(right, span)
        # Its own addresses as sources, and none at all: cases apart.
        unclear = join(normal(self._own[version]), _NO_SOURCES[version])
        return minus(right, unclear), unclear


def _marks(rules: str) -> Optional[List[Tuple[int, int]]]:
    """The marks (value, mask) that lead to other tables than the usual; None when rules ask for more than marks."""
    items: List[Dict[str, Any]] = json.loads(rules) if rules.strip() else []
    found = []
    for item in items:
        if item.get("src", "all") != "all" or not _RULE_KEYS.issuperset(item):
            return None
        if "fwmark" in item:
            found.append((int(str(item["fwmark"]), 0), int(str(item.get("fwmask", "0xffffffff")), 0)))
        elif str(item.get("table", "")) not in _USUAL_TABLES:
            return None
    return found if items else None


def _way(route: Dict[str, Any]) -> Tuple[int, Optional[Way]]:
    if route.get("type") in _DEVICELESS:
        return 4, None
    devices = frozenset(
        str(hop["dev"]) for hop in [route, *route.get("nexthops", ())] if isinstance(hop, dict) and hop.get("dev")
    )
    target = str(route.get("dst", ""))
    if target == "default":
        version = 6 if route.get("family") == "inet6" or ":" in str(route.get("gateway", "")) else 4
        return version, Way((0, TOP[version]), 0, devices)
    version, span = _span(target)
    return version, Way(span, WIDTH[version] - (span[1] - span[0]).bit_length(), devices)


def _span(target: str) -> Tuple[int, Span]:
    base, _slash, length = target.partition("/")
    return prefix(base, int(length) if length else WIDTH[6 if ":" in base else 4])
