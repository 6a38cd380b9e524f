# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection, tried with several fresh SYNs, so that a lost packet is not mistaken for a firewall.

The kernel repeats a SYN only after a second; fresh sockets need not wait that long. The first answer decides.
"""

from __future__ import annotations

import errno
import socket
from typing import List, Optional

from ..locate.route import is_own, scope_of
from .classify import EXHAUSTED, from_errno, from_icmp, from_silence
from .icmp import IP_RECVERR, IPV6_RECVERR, IcmpError
from .lines import Dialled, Schedule
from .loop import Loop, Timer, descriptor_budget
from .model import OPEN, Endpoint, Evidence, Finding
from .socket_line import SocketLine, icmp_errors
from .tcpinfo import never_left, read

_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: several sockets may then share a local port


class Connector:
    """Tries one endpoint and reports once: a finding, and the line when it is open."""

    __slots__ = ("_done", "_endpoint", "_failure", "_loop", "_schedule", "_sent", "_sockets", "_timer")

    def __init__(
        self,
        loop: Loop,
        endpoint: Endpoint,
        schedule: Schedule,
        done: Dialled,
    ) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._schedule = schedule
        self._done = done
        self._sockets: List[socket.socket] = []
        self._failure: Optional[Finding] = None
        self._sent = 0
        self._timer: Optional[Timer] = None

    def start(self) -> None:
        """Send the first SYN. The report may come before this returns."""
        self._send()

    def _send(self) -> None:
        self._sent += 1
        finding = self._try_once()
        if finding is not None:
            self._finish(finding, None)
            return
        last = self._sent >= self._schedule.attempts
        wait = self._schedule.rest if last else self._schedule.interval
        self._timer = self._loop.call_later(wait, self._silent if last else self._send)

    def _try_once(self) -> Optional[Finding]:
        """Send one SYN; a finding when the host itself already knows the answer."""
        v6 = self._endpoint.family == socket.AF_INET6
        source = self._endpoint.source
        sock = None
        unbound: Optional[str] = None
        try:
            sock = socket.socket(self._endpoint.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            if v6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            if self._endpoint.interface is not None:
                name = self._endpoint.interface.encode()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
            if source is not None:
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
                unbound = source[0]
                sock.bind(source)
                unbound = None
            code = sock.connect_ex(self._endpoint.address)
        except OSError as error:
            code = error.errno or errno.EIO
        if sock is not None and code in (0, errno.EINPROGRESS):
            self._sockets.append(sock)
            self._loop.watch(sock, True, lambda: self._ready(sock))
            return None
        said = icmp_errors(sock) if sock is not None else []
        finding = self._first_decisive(said, None) or from_errno(code, True, unbound)
        if sock is not None:
            sock.close()
        if code in EXHAUSTED:  # an earlier SYN may still be answered, a later one may find room
            self._failure = finding
            return None
        return finding

    def _first_decisive(self, errors: List[IcmpError], own_address: Optional[str]) -> Optional[Finding]:
        for error in errors:
            # Linux speaks of a connection from a second address of a network by the first one.
            own = error.device == own_address or is_own(error.device)
            finding = from_icmp(error, error.device if own else own_address)
            if finding is not None:
                return finding
        return None

    def _ready(self, sock: socket.socket) -> None:
        own = sock.getsockname()[0]
        finding = self._first_decisive(icmp_errors(sock), own)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if finding is None and code:
            finding = from_errno(code, False)
        if finding is not None:
            self._finish(finding, None)
            return
        try:
            sock.getpeername()
        except OSError:
            return  # only the error queue spoke, of nothing that ends the attempt
        self._sockets.remove(sock)
        self._loop.forget(sock)
        self._finish(Finding(OPEN, Evidence("connected")), sock)

    def _silent(self) -> None:
        # A SYN that could not be sent leaves too few to call it silence.
        # Sending to a link-local neighbour that is not found fails as well, and TCP is told nothing of it.
        swallowed = not scope_of(self._endpoint.address) and never_left(read(sock) for sock in self._sockets)
        self._finish(self._failure or from_silence(self._sent, self._schedule.window, swallowed), None)

    def _finish(self, finding: Finding, sock: Optional[socket.socket]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for other in self._sockets:
            self._loop.forget(other)
            other.close()
        self._sockets = []
        self._done(finding, None if sock is None else SocketLine(self._loop, sock))


class Sockets:
    """Dials from this host."""

    attempts = 6
    patient_attempts = 7

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.room = descriptor_budget()

    def dial(self, endpoint: Endpoint, schedule: Schedule, done: Dialled) -> None:
        """Try *endpoint*; what is under way is held by the loop."""
        Connector(self._loop, endpoint, schedule, done).start()

    def close(self) -> None:
        """Nothing is held here."""
