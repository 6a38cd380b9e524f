# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to next hops between two messages, and which forwarding address comes next."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Final

from alertpath_tunnel.config.model import Config, ForwardingAddress
from alertpath_tunnel.net.runtime import NextHop
from alertpath_tunnel.net.strand import Strand
from alertpath_tunnel.net.upstream import Lost, Unavailable, UpstreamConnection, connect_one

_SETBACK: Final = 30  # seconds a forwarding address that failed is tried after the others


class Pool:
    """Shared by all sessions of a process. A connection is in nobody's hands but the taker's until it is given back."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # A connection holds its next hop, so the identity stays taken as long as an entry has one.
        self._idle: dict[int, deque[UpstreamConnection]] = {}
        self._failed: dict[ForwardingAddress, float] = {}
        self._turns: Counter[str] = Counter()
        self._parting = 0
        self._parted = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> int:
        """How many connections wait."""
        return sum(len(waiting) for waiting in self._idle.values())

    async def take(
        self, hop: NextHop, config: Config, fresh: bool = False, needed: frozenset[bytes] = frozenset()
    ) -> UpstreamConnection:
        """Return a connection that is ready for MAIL, a new one if `fresh`, to an address that has the extensions
        `needed`. Raises Unavailable.
        """
        if needed:
            fitting = None if fresh else self._fitting(hop, config, needed)
            return fitting or await self._connect(hop, config, needed)
        waiting = self._idle.get(id(hop), deque())
        while waiting and not fresh:
            connection = waiting.popleft() if hop.upstream.balance == "round_robin" else waiting.pop()
            if not waiting:
                del self._idle[id(hop)]
            if connection.usable and not connection.worn(config.limits.pool_messages, config.timeouts.pool_age):
                return connection
            self._part(connection)
        return await self._connect(hop, config, needed)

    def give(self, connection: UpstreamConnection, config: Config) -> None:
        """Take back a connection; one that is no longer of use is closed."""
        if not connection.usable:
            connection.abort()
            return
        if connection.owned:
            self._part(connection)
            return
        connection.given_back()
        waiting = self._idle.setdefault(id(connection.hop), deque())
        waiting.append(connection)
        if len(waiting) > config.limits.pool_connections:
            self._part(waiting.popleft())
        if self._sweep is None:
            self._sweep = self._loop.call_later(config.timeouts.pool_idle, self._expire, config.timeouts.pool_idle)

    async def close(self) -> None:
        """Part from every next hop."""
        if self._sweep:
            self._sweep.cancel()
        for waiting in self._idle.values():
            for connection in waiting:
                self._part(connection)
        self._idle.clear()
        while self._parting:
            self._parted.clear()
            await self._parted.wait()

    def _fitting(self, hop: NextHop, config: Config, needed: frozenset[bytes]) -> UpstreamConnection | None:
        waiting = self._idle.get(id(hop), deque())
        for connection in waiting:
            worn = connection.worn(config.limits.pool_messages, config.timeouts.pool_age)
            if connection.usable and not worn and connection.extensions.keys() >= needed:
                waiting.remove(connection)
                if not waiting:
                    del self._idle[id(hop)]
                return connection
        return None

    async def _connect(self, hop: NextHop, config: Config, needed: frozenset[bytes]) -> UpstreamConnection:
        reasons: list[str] = []
        for address in self._order(hop):
            try:
                connection = await connect_one(hop, address, config)
            except (Lost, OSError, TimeoutError) as error:
                self._failed[address] = self._loop.time() + _SETBACK
                reasons.append(f"{address.endpoint}: {str(error) or type(error).__name__}")
            else:
                self._failed.pop(address, None)
                lacks = needed.difference(connection.extensions)
                if not lacks:
                    return connection
                self.give(connection, config)
                words = b", ".join(sorted(lacks)).decode()
                reasons.append(f"{address.endpoint}: lacks {words}, of which the client was told")
        raise Unavailable("; ".join(reasons))

    def _order(self, hop: NextHop) -> list[ForwardingAddress]:
        """Return every forwarding address: in the order of the configuration or in turn, those that failed last."""
        addresses = list(hop.upstream.addresses)
        if hop.upstream.balance == "round_robin":
            turn = self._turns[hop.upstream.name] % len(addresses)
            self._turns[hop.upstream.name] += 1
            addresses = addresses[turn:] + addresses[:turn]
        now = self._loop.time()
        return sorted(addresses, key=lambda address: self._failed.get(address, 0.0) > now)

    def _expire(self, seconds: int) -> None:
        self._sweep = None
        oldest = self._loop.time() - seconds
        for key, waiting in list(self._idle.items()):
            for connection in [each for each in waiting if not each.usable or each.idle_since <= oldest]:
                waiting.remove(connection)
                self._part(connection)
            if not waiting:
                del self._idle[key]
        if self._idle:
            self._sweep = self._loop.call_later(seconds, self._expire, seconds)

    def _part(self, connection: UpstreamConnection) -> None:
        if not connection.usable:
            connection.abort()
            return
        self._parting += 1
        Strand(connection.quit(), self._has_parted)

    def _has_parted(self) -> None:
        self._parting -= 1
        self._parted.set()
