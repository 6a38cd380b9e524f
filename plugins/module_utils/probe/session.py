# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation carried over a connected socket, with a deadline for each of its steps."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Callable, Optional

from .conversation import Conversation
from .dialogue import Step
from .loop import Loop, Timer

_FAREWELL = 2.0
"""Seconds to wait for the reply to QUIT; what was to be found is known by then."""
_MOST_PER_STEP = 1 << 20
"""Octets a server may send in one step before it counts as one that never ends."""


class Session:
    """Moves octets between a socket and a conversation until that is done; then closes and reports once."""

    __slots__ = ("_conversation", "_done", "_loop", "_pending", "_received", "_sock", "_step", "_timeout", "_timer")

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        conversation: Conversation,
        timeout: float,
        done: Callable[[Conversation], None],
    ) -> None:
        """*timeout*: the seconds each step may take, however slowly the server talks."""
        self._loop = loop
        self._sock = sock
        self._conversation = conversation
        self._timeout = timeout
        self._done = done
        self._pending = b""
        self._received = 0
        self._step: Optional[Step] = None
        self._timer: Optional[Timer] = None

    def start(self) -> None:
        """Begin. The report may come before this returns."""
        self._loop.watch(self._sock, False, self._ready)
        self._after()

    def _ready(self) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            data = None
        except OSError as error:
            self._conversation.closed(f"the connection broke ({errno.errorcode.get(error.errno or 0, 'error')})")
            self._after()
            return
        if data == b"":
            self._conversation.closed("the server closed the connection")
        elif data is not None:
            self._received += len(data)
            if self._received > _MOST_PER_STEP:
                self._conversation.expired(self._timeout)
            else:
                self._conversation.receive(data)
        self._after()

    def _after(self) -> None:
        self._pending += self._conversation.output()
        self._send()
        step = self._conversation.step
        if step is not self._step:
            self._step = step
            self._received = 0
            if self._timer is not None:
                self._timer.cancel()
            if step is Step.DONE:
                self._close()
            else:
                self._timer = self._loop.call_later(_FAREWELL if step is Step.QUIT else self._timeout, self._late)

    def _send(self) -> None:
        if self._pending:
            try:
                self._pending = self._pending[self._sock.send(self._pending) :]
            except BlockingIOError:
                pass
            except OSError:
                self._pending = b""  # the next read says what became of the connection
        self._loop.rewatch(self._sock, bool(self._pending), self._ready)

    def _late(self) -> None:
        self._conversation.expired(self._timeout)
        self._after()

    def _close(self) -> None:
        self._loop.forget(self._sock)
        with contextlib.suppress(OSError):
            self._sock.close()
        self._done(self._conversation)
