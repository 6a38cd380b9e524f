# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners and the life of the service: start, reload without dropping a session, drain."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from ipaddress import IPv6Address, ip_address

from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.net import proxy
from alertpath_tunnel.net.budget import Budget
from alertpath_tunnel.net.pool import Pool
from alertpath_tunnel.net.runtime import RunningTunnel, Runtime
from alertpath_tunnel.net.session import Session
from alertpath_tunnel.net.wire import Wire
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.smtp import tables
from alertpath_tunnel.smtp.reply import Reply

_BACKLOG = 512
Address = tuple[str, int]


class Server:
    """Owns the listening sockets and the sessions."""

    def __init__(self, runtime: Runtime, journal: Journal) -> None:
        self._runtime = runtime
        self._journal = journal
        self._budget = Budget(runtime.config.limits.bytes_in_flight)
        self._listeners: dict[Address, asyncio.Server] = {}
        self._tunnels: dict[Address, RunningTunnel] = {}
        self._pool = Pool()
        self._greeting: set[asyncio.Task[None]] = set()  # balancers whose PROXY header is awaited
        self._sessions: dict[asyncio.Task[None], tuple[Session, str]] = {}
        self._per_client: Counter[str] = Counter()

    @property
    def addresses(self) -> list[Address]:
        """Where the service listens."""
        return list(self._listeners)

    async def apply(self, runtime: Runtime) -> None:
        """Run by `runtime` from now on; sessions under way keep what they began with.

        Raises ConfigError when a socket cannot be had, and nothing has changed then.
        """
        wanted = {(ip, running.tunnel.port): running for running in runtime.tunnels for ip in running.tunnel.addresses}
        fresh: dict[Address, socket.socket] = {}
        try:
            for address in wanted.keys() - self._listeners.keys():
                fresh[address] = _listen(address, runtime)
        except ConfigError:
            for opened in fresh.values():
                opened.close()
            raise
        self._runtime = runtime
        self._budget.limit = runtime.config.limits.bytes_in_flight
        self._tunnels = wanted
        for address in self._listeners.keys() - wanted.keys():
            self._listeners.pop(address).close()
        loop = asyncio.get_running_loop()
        for address, opened in fresh.items():
            self._listeners[address] = await loop.create_server(
                lambda at=address: Wire(lambda wire: self._accept(wire, at)),  # type: ignore[misc]
                sock=opened,
                backlog=_BACKLOG,
            )

    async def drain(self, timeout: float) -> int:
        """Stop listening, let transactions end, and return how many sessions had to be broken off."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
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
        tunnel = self._tunnels.get(address)
        peer = wire.get_extra("peername")
        client = _plain(str(peer[0])) if isinstance(peer, tuple) else ""
        if tunnel is None or not client:
            wire.abort()
        elif any(ip_address(client) in network for network in tunnel.tunnel.proxy_protocol):
            wire.hold_reading()
            task = asyncio.get_running_loop().create_task(self._proxied(wire, tunnel, client))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)
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
        self._begin(wire, tunnel, _plain(client) if client else balancer)

    def _begin(self, wire: Wire, tunnel: RunningTunnel, client: str) -> None:
        limits = self._runtime.config.limits
        if not _allowed(tunnel, client):
            self._refuse(wire, tunnel, client, tables.NOT_ALLOWED)
        elif len(self._sessions) >= limits.connections or self._per_client[client] >= limits.connections_per_client:
            self._refuse(wire, tunnel, client, tables.TOO_MANY_CONNECTIONS)
        else:
            session = Session(wire, client, tunnel, self._runtime.config, self._budget, self._pool, self._journal)
            task = asyncio.get_running_loop().create_task(session.run())
            self._sessions[task] = (session, client)
            self._per_client[client] += 1
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        _session, client = self._sessions.pop(task)
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]

    def _refuse(self, wire: Wire, tunnel: RunningTunnel, client: str, reply: Reply) -> None:
        if tunnel.tunnel.tls.mode != "implicit":
            wire.send(reply.to_bytes())
        wire.close()
        record: dict[str, object] = {"event": "refused", "tunnel": tunnel.tunnel.name, "client_ip": client}
        self._journal.write({**record, "reply": reply.code, "reason": reply.lines[0].decode()})


def _allowed(tunnel: RunningTunnel, client: str) -> bool:
    address = ip_address(client)
    return any(address in network for network in tunnel.tunnel.clients)


def _plain(address: str) -> str:
    """Return an address without its scope, and an IPv4 address that is mapped into IPv6 as what it is."""
    found = ip_address(address.split("%", 1)[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def _listen(address: Address, runtime: Runtime) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
    except OSError as error:
        opened.close()
        remedy = "check that the address is this host's and the port is free and allowed"
        problem = Problem("$.tunnels", f"{address[0]}:{address[1]}", f"cannot listen: {error.strerror}", remedy)
        raise ConfigError(str(runtime.config.file), [problem]) from None
    return opened
