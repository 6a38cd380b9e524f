# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection of this host, with all that its kernel knows of it."""

from __future__ import annotations

import contextlib
import socket
from typing import Callable, List, Optional

from . import tcpinfo
from .icmp import IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE, IcmpError, parse
from .loop import Loop
from .seen import Tcp


def icmp_errors(sock: socket.socket) -> List[IcmpError]:
    """Take every ICMP error out of the error queue of *sock*."""
    found: List[IcmpError] = []
    while True:
        try:
            _data, ancillary, _flags, _address = sock.recvmsg(0, 512, MSG_ERRQUEUE)
        except OSError:
            return found
        for level, kind, data in ancillary:
            if (level, kind) in {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}:
                error = parse(data)
                if error is not None:
                    found.append(error)


class SocketLine:
    """A connection of this host."""

    __slots__ = ("_loop", "_sock", "_watched")

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._watched = False

    def own_name(self) -> str:
        """Return the address literal of this end."""
        own = self._sock.getsockname()[0].partition("%")[0]
        return f"[IPv6:{own}]" if ":" in own else f"[{own}]"

    def watch(self, write: bool, ready: Callable[[], None]) -> None:
        """Call *ready* on readiness, and on errors."""
        if self._watched:
            self._loop.rewatch(self._sock, write, ready)
        else:
            self._loop.watch(self._sock, False, ready)
            self._watched = True
            if write:
                self._loop.rewatch(self._sock, True, ready)

    def forget(self) -> None:
        """Call nobody any more."""
        if self._watched:
            self._loop.forget(self._sock)
            self._watched = False

    def receive(self) -> bytes:
        """Return what came."""
        return self._sock.recv(65536)

    def send(self, data: bytes) -> int:
        """Send what there is room for."""
        return self._sock.send(data)

    def broken(self) -> int:
        """Take the socket's pending error."""
        return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def errors(self) -> List[IcmpError]:
        """Take the socket's error queue."""
        return icmp_errors(self._sock)

    def tcp(self) -> Optional[Tcp]:
        """Read TCP_INFO."""
        return tcpinfo.as_evidence(tcpinfo.read(self._sock))

    def confirm(self, told: Callable[[Optional[str]], None]) -> None:
        """Nothing but this host carries it."""
        told(None)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._sock.close()
