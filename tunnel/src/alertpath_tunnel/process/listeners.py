# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listening sockets. The supervisor holds them, so that no queue of connections is lost with a worker.

All workers accept from the same socket, one for each address: whichever has time takes the next connection. Sockets of
their own (SO_REUSEPORT) would give each a fixed share, and let connections wait for a worker that is busy.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.process.activation import Address

_BACKLOG = 1024


class Listeners:
    """One socket for each address, opened by us or passed to us."""

    def __init__(self, passed: Mapping[Address, socket.socket]) -> None:
        self._passed = dict(passed)
        self._open: dict[Address, socket.socket] = {}

    @property
    def addresses(self) -> list[Address]:
        return sorted(self._open)

    @property
    def unclaimed(self) -> list[Address]:
        """Sockets passed to us that no tunnel wants: whoever connects to them waits in vain."""
        return sorted(self._passed.keys() - self._open.keys())

    def open(self, wanted: Iterable[Address], file: Path) -> list[Address]:
        """Open what of `wanted` is not open yet; return that. Raises ConfigError, and nothing has changed then."""
        fresh: dict[Address, socket.socket] = {}
        problems: list[Problem] = []
        for address in sorted(set(wanted) - self._open.keys()):
            try:
                fresh[address] = self._passed.get(address) or _listener(address)
            except OSError as error:
                remedy = "check that the address is this host's and the port is free and allowed"
                message = f"cannot listen: {error.strerror or error}"
                problems.append(Problem("$.tunnels", f"{address[0]}:{address[1]}", message, remedy))
        if problems:
            for address, opened in fresh.items():
                self._close(address, opened)
            raise ConfigError(str(file), problems)
        self._open |= fresh
        return list(fresh)

    def of_worker(self, wanted: Iterable[Address]) -> dict[Address, socket.socket]:
        """Return, in a worker, the sockets that it accepts from, and close its copies of all others.

        A copy that stayed open would keep an address listening that everybody else has given up.
        """
        mine = {address: self._open[address] for address in set(wanted)}
        self._close_but(set(mine.values()))
        return mine

    def forget(self) -> None:
        """Close, in a process that accepts nothing, its copies of every socket."""
        self._close_but(set())

    def _close_but(self, kept: set[socket.socket]) -> None:
        for opened in {*self._passed.values(), *self._open.values()} - kept:
            opened.close()

    def keep_only(self, wanted: Iterable[Address]) -> None:
        """Close every address but `wanted`; passed sockets stay for later."""
        for address in self._open.keys() - set(wanted):
            self._close(address, self._open.pop(address))

    def close(self) -> None:
        """Close everything this process holds. What the service manager holds goes on collecting connections."""
        self.keep_only(())
        for passed in self._passed.values():
            passed.close()
        self._passed.clear()

    def _close(self, address: Address, opened: socket.socket) -> None:
        if opened is not self._passed.get(address):
            opened.close()


def _listener(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except (OSError, OverflowError):
        opened.close()
        raise
    return opened
