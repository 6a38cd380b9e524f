# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device stops a TCP connection: the public entrance.

Plain sockets do it all, without privileges; where the module has them, it also reads the counter of our own rules
and sends one more IPv6 option.
"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from ..probe.names import numeric
from .model import BUDGET, UNKNOWN, Verdict
from .search import search
from .trace import Control
from .wire import Shot

AT_ONCE = 2
"""Routers ration their ICMP errors, Linux to one a second for each host it answers: wide searches starve each other."""


class Question(NamedTuple):
    """A destination (an address), a TCP port, the address to come from, and ports on which it may answer."""

    destination: str
    port: int
    source: Optional[str] = None
    control_ports: Tuple[int, ...] = (22,)


class _Control:
    """The control of a pair of source and destination, measured once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: Optional[Control] = None

    def known(self) -> Optional[Control]:
        with self._lock:
            return self._control

    def get(self, make: Callable[[], Control]) -> Control:
        with self._lock:
            if self._control is not None:
                return self._control
            made = make()
            if made.reply is not None:  # a destination that was silent may have been unlucky: the next search asks anew
                self._control = made
            return made


def locate(question: Question) -> Verdict:
    """Return where connections to one destination and port stop; some seconds of work."""
    return locate_all([question])[0]


def locate_all(questions: Sequence[Question], budget: float = BUDGET, at_once: int = AT_ONCE) -> List[Verdict]:
    """Return the verdicts for *questions*, in their order.

    *budget*: seconds after which no further search begins; what is left is told to be unknown. *at_once*: searches
    that run side by side. An address that is none gives `cannot_tell`, never an error.
    """
    controls = {(question.source, question.destination): _Control() for question in questions}
    until = time.monotonic() + budget

    def one(question: Question) -> Verdict:
        if time.monotonic() >= until:
            return Verdict(UNKNOWN, f"cannot tell: not looked at, the {budget:g} s for searching were used up")
        shot = _shot(question)
        if shot is None:
            return Verdict(UNKNOWN, "cannot tell: the destination or source is no address, or their families differ")
        try:
            return search(shot, question.control_ports, controls[question.source, question.destination])
        except OSError as error:
            return Verdict(UNKNOWN, f"cannot tell: the search itself failed: {error.strerror or error}")

    with ThreadPoolExecutor(max_workers=max(at_once, 1)) as pool:
        return list(pool.map(one, questions))


def _shot(question: Question) -> Optional[Shot]:
    there = numeric(question.destination, question.port)
    if there is None:
        return None
    if question.source is None:
        return Shot(there[0], there[1])
    here = numeric(question.source, 0)
    if here is None or here[0] != there[0]:
        return None
    return Shot(socket.AddressFamily(there[0]), there[1], here[1])
