# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepts connections as bare sockets, from which something must be read before a transport may begin to."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

_AT_ONCE = 100  # connections before others get their turn
_REST = 1.0  # seconds without accepting when the system gives no more descriptors
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Hands each connection at `listener`, and its peer's address, to `accepted`."""

    def __init__(self, listener: socket.socket, accepted: Callable[[socket.socket, str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._accepted = accepted
        self._timer: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._begin()

    def close(self) -> None:
        """Accept nothing more; the listener is closed."""
        if self._timer:
            self._timer.cancel()
        else:
            self._loop.remove_reader(self._listener)
        self._listener.close()

    def _begin(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _turn in range(_AT_ONCE):
            try:
                opened, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._loop.remove_reader(self._listener)
                self._timer = self._loop.call_later(_REST, self._begin)
                return
            opened.setblocking(False)
            self._accepted(opened, str(address[0]))
