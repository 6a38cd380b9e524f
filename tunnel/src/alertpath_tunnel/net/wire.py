# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection, in clear text or TLS, as awaitable reads and writes with back-pressure."""

from __future__ import annotations

import asyncio
import fcntl
import math
import ssl
import termios
from collections.abc import Callable
from typing import Final, cast

from alertpath_tunnel.net.strand import PAUSE, Strand, running

_HIGH: Final = 256 * 1024  # octets read ahead before reading pauses
_MANY: Final = 256  # pieces of them: one that comes octet by octet weighs many times what it holds
_LINGER: Final = 5  # seconds a peer has to take what we said last


class Wire:
    """Used by one strand at a time.

    It is a protocol of asyncio's in all but its base class, which would cost the compiled one its fields in memory.
    """

    def __init__(self, on_connect: Callable[[Wire], None] | None = None) -> None:
        self._on_connect = on_connect
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._waiting: Strand | None = None
        self._write_paused = False
        self._read_paused = False
        self._ended = False
        self._lost = False
        self._closed = False
        self._interrupted = False
        self._in_tls = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    # -- called by the event loop --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no check: uvloop's transports have the methods without the base class.
        self._transport = cast("asyncio.Transport", transport)
        if self._on_connect:
            self._on_connect(self)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._buffered += len(data)
        if (self._buffered > _HIGH or len(self._pieces) > _MANY) and not self._read_paused and self._transport:
            self._read_paused = True
            self._transport.pause_reading()
        waiting = self._waiting
        if waiting:
            self._waiting = None
            waiting.resume()

    def eof_received(self) -> bool:
        self._ended = True
        self._wake()
        # In clear text a client may close its half and still wait for our reply; TLS knows no half.
        return not self._in_tls and self.get_extra("ssl_object") is None

    def connection_lost(self, _error: Exception | None) -> None:
        self._ended = True
        if self._timer:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        self._lost = True
        self._wake()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake()

    def _wake(self, error: Exception | None = None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting:
            waiting.resume(error)

    def _wait_until(self, deadline: float) -> None:
        """Have the running strand resumed when something happens on the connection, with a TimeoutError at `deadline`.

        One timer serves many waits: it is moved on only when it fires.
        """
        self._waiting = running()
        self._deadline = deadline
        if deadline < self._timer_at:
            self._set_timer(deadline)

    def _set_timer(self, when: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._late)
        self._timer_at = when

    def _late(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._waiting is None:
            return
        if self._loop.time() < self._deadline:
            self._set_timer(self._deadline)
        else:
            self._wake(TimeoutError())

    # -- used by sessions ----------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the peer closed, or the connection broke."""
        return self._ended

    @property
    def buffered(self) -> int:
        return self._buffered

    def take(self) -> bytes:
        """Return what is here now, perhaps nothing."""
        if not self._buffered:
            return b""
        # A piece that is alone is not copied.
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._read_paused and self._transport:
            self._read_paused = False
            self._transport.resume_reading()
        return data

    async def read(self, deadline: float) -> bytes:
        """Return at least one octet, or nothing at the end. Raises TimeoutError at `deadline`, a time of the loop."""
        while not (self._buffered or self._ended or self._interrupted):
            self._wait_until(deadline)
            await PAUSE
        self._interrupted = False
        return self.take()

    def interrupt(self) -> None:
        """Make the read under way, or the next one, return what is here, perhaps nothing."""
        self._interrupted = True
        self._wake()

    def send(self, data: bytes) -> None:
        """Write without waiting. Raises ConnectionError when nobody is there any more.

        While the peer is `slow` nothing more may be written before `caught_up`.
        """
        if self._lost or self._closed or self._transport is None:
            raise ConnectionResetError("the connection is lost")
        self._transport.write(data)

    @property
    def slow(self) -> bool:
        """Whether the peer has yet to take what was written."""
        return self._write_paused

    @property
    def delivered(self) -> bool:
        """Whether the peer's host has all that was written; whatever answers the end of it comes with word of that."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        # How many octets are not acknowledged yet (tcp(7), SIOCOUTQ).
        return not any(fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)))

    async def caught_up(self, deadline: float, or_spoke: bool = False) -> None:
        """Wait until the peer keeps up, or spoke. Raises ConnectionError, and TimeoutError at `deadline`."""
        while self._write_paused and not (or_spoke and self._buffered):
            self._wait_until(deadline)
            await PAUSE
            if self._lost:
                raise ConnectionResetError("the connection is lost")

    async def start_tls(self, context: ssl.SSLContext, timeout: float, server_name: str | None = None) -> None:
        """Do the handshake: as a client when `server_name` is given. Nothing may be buffered. Raises OSError."""
        assert self._transport is not None
        if self._buffered:
            raise ConnectionError("octets before the TLS handshake")
        self._in_tls = True
        transport = await self._loop.start_tls(
            self._transport,
            cast("asyncio.Protocol", self),
            context,
            server_side=server_name is None,
            server_hostname=server_name,
            ssl_handshake_timeout=timeout,
        )
        if transport is None:
            raise ConnectionResetError("the connection is lost")
        self._transport = transport

    def get_extra(self, name: str) -> object:
        """Return what the transport knows: peername, sockname, ssl_object."""
        return self._transport.get_extra_info(name) if self._transport else None

    def close(self) -> None:
        """Close once the peer took what was written; one that does not is cut off."""
        if self._transport is None or self._closed:
            return
        self._closed = True
        # Asked before the close: a TLS transport that is closed no longer knows.
        if not self._ended and self._transport.get_write_buffer_size():
            self._loop.call_later(_LINGER, self._transport.abort)
        self._transport.close()

    def abort(self) -> None:
        self._closed = True
        if self._transport:
            self._transport.abort()


def protocol(on_connect: Callable[[Wire], None] | None = None) -> asyncio.Protocol:
    """Return a new wire as what asyncio asks for."""
    return cast("asyncio.Protocol", Wire(on_connect))
