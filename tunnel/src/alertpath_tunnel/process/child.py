# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One child process: how it is begun, what it says, and how it is told to go."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Main = Callable[[socket.socket], None]
_HANDLED = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1)


@dataclass(eq=False)
class Child:
    """A process of ours. Over `channel` it says, a line each: ready, retired, broken N. Its end is our death."""

    name: str
    slot: int
    main: Main
    pid: int = 0
    channel: socket.socket | None = None
    said: set[str] = field(default_factory=set)
    broken: int = 0
    begun: float = 0.0
    failures: int = 0
    due: float | None = None  # when it is to be begun anew

    @property
    def alive(self) -> bool:
        return self.pid > 0

    def begin(self, siblings: Iterable[Child], cleanup: Callable[[], None]) -> None:
        """Fork. `cleanup` lets go, in the child, of what is the supervisor's own. Raises OSError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.said, self.broken, self.begun, self.due = set(), 0, time.monotonic(), None
        # A signal between fork and the child's own handlers would be taken for the supervisor's, and lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            ours.close()
            theirs.close()
            raise
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
            self.pid, self.channel = pid, ours
            return
        code = 1
        try:
            cleanup()
            for number in _HANDLED:
                signal.signal(number, signal.SIG_IGN if number in (signal.SIGHUP, signal.SIGINT) else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            ours.close()
            # A sibling that kept our end open would keep another from noticing that the supervisor is gone.
            for sibling in siblings:
                if sibling.channel:
                    sibling.channel.close()
            self.main(theirs)
            code = 0
        except BaseException:  # noqa: BLE001 - the child must never return into the supervisor's code
            traceback.print_exc()
        finally:
            os._exit(code)

    def listen(self) -> None:
        """Take in what the child said."""
        if self.channel is None:
            return
        with contextlib.suppress(BlockingIOError, ConnectionError):
            text = self.channel.recv(4096).decode("ascii", "replace")
            if not text:
                self._hang_up()
            for line in text.splitlines():
                word, _space, number = line.partition(" ")
                self.said.add(word)
                if word == "broken" and number.isdigit():
                    self.broken = int(number)

    def send(self, number: signal.Signals) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ended(self) -> float:
        """Note that the process is gone; return how many seconds it lived."""
        self.listen()
        self._hang_up()
        self.pid = 0
        return time.monotonic() - self.begun

    def _hang_up(self) -> None:
        if self.channel:
            self.channel.close()
            self.channel = None


def say(channel: socket.socket, line: str) -> None:
    """Tell the supervisor; a dead one needs no news."""
    with contextlib.suppress(OSError):
        channel.sendall(line.encode() + b"\n")
