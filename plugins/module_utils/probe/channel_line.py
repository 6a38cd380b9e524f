# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection that another host opened for us, over a channel of its SSH server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Callable, List, Optional

from .icmp import IcmpError
from .links import Link, Told
from .loop import Loop, Timer
from .seen import Tcp

if TYPE_CHECKING:
    import paramiko

_RETRY = 0.02
"""Seconds until it is tried again to send: a channel does not tell when there is room in its window."""


class ChannelLine:
    """What a session does with a connection, done with a channel."""

    __slots__ = ("_channel", "_done", "_link", "_loop", "_name", "_timer", "_watched")

    def __init__(self, loop: Loop, channel: paramiko.Channel, link: Link, name: str, done: Callable[[], None]) -> None:
        """*name*: what EHLO says; *done* is called when it is closed."""
        self._loop = loop
        self._channel = channel
        self._link = link
        self._name = name
        self._done = done
        self._watched = False
        self._timer: Optional[Timer] = None
        channel.settimeout(0.0)

    def own_name(self) -> str:
        """Return the name it was given: the address of the other end of the channel is not known here."""
        return self._name

    def watch(self, write: bool, ready: Callable[[], None]) -> None:
        """Call *ready* when octets came, and, with *write*, a moment later."""
        if not self._watched:
            self._loop.watch(self._channel, False, ready)
            self._watched = True
        self._cancel()
        if write:
            self._timer = self._loop.call_later(_RETRY, ready)

    def forget(self) -> None:
        """Call nobody any more."""
        self._cancel()
        if self._watched:
            self._loop.forget(self._channel)
            self._watched = False

    def receive(self) -> bytes:
        """Return what came."""
        try:
            return self._channel.recv(65536)
        except socket.timeout:
            raise BlockingIOError from None

    def send(self, data: bytes) -> int:
        """Send what there is room for in the channel's window."""
        try:
            return self._channel.send(data)
        except socket.timeout:
            raise BlockingIOError from None

    def broken(self) -> int:
        """A channel knows of no errors."""
        return 0

    def errors(self) -> List[IcmpError]:
        """A channel knows of no ICMP."""
        return []

    def tcp(self) -> Optional[Tcp]:
        """A channel knows nothing of the connection behind it."""
        return None

    def confirm(self, told: Told) -> None:
        """Ask the SSH server: its connection may be what ended, or fell silent."""
        self._link.confirm(told)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()
        self._done()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
