# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread, many sockets: readiness callbacks, timers, and a budget of file descriptors."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import resource
import selectors
import socket
import time
from collections import deque
from typing import Callable, Deque, List, Optional, Protocol, Tuple

_SPARE = 64
_AT_MOST = 8192


class Timer:
    """A callback that is due once; `cancel` takes it back."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Optional[Callable[[], None]] = callback

    def cancel(self) -> None:
        """Take it back."""
        self.callback = None


class HasDescriptor(Protocol):
    """What can be waited for."""

    def fileno(self) -> int:
        """Return the file descriptor that becomes ready."""


class Door:
    """Lets other threads have something called in the loop's own."""

    def __init__(self) -> None:
        self.inside, self._outside = socket.socketpair()
        self.inside.setblocking(False)
        self._outside.setblocking(False)
        self._waiting: Deque[Callable[[], None]] = deque()

    def call(self, callback: Callable[[], None]) -> None:
        """Have *callback* called in the loop, from any thread. After the loop's end, nothing happens."""
        self._waiting.append(callback)
        with contextlib.suppress(OSError):  # full: it has been rung often enough; closed: nobody is there
            self._outside.send(b"\0")

    def let_in(self) -> None:
        """Call what waits."""
        with contextlib.suppress(BlockingIOError):
            while self.inside.recv(4096):
                pass
        while self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Let nobody in any more."""
        self.inside.close()
        self._outside.close()


class Loop:
    """Calls back when sockets are ready and when timers are due, until nothing is left to wait for."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: List[Tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._door: Optional[Door] = None

    @staticmethod
    def now() -> float:
        """Seconds on a clock that never jumps."""
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once in *seconds*."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.now() + seconds, next(self._order), timer))
        return timer

    def watch(self, sock: HasDescriptor, write: bool, callback: Callable[[], None]) -> None:
        """Call back whenever *sock* can be written (*write*) or else read, and on its errors."""
        self._selector.register(sock, selectors.EVENT_WRITE if write else selectors.EVENT_READ, callback)

    def rewatch(self, sock: HasDescriptor, write: bool, callback: Callable[[], None]) -> None:
        """Change what a watched socket is watched for; *write* adds writing to reading."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        self._selector.modify(sock, events, callback)

    def forget(self, sock: HasDescriptor) -> None:
        """Watch *sock* no more."""
        self._selector.unregister(sock)

    def door(self) -> Door:
        """Return the way in for other threads. It keeps no loop running."""
        if self._door is None:
            self._door = Door()
            self._selector.register(self._door.inside, selectors.EVENT_READ, self._door.let_in)
        return self._door

    def run(self) -> None:
        """Run until no timer and no socket is left."""
        while True:
            while self._timers and self._timers[0][2].callback is None:
                heapq.heappop(self._timers)
            if not self._timers and len(self._selector.get_map()) == (self._door is not None):
                return
            wait = max(self._timers[0][0] - self.now(), 0.0) if self._timers else None
            for key, _events in self._selector.select(wait):
                if self._selector.get_map().get(key.fd) is key:  # an earlier callback may have closed it
                    key.data()
            self._run_timers()

    def _run_timers(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                timer.callback()

    def close(self) -> None:
        """Give the descriptors back."""
        self._selector.close()
        if self._door is not None:
            self._door.close()


def descriptor_budget() -> int:
    """Raise the soft limit of open files as far as is of use; return how many sockets may be open at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    useful = _AT_MOST + _SPARE
    wanted = useful if hard == resource.RLIM_INFINITY else min(hard, useful)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted - _SPARE, 8)
