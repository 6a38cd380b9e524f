# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners and the life of the service: start, reload without dropping a session, drain."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections import Counter
from collections.abc import Mapping
from typing import Final

from alertpath_tunnel.net import proxy
from alertpath_tunnel.net.acceptor import Acceptor
from alertpath_tunnel.net.addresses import plain, within
from alertpath_tunnel.net.budget import Budget
from alertpath_tunnel.net.examiner import Examiner
from alertpath_tunnel.net.pool import Pool
from alertpath_tunnel.net.runtime import RunningTunnel, Runtime
from alertpath_tunnel.net.session import Session
from alertpath_tunnel.net.strand import Strand
from alertpath_tunnel.net.wire import Wire, protocol
from alertpath_tunnel.ops.board import Counters
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.smtp import tables
from alertpath_tunnel.smtp.reply import Reply

_BACKLOG: Final = 1024
Address = tuple[str, int]


class Server:
    """Accepts connections at sockets that are open already, and owns the sessions."""

    def __init__(self, runtime: Runtime, journal: Journal, counters: Counters) -> None:
        self._runtime = runtime
        self._journal = journal
        self._counters = counters
        config = runtime.config
        self._budget = Budget(config.limits.bytes_in_flight)
        self._examiner = Examiner(config.limits.bytes_in_flight, config.timeouts)
        self._pool = Pool()
        self._greeting: set[asyncio.Task[None]] = set()  # balancers whose PROXY header is awaited
        self._listeners: list[asyncio.Server | Acceptor] = []
        self._tunnels: dict[Address, RunningTunnel] = {
            (ip, running.tunnel.port): running for running in runtime.tunnels for ip in running.tunnel.addresses
        }
        self._sessions: dict[Session, Strand | None] = {}
        self._per_client: Counter[str] = Counter()
        self._retired = False
        self.empty = asyncio.Event()
        """Set when nothing is accepted any more and no session is left."""

    @property
    def bytes_in_flight(self) -> int:
        return self._budget.used

    async def start(self, sockets: Mapping[Address, socket.socket]) -> None:
        """Accept connections at `sockets`, whose addresses are those of the tunnels."""
        loop = asyncio.get_running_loop()
        for address, opened in sockets.items():
            if address not in self._tunnels:
                continue
            tunnel = self._tunnels[address]
            if tunnel.tunnel.proxy_protocol:
                self._listeners.append(Acceptor(opened, functools.partial(self._accept_balanced, tunnel)))
            else:
                accept = functools.partial(self._accept, tunnel)
                listener = await loop.create_server(functools.partial(protocol, accept), sock=opened, backlog=_BACKLOG)
                self._listeners.append(listener)

    def retire(self) -> None:
        """Accept nothing more; sessions under way go on to their end."""
        self._retired = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._look_whether_empty()

    async def drain(self, timeout: float) -> int:
        """Stop accepting, let transactions end, and return how many sessions had to be broken off."""
        self.retire()
        # Each of them may end at once.
        for session in list(self._sessions):
            session.drain()
        for greeting in self._greeting:
            greeting.cancel()
        await self._until_empty(timeout)
        late = list(self._sessions.values())
        for strand in late:
            if strand:
                strand.cancel()
        await self._until_empty(1)
        await self._pool.close()
        return len(late)

    async def _until_empty(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.empty.wait()

    def _accept(self, tunnel: RunningTunnel, wire: Wire) -> None:
        self._counters.add("connections")
        peer = wire.get_extra("peername")
        if isinstance(peer, tuple):
            self._begin(tunnel, plain(str(peer[0])), wire)
        else:
            wire.abort()

    def _accept_balanced(self, tunnel: RunningTunnel, opened: socket.socket, peer: str) -> None:
        self._counters.add("connections")
        task = asyncio.get_running_loop().create_task(self._balanced(tunnel, opened, plain(peer)))
        self._greeting.add(task)
        task.add_done_callback(self._greeted)

    async def _balanced(self, tunnel: RunningTunnel, opened: socket.socket, peer: str) -> None:
        """Begin the session of a client behind a balancer, or of one that came by itself."""
        client: str | None = None
        # Those whose header is awaited, this one among them, are connections, too.
        full = len(self._sessions) + len(self._greeting) > self._runtime.config.limits.connections
        try:
            if within(peer, tunnel.tunnel.proxy_protocol) and not full:
                client = await proxy.read_header(opened, self._runtime.config.timeouts.handshake)
            begin = functools.partial(
                self._turn_away if full else self._begin, tunnel, plain(client) if client else peer
            )
            await asyncio.get_running_loop().connect_accepted_socket(functools.partial(protocol, begin), opened)
        except (proxy.BadHeader, OSError, TimeoutError) as error:
            record: dict[str, object] = {"event": "refused", "tunnel": tunnel.tunnel.name, "client_ip": peer}
            self._journal.write({**record, "reason": str(error) or type(error).__name__})
            opened.close()
        except asyncio.CancelledError:
            opened.close()
            raise

    def _greeted(self, task: asyncio.Task[None]) -> None:
        self._greeting.discard(task)
        self._look_whether_empty()

    def _begin(self, tunnel: RunningTunnel, client: str, wire: Wire) -> None:
        limits = self._runtime.config.limits
        if not within(client, tunnel.tunnel.clients):
            self._refuse(wire, tunnel, client, tables.NOT_ALLOWED)
        elif len(self._sessions) >= limits.connections or self._per_client[client] >= limits.connections_per_client:
            self._turn_away(tunnel, client, wire)
        else:
            session = Session(
                wire, client, tunnel, self._runtime.config, self._budget, self._examiner, self._pool, self._journal
            )
            self._per_client[client] += 1
            # Known before it runs: it may end at once.
            self._sessions[session] = None
            self._counters.put("sessions", len(self._sessions))
            strand = Strand(session.run(), lambda: self._finished(session, client))
            if session in self._sessions:
                self._sessions[session] = strand

    def _turn_away(self, tunnel: RunningTunnel, client: str, wire: Wire) -> None:
        self._refuse(wire, tunnel, client, tables.TOO_MANY_CONNECTIONS)

    def _finished(self, session: Session, client: str) -> None:
        del self._sessions[session]
        self._counters.put("sessions", len(self._sessions))
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]
        self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        if self._retired and not self._sessions and not self._greeting:
            self.empty.set()

    def _refuse(self, wire: Wire, tunnel: RunningTunnel, client: str, reply: Reply) -> None:
        record: dict[str, object] = {"event": "refused", "tunnel": tunnel.tunnel.name, "client_ip": client}
        self._journal.write({**record, "reply": reply.code, "reason": reply.lines[0].decode()})
        if tunnel.tunnel.tls.mode != "implicit":
            with contextlib.suppress(ConnectionError):
                wire.send(reply.octets)
        wire.close()
