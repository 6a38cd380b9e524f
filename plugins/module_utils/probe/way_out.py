# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which interface a connection leaves this host.

What this host itself accepts, as by a redirection of its own, comes in by the loopback. A socket that is bound to the
interface by which its SYNs leave does not hear it (socket(7), SO_BINDTODEVICE). It does hear the reset of a rule in
this host's output that lets that reset pass: the kernel routes it as if it had come by the socket's interface.
"""

from __future__ import annotations

import socket
from typing import NamedTuple, Optional

from ..locate.route import route_to, scope_of
from .model import Endpoint


class WayOut(NamedTuple):
    """The interface, when it is known and sockets can be bound to it; and whether the address is this host's own."""

    interface: Optional[str]
    own: bool


def can_bind() -> bool:
    """Whether this process may bind sockets to interfaces: anybody from Linux 5.7 on, root before."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    except OSError:
        return False
    return True


def way_out(endpoint: Endpoint, bound: bool) -> WayOut:
    """Return the way to *endpoint*; *bound*: sockets may be bound."""
    source = endpoint.source[0].partition("%")[0] if endpoint.source else None
    address, port = endpoint.address[0].partition("%")[0], endpoint.address[1]
    route = route_to(endpoint.family, address, source, scope_of(endpoint.address), port)
    if route is None:
        return WayOut(None, False)
    return WayOut(route.interface if bound and not route.local else None, route.local)
