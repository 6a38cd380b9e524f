# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation carried over a line, with a deadline for each of its steps and one for all of it."""

from __future__ import annotations

import contextlib
import errno
from typing import Any, Callable, Dict, Optional

from . import classes
from .conversation import Conversation
from .icmp import meaning
from .limits import Limits
from .lines import Line
from .loop import Loop, Timer
from .steps import Step

_MOST_PER_STEP = 1 << 20
"""Octets a server may send in one step before it counts as one that never ends."""
_LISTEN = 1.0
"""Seconds to wait whether what was said to a silent server is acknowledged: a slow path and a lost packet fit in."""
_RESET = (errno.ECONNRESET, errno.EPIPE)
_BEFORE_ANY_WORD = (Step.GREETING, Step.TLS)


class Session:
    """Moves octets between a line and a conversation until that is done; then closes and reports once."""

    __slots__ = (
        "_began",
        "_conversation",
        "_done",
        "_limits",
        "_line",
        "_loop",
        "_pending",
        "_received",
        "_sent",
        "_step",
        "_timer",
        "_total",
        "_until",
    )

    def __init__(
        self,
        loop: Loop,
        line: Line,
        conversation: Conversation,
        limits: Limits,
        until: float,
        done: Callable[[Conversation], None],
    ) -> None:
        """*limits*: the seconds each step may take, however slowly the server talks; *until*: when all must be over."""
        self._loop = loop
        self._line = line
        self._conversation = conversation
        self._limits = limits
        self._until = until
        self._done = done
        self._pending = b""
        self._sent = False
        self._received = 0
        self._total = 0
        self._began = loop.now()
        self._step: Optional[Step] = None
        self._timer: Optional[Timer] = None

    def start(self) -> None:
        """Begin. The report may come before this returns."""
        self._after()

    def _ready(self) -> None:
        try:
            data = self._line.receive()
        except BlockingIOError:
            data = None
        except OSError as error:
            self._broken(error.errno or 0)
            self._after()
            return
        if data == b"":
            self._pause()
            self._line.confirm(self._ended)
            return
        if data is not None:
            self._received += len(data)
            self._total += len(data)
            if self._received > _MOST_PER_STEP:
                self._conversation.expired(self._limits.of(self._conversation.step))
            else:
                self._conversation.receive(data)
        self._after()

    def _pause(self) -> None:
        """Let nothing happen until the line is confirmed."""
        self._line.forget()
        if self._timer is not None:
            self._timer.cancel()

    def _ended(self, lost: Optional[str]) -> None:
        if lost:
            self._conversation.lost(lost)
        else:
            kind = classes.of_end(False, False, self._first())
            self._conversation.closed("the server closed the connection", kind=kind)
        self._after()

    def _first(self) -> bool:
        """Whether the server has not said a word."""
        return not self._total and self._conversation.step in _BEFORE_ANY_WORD

    def _broken(self, code: int) -> None:
        """The kernel reports the end of the connection: a reset, or an ICMP error that it took for one."""
        name = errno.errorcode.get(code, "error")
        if code in _RESET:
            kind = classes.of_end(True, False, self._first())
            self._conversation.closed(f"the connection was reset ({name})", kind=kind, reset=True, errno=name)
            return
        parts: Dict[str, Any] = {"kind": classes.of_end(False, True, self._first()), "errno": name}
        how = f"an ICMP error ended the connection ({name})"
        for error in self._line.errors():
            said = meaning(error)
            if said is not None:
                parts.update(icmp_type=error.type, icmp_code=error.code, device=error.device)
                how = f"{error.device} answered: {said.name},"
        self._conversation.closed(how, **parts)

    def _after(self) -> None:
        self._pending += self._conversation.output()
        self._send()
        step = self._conversation.step
        if step is self._step:
            return
        now = self._loop.now()
        if self._step is not None:
            self._conversation.took(self._step, now - self._began)
        self._step = step
        self._began = now
        self._received = 0
        if self._timer is not None:
            self._timer.cancel()
        if step is Step.DONE:
            self._close()
        else:
            limit = self._limits.of(step)
            self._timer = self._loop.call_later(max(min(limit, self._until - now), 0.0), self._late)

    def _send(self) -> None:
        if self._pending:
            try:
                count = self._line.send(self._pending)
                self._sent = True
                self._pending = self._pending[count:]
            except BlockingIOError:
                pass
            except OSError:
                self._pending = b""  # the next read says what became of the connection
        self._line.watch(bool(self._pending), self._ready)

    def _late(self) -> None:
        self._pause()
        if not self._sent and self._conversation.step is Step.GREETING:
            # Nothing was sent yet, so nothing tells a silent server from none. QUIT is the politest word to find out.
            with contextlib.suppress(OSError):
                self._line.send(b"QUIT\r\n")
            self._timer = self._loop.call_later(_LISTEN, self._listened)
        else:
            self._line.confirm(self._silent)

    def _listened(self) -> None:
        code = self._line.broken()
        if code and code not in _RESET:  # a reset would only be the answer to our word, and say nothing of the silence
            self._broken(code)
            self._after()
        else:
            self._line.confirm(self._silent)

    def _silent(self, lost: Optional[str]) -> None:
        if lost:
            self._conversation.lost(lost)
        else:
            limit = self._limits.of(self._conversation.step)
            overall = self._began + limit > self._until + 0.001
            self._conversation.expired(self._limits.overall if overall else limit, self._line.tcp(), overall)
        self._after()

    def _close(self) -> None:
        self._line.forget()
        self._line.close()
        self._done(self._conversation)
