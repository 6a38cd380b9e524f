# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH connection, and the TCP connections that its server opens (RFC 4254 section 7.2, direct-tcpip)."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any, Dict, Optional, Set, Tuple

with contextlib.suppress(ImportError):  # the module says that it is missing, before anything of this is used
    import paramiko
    from paramiko.common import MSG_CHANNEL_OPEN_FAILURE, MSG_CHANNEL_OPEN_SUCCESS

_ORIGIN = ("127.0.0.1", 0)
# What a refused channel is told of goes into rows; nobody reads it on standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class OpenRefused(Exception):
    """The server opened no connection: the code (RFC 4254 section 5.1) and the words it gave for it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Unanswered(Exception):
    """The server has not said yet what came of it."""


class ConnectionLost(Exception):
    """The SSH connection is gone."""


class Request:
    """A request for a connection, to be looked at from any thread."""

    __slots__ = ("given_up", "number")

    def __init__(self) -> None:
        self.number: Optional[int] = None
        """The channel's number, from the moment the request is on its way."""
        self.given_up = False
        """Its thread does not wait for the answer any more."""


class Connection:
    """A client's side of a connection.

    With several requests under way, paramiko's own exceptions say neither what the server answered nor to which
    request. So the answers are taken where they come in, and each thread notes which request was its own.
    """

    def __init__(self, carrier: Any) -> None:
        """*carrier*: a connected socket, or a channel of another connection."""
        self.transport = paramiko.Transport(carrier)
        self._refusals: Dict[int, Tuple[int, str]] = {}
        self._answered: Set[int] = set()
        self._asking = threading.local()
        inside: Any = self.transport  # its type stubs leave out what is taken hold of here
        self._number_next = inside._next_channel
        self._take_success = inside._parse_channel_open_success
        self._take_refusal = inside._parse_channel_open_failure
        inside._next_channel = self._next_channel
        inside._handler_table[MSG_CHANNEL_OPEN_SUCCESS] = self._note_success
        inside._handler_table[MSG_CHANNEL_OPEN_FAILURE] = self._note_refusal

    def _next_channel(self) -> int:
        number: int = self._number_next()
        request: Optional[Request] = getattr(self._asking, "request", None)
        if request is not None:
            request.number = number
        return number

    def _note_success(self, message: paramiko.Message) -> None:
        self._answered.add(message.get_int())
        message.rewind()
        self._take_success(message)

    def _note_refusal(self, message: paramiko.Message) -> None:
        number, code, text = message.get_int(), message.get_int(), message.get_text()
        self._refusals[number] = (code, text)
        self._answered.add(number)
        message.rewind()
        self._take_refusal(message)

    @property
    def active(self) -> bool:
        """Whether it still stands, as far as is known here."""
        return self.transport.is_active()

    def answered(self, request: Request) -> bool:
        """Whether the answer to *request* has come in."""
        return request.number in self._answered

    def connect_from_there(self, address: Tuple[str, int], seconds: float, request: Request) -> paramiko.Channel:
        """Have the server open a connection to *address*. Blocks, and can be used from many threads.

        Raises OpenRefused, Unanswered after *seconds*, ConnectionLost.
        """
        self._asking.request = request
        failure: Optional[Exception] = None
        try:
            return self.transport.open_channel("direct-tcpip", address, _ORIGIN, timeout=seconds)
        except (paramiko.SSHException, EOFError, OSError) as error:
            failure = error
        refusal = None if request.number is None else self._refusals.get(request.number)
        if refusal is not None:
            raise OpenRefused(*refusal)
        if not self.active:
            raise ConnectionLost(self.why_lost(failure))
        raise Unanswered

    def ask(self) -> None:
        """Wait for the server to answer something. Raises ConnectionLost.

        All that it said before has then come in as well, for a connection keeps its order. One thread at a time.
        """
        self.transport.global_request("keepalive@openssh.com", wait=True)
        if not self.active:
            raise ConnectionLost(self.why_lost(None))

    def why_lost(self, seen: Optional[BaseException]) -> str:
        """Say in words how it ended; *seen*: the exception that told of it."""
        error = seen or getattr(self.transport, "saved_exception", None)
        words = str(error) if error is not None else ""
        return words if words and not isinstance(error, EOFError) else "its server closed it"

    def close(self) -> None:
        """End it."""
        self.transport.close()
