# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the rules on messages: a small one at once, large ones beside the event loop and few at a time."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from alertpath_tunnel.config.model import Timeouts
from alertpath_tunnel.rules.message import Outcome
from alertpath_tunnel.smtp import tables

# Above this size a message is examined beside the event loop, so that others do not wait for it.
_LARGE: Final = 64 * 1024
# A message has about four copies while it is examined: its texts, and they decoded. Only this part of all octets in
# flight is examined at the same time; more threads would not make it faster, since Python runs one of them at a time.
_PART: Final = 4
# As many as asyncio itself would begin.
_THREADS: Final = min(32, (os.cpu_count() or 1) + 4)

Process = Callable[[bytes], Outcome]


class Examiner:
    """First come, first served; a message larger than all that may be examined at a time is examined alone."""

    def __init__(self, bytes_in_flight: int, timeouts: Timeouts) -> None:
        self._limit = bytes_in_flight // _PART
        self._timeouts = timeouts
        # Its own: a worker that has parted from its sessions does not wait for a message that nobody waits for.
        self._threads = ThreadPoolExecutor(_THREADS, "examiner")
        self._busy = 0  # messages that are examined now
        self._octets = 0  # of them
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def examine(self, process: Process, content: bytes) -> Outcome:
        """Return what `process` makes of `content`, or a refusal when its turn or its end does not come in time."""
        if len(content) <= _LARGE:
            return process(content)
        # In a task of its own, which is what a timeout needs.
        return await asyncio.get_running_loop().create_task(self._beside(process, content))

    async def _beside(self, process: Process, content: bytes) -> Outcome:
        size = len(content)
        try:
            async with asyncio.timeout(self._timeouts.room):
                await self._turn(size)
        except TimeoutError:
            return Outcome(b"", tables.FULL, "too many large messages at once")
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, process, content)
        except RuntimeError as error:
            # The system gives no more threads.
            self._ended(size)
            raise MemoryError(str(error)) from error
        # Nobody can stop a thread: what takes too long counts until it has ended.
        work.add_done_callback(lambda _: self._ended(size))
        try:
            async with asyncio.timeout(self._timeouts.processing):
                return await asyncio.shield(work)
        except TimeoutError:
            return Outcome(b"", tables.PROCESSING, "the rules took too long")

    async def _turn(self, size: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, future))
        self._next()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # Its turn came together with the end of its patience.
                self._ended(size)
            else:
                self._next()
            raise

    def _next(self) -> None:
        while self._queue:
            size, future = self._queue[0]
            if not future.done():
                # One that waited for a thread would use up its time for the rules.
                if self._busy == _THREADS or (self._busy and self._octets + size > self._limit):
                    return
                self._busy += 1
                self._octets += size
                future.set_result(None)
            self._queue.popleft()

    def _ended(self, size: int) -> None:
        self._busy -= 1
        self._octets -= size
        self._next()
