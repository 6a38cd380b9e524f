# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's interfaces and routes say: its own addresses, and types of addresses. Pure."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence, Tuple

from .addresses import Own, prefix, spans_of
from .model import TOP, Interface, Loaded
from .routes import Routes
from .spans import Span, Spans, invert, join, normal

_LOOPBACK = {4: (127 << 24, (128 << 24) - 1), 6: (1, 1)}
MULTICAST: Dict[int, Spans] = {
    4: ((0xE0000000, 0xEFFFFFFF),),
    6: ((0xFF << 120, (1 << 128) - 1),),
}
# inet_dev_addr_type in the kernel's fib_frontend.c: network zero counts as broadcast.
_ALWAYS_BROADCAST: Dict[int, Tuple[Span, ...]] = {4: ((0, (1 << 24) - 1), (TOP[4], TOP[4])), 6: ()}


class Facts:
    """What is known of a host besides its rules."""

    def __init__(self, loaded: Loaded) -> None:
        self.interfaces: Tuple[Interface, ...] = tuple(loaded.interfaces)
        self.routes = Routes(loaded)
        routes = json.loads(loaded.routes) if loaded.routes.strip() else []
        self.own = {version: _own(version, self.interfaces, routes) for version in (4, 6)}

    def by_index(self, index: int) -> str:
        """Return the name of the interface with that *index*, empty when there is none."""
        for interface in self.interfaces:
            if interface.ifindex == index:
                return interface.name
        return ""

    def addresses(self, version: int, name: str = "") -> List[Spans]:
        """Return each address of the interface *name*, or of all, in the order in which the kernel keeps them."""
        return [
            (span,)
            for interface in self.interfaces
            if not name or interface.name == name
            for span in spans_of(version, interface.addresses)
        ]

    def of_type(self, version: int, name: str) -> Tuple[Spans, Spans]:
        """Return the addresses that the kernel's `fib ... type` calls *name*: those it surely does, and those it may
        besides. A type that is not known: none, and all."""
        own = self.own[version]
        everything: Spans = ((0, TOP[version]),)
        if not own.known:
            return (MULTICAST[version], ()) if name == "multicast" else ((), everything)
        if name == "local":
            return own.local, ()
        if name == "multicast":
            return MULTICAST[version], ()
        if name == "broadcast":
            return own.broadcast, ()
        if name == "unicast":
            rest = invert(join(join(own.local, own.broadcast), MULTICAST[version]), TOP[version])
            # For IPv6 the kernel asks all routes, and an address may have none.
            return (rest, ()) if version == 4 else ((), rest)
        if version == 4:
            return (), ()
        return (), invert(join(own.local, MULTICAST[version]), TOP[version])


def _own(version: int, interfaces: Sequence[Interface], routes: Sequence[Any]) -> Own:
    local: List[Span] = [_LOOPBACK[version]]
    broadcast: List[Span] = list(_ALWAYS_BROADCAST[version])
    for interface in interfaces:
        local += spans_of(version, interface.addresses)
        if version == 4 and interface.kind != "loopback":
            broadcast += _edges(interface.addresses)
    for route in routes:
        # inet_dev_addr_type in the kernel looks at this one table only.
        if route.get("type") in ("local", "broadcast") and route.get("table") in ("local", "255"):
            base, _slash, length = route["dst"].partition("/")
            family, span = prefix(base, int(length) if length else (128 if ":" in base else 32))
            if family == version:
                (local if route["type"] == "local" else broadcast).append(span)
    return Own(normal(local), normal(broadcast), bool(interfaces))


def _edges(addresses: Sequence[str]) -> List[Span]:
    """The directed broadcast address of each network (RFC 919)."""
    found = []
    for text in addresses:
        base, _slash, length = text.partition("/")
        if ":" not in base and length.isdigit() and int(length) < 31:
            last = prefix(base, int(length))[1][1]
            found.append((last, last))
    return found
