# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners and the life of the service: start, reload without dropping a session, drain."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Mapping

from alertpath_tunnel.net import proxy
from alertpath_tunnel.net.addresses import plain, within
from alertpath_tunnel.net.budget import Budget
from alertpath_tunnel.net.pool import Pool
from alertpath_tunnel.net.runtime import RunningTunnel, Runtime
from alertpath_tunnel.net.session import Session
from alertpath_tunnel.net.wire import Wire
from alertpath_tunnel.ops.board import Counters
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.smtp import tables
from alertpath_tunnel.smtp.reply import Reply

_BACKLOG = 1024
Address = tuple[str, int]


class Server:
    """Accepts connections at sockets that are open already, and owns the sessions."""

    def __init__(self, runtime: Runtime, journal: Journal, counters: Counters) -> None:
        self._runtime = runtime
        self._journal = journal
        self._counters = counters
        self._budget = Budget(runtime.config.limits.bytes_in_flight)
        self._pool = Pool()
        self._greeting: set[asyncio.Task[None]] = set()  # balancers whose PROXY header is awaited
        self._listeners: list[asyncio.Server] = []
        self._tunnels: dict[Address, RunningTunnel] = {
            (ip, running.tunnel.port): running for running in runtime.tunnels for ip in running.tunnel.addresses
        }
        self._sessions: dict[asyncio.Task[None], tuple[Session, str]] = {}
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
            if address in self._tunnels:
                listener = await loop.create_server(
                    lambda at=address: Wire(lambda wire: self._accept(wire, at)),  # type: ignore[misc]
                    sock=opened,
                    backlog=_BACKLOG,
                )
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
        for session, _client in self._sessions.values():
            session.drain()
        for greeting in self._greeting:
            greeting.cancel()
        tasks = set(self._sessions)
        late: set[asyncio.Task[None]] = set()
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)
        await self._pool.close()
        return len(late)

    def _accept(self, wire: Wire, address: Address) -> None:
        tunnel = self._tunnels[address]
        peer = wire.get_extra("peername")
        client = plain(str(peer[0])) if isinstance(peer, tuple) else ""
        self._counters.add("connections")
        if not client:
            wire.abort()
        elif within(client, tunnel.tunnel.proxy_protocol):
            wire.hold_reading()
            task = asyncio.get_running_loop().create_task(self._proxied(wire, tunnel, client))
            self._greeting.add(task)
            task.add_done_callback(self._greeted)
        else:
            self._begin(wire, tunnel, client)

    async def _proxied(self, wire: Wire, tunnel: RunningTunnel, balancer: str) -> None:
        try:
            client = await proxy.read_header(wire, self._runtime.config.timeouts.handshake)
        except (proxy.BadHeader, OSError, TimeoutError) as error:
            wire.abort()
            record: dict[str, object] = {"event": "refused", "tunnel": tunnel.tunnel.name, "client_ip": balancer}
            self._journal.write({**record, "reason": str(error) or type(error).__name__})
            return
        wire.release_reading()
        self._begin(wire, tunnel, plain(client) if client else balancer)

    def _greeted(self, task: asyncio.Task[None]) -> None:
        self._greeting.discard(task)
        self._look_whether_empty()

    def _begin(self, wire: Wire, tunnel: RunningTunnel, client: str) -> None:
        limits = self._runtime.config.limits
        if not within(client, tunnel.tunnel.clients):
            self._refuse(wire, tunnel, client, tables.NOT_ALLOWED)
        elif len(self._sessions) >= limits.connections or self._per_client[client] >= limits.connections_per_client:
            self._refuse(wire, tunnel, client, tables.TOO_MANY_CONNECTIONS)
        else:
            session = Session(wire, client, tunnel, self._runtime.config, self._budget, self._pool, self._journal)
            task = asyncio.get_running_loop().create_task(session.run())
            self._sessions[task] = (session, client)
            self._per_client[client] += 1
            self._counters.put("sessions", len(self._sessions))
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        _session, client = self._sessions.pop(task)
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
            wire.send(reply.to_bytes())
        wire.close()
