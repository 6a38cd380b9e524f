# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listening sockets. The supervisor holds them, so that no queue of connections is lost with a worker."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.process.activation import Address

_BACKLOG = 1024


class Listeners:
    """One socket for each worker at each address; a socket that was passed to us is shared by all workers."""

    def __init__(self, workers: int, passed: Mapping[Address, socket.socket]) -> None:
        self._workers = workers
        self._passed = dict(passed)
        self._open: dict[Address, list[socket.socket]] = {}

    @property
    def addresses(self) -> list[Address]:
        return sorted(self._open)

    @property
    def unclaimed(self) -> list[Address]:
        """Sockets passed to us that no tunnel wants: whoever connects to them waits in vain."""
        return sorted(self._passed.keys() - self._open.keys())

    def open(self, wanted: Iterable[Address], file: Path) -> list[Address]:
        """Open what of `wanted` is not open yet; return that. Raises ConfigError, and nothing has changed then."""
        fresh: dict[Address, list[socket.socket]] = {}
        problems: list[Problem] = []
        for address in sorted(set(wanted) - self._open.keys()):
            try:
                fresh[address] = [self._passed[address]] if address in self._passed else self._bind(address)
            except OSError as error:
                remedy = "check that the address is this host's and the port is free and allowed"
                message = f"cannot listen: {error.strerror or error}"
                problems.append(Problem("$.tunnels", f"{address[0]}:{address[1]}", message, remedy))
        if problems:
            for address, sockets in fresh.items():
                self._close(address, sockets)
            raise ConfigError(str(file), problems)
        self._open |= fresh
        return list(fresh)

    def of_worker(self, index: int, wanted: Iterable[Address]) -> dict[Address, socket.socket]:
        """Return, in the worker `index`, the sockets that it accepts from, and close its copies of all others.

        A copy that stayed open would keep an address listening that everybody else has given up.
        """
        mine = {address: self._open[address][index % len(self._open[address])] for address in set(wanted)}
        self._close_but(set(mine.values()))
        return mine

    def forget(self) -> None:
        """Close, in a process that accepts nothing, its copies of every socket."""
        self._close_but(set())

    def _close_but(self, kept: set[socket.socket]) -> None:
        for opened in {*self._passed.values(), *(one for sockets in self._open.values() for one in sockets)} - kept:
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

    def _close(self, address: Address, sockets: list[socket.socket]) -> None:
        for opened in sockets:
            if opened is not self._passed.get(address):
                opened.close()

    def _bind(self, address: Address) -> list[socket.socket]:
        # A socket that shares its port is let in beside those of another service of ours; one that does not is refused.
        alone = _listener(address, shared=False)
        if self._workers == 1:
            return [alone]
        alone.close()
        with contextlib.ExitStack() as undo:
            sockets = [undo.enter_context(_listener(address, shared=True)) for _worker in range(self._workers)]
            undo.pop_all()
        return sockets


def _listener(address: Address, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except (OSError, OverflowError):
        opened.close()
        raise
    return opened
