# SPDX-License-Identifier: GPL-3.0-or-later
"""A small world in which random rules and random packets meet often: its devices, addresses and ports."""

from __future__ import annotations

import ipaddress
import random
from typing import NamedTuple

DEVICES = ("lan0", "lan1", "wan0", "dmz7")
LOOSE = 77
"""The routing table and the mark of packets that a transparent proxy takes."""
PROXY = 8025
"""The port of the transparent proxy."""
PORTS = (24, 25, 26, 465, 587, 588, 2525)
LOCAL, REMOTE = "local", "remote"
BASES = {
    (4, LOCAL): int(ipaddress.ip_address("10.8.0.0")),
    (4, REMOTE): int(ipaddress.ip_address("10.9.0.0")),
    (6, LOCAL): int(ipaddress.ip_address("fd08::")),
    (6, REMOTE): int(ipaddress.ip_address("fd09::")),
}
SIZE = 16
"""How many addresses rules draw on, in each of the four places."""
OWN = range(1, 9)
"""The host's own addresses among the local ones; what lies around them is routed to the last device but one."""


class Point(NamedTuple):
    """The first packet of a connection: where it comes from, where it goes, and over which devices."""

    direction: str
    source: str
    destination: str
    port: int
    iif: str | None
    oif: str | None

    @property
    def version(self) -> int:
        return 6 if ":" in self.source else 4

    def __str__(self) -> str:
        over = " ".join(f"{name} {value}" for name, value in (("iif", self.iif), ("oif", self.oif)) if value)
        return f"{self.direction} {self.source} -> {self.destination} port {self.port} ({over})"


def address(version: int, place: str, offset: int) -> str:
    number = BASES[version, place] + offset
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))


def own(version: int, device: str | None = None) -> list[str]:
    """The host's own addresses, two on each device."""
    first = 1 if device is None else 1 + 2 * DEVICES.index(device)
    return [address(version, LOCAL, offset) for offset in OWN if device is None or first <= offset < first + 2]


def behind(offset: int) -> str:
    """The device over which the remote address *offset* is reached."""
    return DEVICES[offset // (SIZE // len(DEVICES))]


def point(rng: random.Random, directions: tuple[str, ...] = ("egress", "ingress", "forward")) -> Point:
    """Draw a point of the world."""
    direction, version, port = rng.choice(directions), rng.choice((4, 6)), rng.choice(PORTS)
    far, near = rng.randrange(SIZE), rng.choice(OWN)
    if direction == "egress":
        return Point(direction, address(version, LOCAL, near), address(version, REMOTE, far), port, None, behind(far))
    iif = rng.choice(DEVICES)
    if direction == "ingress":
        return Point(direction, address(version, REMOTE, far), address(version, LOCAL, near), port, iif, None)
    to = rng.randrange(SIZE)
    return Point(direction, address(version, REMOTE, far), address(version, REMOTE, to), port, iif, behind(to))
