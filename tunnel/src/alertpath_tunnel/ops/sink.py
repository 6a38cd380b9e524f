# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes lines for whoever collects them, and never waits: a reader that stalls or a full disk costs lines, no mail."""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable

_Write = Callable[[bytes], int]


class Sink:
    """One end of the log, shared by all processes of the service. `missed` counts the lines it did not take."""

    def __init__(self, number: int) -> None:
        """Take the descriptor `number`; it stays as it is, for others may write to it as well."""
        self._write = _writer(number)
        self._cut = False
        self.missed = 0

    def put(self, line: bytes) -> bool:
        """Write `line`, which ends with a newline, in one call, past any buffer. Return whether it was taken whole."""
        # The rest of a line that was cut off stays out: what follows must not become part of it.
        whole = b"\n" + line if self._cut else line
        try:
            written = self._write(whole)
        except OSError:
            written = 0
        if written:
            self._cut = written < len(whole)
        if written < len(whole):
            self.missed += 1
        return written == len(whole)


def _writer(number: int) -> _Write:
    """Return a write that does not wait, for the kind of file that `number` is."""
    mode = os.fstat(number).st_mode
    if stat.S_ISSOCK(mode):
        # The descriptor may be another process's, too, so it is not made non-blocking: each call is.
        channel = socket.socket(fileno=os.dup(number))
        return lambda line: channel.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    if stat.S_ISFIFO(mode):
        try:
            # An opening of our own, whose flags are nobody else's.
            own = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return _patient(number)
        return lambda line: os.write(own, line)
    if stat.S_ISREG(mode):
        return lambda line: os.write(number, line)
    return _patient(number)


def _patient(number: int) -> _Write:
    """Ask before each write; what others write in between may still make it wait."""
    ready = select.poll()
    ready.register(number, select.POLLOUT)

    def write(line: bytes) -> int:
        return os.write(number, line) if any(event & select.POLLOUT for _number, event in ready.poll(0)) else 0

    return write
