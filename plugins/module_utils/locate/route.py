# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own answer to "which way?": next hop and interface, by rtnetlink(7)."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any, Dict, NamedTuple, Optional, Tuple

_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_GET_ROUTE = 26
_NEW_ROUTE = 24
_REQUEST = 1
_LOCAL = 2
_DESTINATION, _SOURCE, _INTERFACE, _GATEWAY, _VIA, _PROTOCOL, _PORT = 1, 2, 4, 5, 18, 27, 29


class Route(NamedTuple):
    """The next hop (None when the destination is on the link) and the name of the interface."""

    gateway: Optional[str]
    interface: Optional[str]
    local: bool = False
    """The destination is an address of this host."""


def is_own(address: str) -> bool:
    """Whether *address* is one of this host's."""
    route = route_to(socket.AF_INET6 if ":" in address else socket.AF_INET, address, None)
    return route is not None and route.local


def scope_of(address: Tuple[Any, ...]) -> int:
    """Return the index of the interface that a socket address names, 0 when it names none."""
    return int(address[3]) if len(address) > 3 else 0


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def _attributes(data: bytes) -> Dict[int, bytes]:
    found: Dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def parse(message: bytes) -> Optional[Route]:
    """Read the answer to a request for a route; None when the kernel refused it."""
    if len(message) < _HEADER.size + _ROUTE.size or _HEADER.unpack_from(message)[1] != _NEW_ROUTE:
        return None
    kind = _ROUTE.unpack_from(message, _HEADER.size)[7]
    fields = _attributes(message[_HEADER.size + _ROUTE.size :])
    gateway = None
    if _GATEWAY in fields:
        family = socket.AF_INET if len(fields[_GATEWAY]) == 4 else socket.AF_INET6
        gateway = socket.inet_ntop(family, fields[_GATEWAY])
    elif _VIA in fields and len(fields[_VIA]) == 18:
        gateway = socket.inet_ntop(socket.AF_INET6, fields[_VIA][2:])
    interface = None
    if _INTERFACE in fields:
        try:
            interface = socket.if_indextoname(struct.unpack("=I", fields[_INTERFACE])[0])
        except OSError:
            interface = None
    return Route(gateway, interface, kind == _LOCAL)


def route_to(
    family: int, destination: str, source: Optional[str], scope: int = 0, port: int = 0, udp: bool = False
) -> Optional[Route]:
    """Return the route to *destination*; None when there is none, or the kernel cannot be asked.

    *scope*: the index of the interface that a link-local address is on; other links may have the same address.
    *port*, *udp*: what is sent there, for rules of routing may look at that, too (Linux 4.18).
    """
    bits = 32 if family == socket.AF_INET else 128
    wanted = _attribute(_DESTINATION, socket.inet_pton(family, destination))
    if source is not None:
        wanted += _attribute(_SOURCE, socket.inet_pton(family, source))
    if scope:
        wanted += _attribute(_INTERFACE, struct.pack("=I", scope))
    if port:
        wanted += _attribute(_PROTOCOL, struct.pack("=B", socket.IPPROTO_UDP if udp else socket.IPPROTO_TCP))
        wanted += _attribute(_PORT, struct.pack("!H", port))
    body = _ROUTE.pack(family, bits, bits if source is not None else 0, 0, 0, 0, 0, 0, 0) + wanted
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.settimeout(1.0)
            sock.bind((0, 0))
            sock.send(_HEADER.pack(_HEADER.size + len(body), _GET_ROUTE, _REQUEST, 1, os.getpid()) + body)
            return parse(sock.recv(65536))
    except OSError:
        return None
