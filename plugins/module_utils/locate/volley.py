# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many shots at once: each is repeated until it is answered or its time is over."""

from __future__ import annotations

import select
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .model import SILENT, Reply
from .wire import Attempt, Shot


class Pace(NamedTuple):
    """When a shot is sent, in seconds after the first time, and when silence is called."""

    times: Tuple[float, ...]
    window: float


_GLANCE = 0.1
_EVER = 60.0
QUICK = Pace((0.0, 0.3, 0.7), 1.2)
"""The window outlasts the kernel's first retransmission, after 1 s, whose failure shows that this host drops."""
PATIENT = Pace((0.0, 0.3, 0.7, 1.7, 2.7), 3.6)
"""Long enough for a router to find out, after three seconds, that its neighbour does not answer."""

Enough = Callable[[Mapping[int, Reply], float], bool]
"""Whether the replies so far, by the shots' positions, suffice after some seconds."""


def fire(shots: Sequence[Shot], pace: Pace = QUICK, enough: Optional[Enough] = None) -> List[Reply]:
    """Send all *shots*, in their order, and return their replies in the same order.

    It ends when all are answered, when *enough* says so, or with the window.
    A shot that this host cannot even prepare (an option that needs a privilege) counts as silent.
    """
    return _Volley(shots, pace).run(enough)


class _Volley:
    def __init__(self, shots: Sequence[Shot], pace: Pace) -> None:
        self._shots = shots
        self._pace = pace
        self._replies: Dict[int, Reply] = {}
        self._under_way: Dict[int, List[Attempt]] = {index: [] for index in range(len(shots))}
        self._owner: Dict[int, Tuple[int, Attempt]] = {}
        self._poll = select.poll()

    def run(self, enough: Optional[Enough]) -> List[Reply]:
        began = time.monotonic()
        times = list(self._pace.times)
        try:
            while len(self._replies) < len(self._shots):
                elapsed = time.monotonic() - began
                if elapsed >= self._pace.window or (enough is not None and enough(self._replies, elapsed)):
                    break
                if times and elapsed >= times[0]:
                    times.pop(0)
                    self._send()
                    continue
                until = times[0] if times else self._pace.window
                self._collect(min(max(until - elapsed, 0.0), _GLANCE if enough is not None else _EVER))
        finally:
            silent = {index: self._silence(index) for index in self._under_way}
        return [self._replies.get(index, silent.get(index, Reply(SILENT))) for index in range(len(self._shots))]

    def _send(self) -> None:
        for index, shot in enumerate(self._shots):
            if index in self._replies:
                continue
            try:
                attempt = Attempt(shot)
            except OSError:
                continue
            self._under_way[index].append(attempt)
            self._owner[attempt.sock.fileno()] = (index, attempt)
            self._poll.register(attempt.sock, select.POLLERR if shot.udp else select.POLLOUT)
            if attempt.refused is not None:
                self._look(index, attempt)

    def _collect(self, seconds: float) -> None:
        for number, _events in self._poll.poll(int(seconds * 1000) + 1):
            owner = self._owner.get(number)
            if owner is not None:
                self._look(*owner)

    def _look(self, index: int, attempt: Attempt) -> None:
        reply = attempt.reply()
        if reply is None:
            return
        self._replies[index] = reply
        self._silence(index)

    def _silence(self, index: int) -> Reply:
        """Close what is under way for a shot, and return what its silence tells."""
        kept: Optional[bool] = None
        for attempt in self._under_way[index]:
            if attempt.sock.fileno() < 0:
                continue
            told = attempt.silence().kept
            if told is not None:
                kept = told if kept is None else kept and told
            self._poll.unregister(attempt.sock)
            del self._owner[attempt.sock.fileno()]
            attempt.close()
        self._under_way[index] = []
        return Reply(SILENT, kept=kept, seconds=self._pace.window)
