# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH connections to the host that dials for us.

A request for a channel cannot be taken back, and its server goes on trying for minutes, with a descriptor for each.
So one connection carries a limited number of them; the next one takes over, and the old one ends with its last line.
"""

from __future__ import annotations

import threading
from typing import Callable, List, Optional, Union

from ..ssh.chain import Chain
from ..ssh.connection import Connection, ConnectionLost
from ..ssh.model import SshFailure
from .forwarded import lost
from .loop import Loop, Timer

MOST_REQUESTS = 400
"""Requests on one connection: with as many descriptors, its server stays well below the usual limit of 1,024."""
MOST_LOSSES = 3
"""Lost connections after which no new one is made: a server that lets in and then hangs up would never end it."""

Told = Callable[[Optional[str]], None]


class Link:
    """One connection. Used in the loop's thread only, but for `connection`."""

    def __init__(self, loop: Loop, connection: Connection, host: str, seconds: float) -> None:
        """*seconds*: how long its server may take to answer a question."""
        self.connection = connection
        self.host = host
        self.requests = 0
        self.users = 0
        self._loop = loop
        self._seconds = seconds
        self._asking: List[Told] = []
        self._next: List[Told] = []
        self._timer: Optional[Timer] = None
        self._lost: Optional[str] = None

    def confirm(self, told: Told) -> None:
        """Ask the server something, and tell when all that it said before has come in, or why it never will."""
        if self._lost is not None:
            told(self._lost)
            return
        self._next.append(told)
        if not self._asking:
            self._ask()

    def _ask(self) -> None:
        self._asking, self._next = self._next, []
        self._timer = self._loop.call_later(self._seconds, self._late)
        door = self._loop.door()

        def ask() -> None:
            why: Optional[str] = None
            try:
                self.connection.ask()
            except ConnectionLost as error:
                why = str(error)
            door.call(lambda: self._tell(why))

        try:
            threading.Thread(target=ask, daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            text = f"no thread to ask it in: {error}"
            door.call(lambda: self._tell(text))

    def _late(self) -> None:
        self.connection.close()
        self._tell(f"its server says nothing for {self._seconds:g} s")

    def _tell(self, why: Optional[str]) -> None:
        if self._lost is not None:
            return  # it was given up before
        if self._timer is not None:
            self._timer.cancel()
        asking, self._asking = self._asking, []
        if why is not None:
            self._lost = lost(why, self.host)
            asking, self._next = [*asking, *self._next], []
        elif self._next:
            self._ask()
        for told in asking:
            told(self._lost)


class Links:
    """The connections of a run, one after the other; the first one is there before anything is dialled."""

    def __init__(self, loop: Loop, chain: Chain, host: str, seconds: float) -> None:
        """Blocks until the first connection is there. Raises SshFailure."""
        self._loop = loop
        self._chain = chain
        self._host = host
        self._seconds = seconds
        self._all: List[Link] = []
        self._waiting: List[Callable[[Union[Link, str]], None]] = []
        self._failed: Optional[str] = None
        self._losses = 0
        self._current = self._made(chain.connect())

    def take(self, requests: int, done: Callable[[Union[Link, str]], None]) -> None:
        """Give a connection that carries so many more requests, or the reason why there is none; return it later."""
        link = self._current
        if link.requests + requests <= MOST_REQUESTS and link.connection.active and not self._waiting:
            link.requests += requests
            link.users += 1
            done(link)
            return
        if self._failed is not None:
            done(self._failed)
            return
        self._waiting.append(lambda found: done(found) if isinstance(found, str) else self.take(requests, done))
        if len(self._waiting) > 1:
            return
        self._losses += not link.connection.active
        if self._losses > MOST_LOSSES:
            self._give_up(f"its server ended {self._losses} connections, one after the other")
        else:
            self._renew()

    def give_back(self, link: Link) -> None:
        """One user less."""
        link.users -= 1
        self._end_unused()

    def close(self) -> None:
        """End all connections."""
        for link in self._all:
            link.connection.close()
        self._chain.close()

    def _made(self, connection: Connection) -> Link:
        link = Link(self._loop, connection, self._host, self._seconds)
        self._all.append(link)
        return link

    def _end_unused(self) -> None:
        for link in [link for link in self._all if link is not self._current and not link.users]:
            self._all.remove(link)
            link.connection.close()

    def _renew(self) -> None:
        door = self._loop.door()
        # A loop that waits for nothing ends; this much it has to wait for.
        held = self._loop.call_later(3600.0, lambda: None)

        def connect() -> None:
            found: Union[Connection, str]
            try:
                found = self._chain.connect()
            except SshFailure as error:
                found = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for it forever
                found = f"{type(error).__name__}: {error}"
            door.call(lambda: self._renewed(found, held))

        try:
            threading.Thread(target=connect, daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            text = f"no thread to connect in: {error}"
            door.call(lambda: self._renewed(text, held))

    def _give_up(self, why: str) -> None:
        self._failed = why
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            told(why)

    def _renewed(self, found: Union[Connection, str], held: Timer) -> None:
        held.cancel()
        if isinstance(found, str):
            self._give_up(found)
            return
        waiting, self._waiting = self._waiting, []
        self._current = link = self._made(found)
        self._end_unused()
        for told in waiting:
            told(link)
