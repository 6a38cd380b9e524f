# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets of messages held by all sessions together, and whose turn it is when there is no room for more."""

from __future__ import annotations

import asyncio
from typing import Final

_STEP: Final = 256 * 1024  # what a session that may go on takes in before it asks again


class Budget:
    """About `limit` octets in flight. Sessions hold shares of it.

    When it is used up the session with the oldest message goes on, and the others wait with what they have: if all
    went on, or all let go, none would ever come to an end.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.turns: dict[Share, asyncio.Future[None] | None] = {}
        """Those within a message, the oldest first, and what those wait for who wait."""
        self.waiting = 0

    def share(self) -> Share:
        return Share(self)

    def wake(self) -> None:
        """Let the oldest go on, and as many others as there is room for."""
        free = self.limit - self.used
        for place, future in enumerate(list(self.turns.values())):
            if place and free <= 0:
                return
            if future and not future.done():
                future.set_result(None)
                free -= _STEP


class Share:
    """What one session holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0

    def begin(self) -> None:
        """A message begins."""
        self._budget.turns[self] = None

    def hold(self, octets: int) -> None:
        """Say how many octets the session holds now."""
        less = octets < self._held
        self._count(octets)
        if less and self._budget.waiting:
            self._budget.wake()

    def release(self) -> None:
        """The message is over."""
        self._budget.turns.pop(self, None)
        self._count(0)
        if self._budget.waiting:
            self._budget.wake()

    def _count(self, octets: int) -> None:
        self._budget.used += octets - self._held
        self._held = octets

    @property
    def may_grow(self) -> bool:
        """Whether there is room, or it is this session's turn."""
        budget = self._budget
        return budget.used < budget.limit or next(iter(budget.turns), None) is self

    async def room(self, deadline: float) -> None:
        """Wait for room. Raises TimeoutError at `deadline`, a time of the loop."""
        loop, budget = asyncio.get_running_loop(), self._budget
        budget.turns[self] = future = loop.create_future()
        timer = loop.call_at(deadline, _expire, future)
        budget.waiting += 1
        try:
            await future
        finally:
            budget.waiting -= 1
            timer.cancel()
            if self in budget.turns:
                budget.turns[self] = None


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
