# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialling from another host, over SSH: requests for connections, each by its own thread, and what became of them.

Several requests are made for one target, as several SYNs are sent from this host. The first answer decides. Silence
is called only when the SSH server answered a question asked after it: what it had to say before has come in then.
"""

from __future__ import annotations

import ipaddress
import threading
from typing import TYPE_CHECKING, List, Optional, Union

from ..ssh.chain import Chain
from ..ssh.connection import ConnectionLost, OpenRefused, Request, Unanswered
from ..ssh.model import Route
from .channel_line import ChannelLine
from .classify import EXHAUSTED_NAMES
from .forwarded import from_loss, from_refusal, from_silence
from .lines import Dialled, Schedule
from .links import Link, Links
from .loop import Loop, Timer
from .model import LOCAL_ERROR, OPEN, Endpoint, Evidence, Finding

if TYPE_CHECKING:
    import paramiko

_GRACE = 3.0
"""Seconds a thread waits longer than silence takes, for an answer that is under way."""
_SOON = 0.05


class Forwarded:
    """Dials from the last host of a route."""

    room = 240
    attempts = 5
    patient_attempts = 5

    def __init__(self, loop: Loop, route: Route, seconds: float) -> None:
        """*seconds*: for each connection and login, and for an answer to a question. Raises SshFailure."""
        self._loop = loop
        self._host = route.last.host
        self._links = Links(loop, Chain(route, seconds), self._host, seconds)

    def dial(self, endpoint: Endpoint, schedule: Schedule, done: Dialled) -> None:
        """Try *endpoint*, and report once."""
        _Connecting(self._loop, self._links, self._host, endpoint, schedule, done).start()

    def close(self) -> None:
        """End the SSH connections."""
        self._links.close()


class _Connecting:
    """Tries one endpoint and reports once: a finding, and the line when it is open."""

    def __init__(
        self, loop: Loop, links: Links, host: str, endpoint: Endpoint, schedule: Schedule, done: Dialled
    ) -> None:
        self._loop = loop
        self._door = loop.door()
        self._links = links
        self._host = host
        self._endpoint = endpoint
        self._schedule = schedule
        self._done = done
        self._link: Optional[Link] = None
        self._requests: List[Request] = []
        self._failure: Optional[Finding] = None
        self._timer: Optional[Timer] = None
        self._over = False

    def start(self) -> None:
        """Make the first request, when there is a connection to make it on."""
        self._links.take(self._schedule.attempts, self._linked)

    def _linked(self, found: Union[Link, str]) -> None:
        if isinstance(found, str):
            self._finish(from_loss(found, self._host))
            return
        self._link = found
        self._send(found)

    def _send(self, link: Link) -> None:
        request = Request()
        self._requests.append(request)
        left = self._schedule.attempts - len(self._requests)
        seconds = left * self._schedule.interval + self._schedule.rest + _GRACE
        try:
            threading.Thread(target=self._try, args=(link, request, seconds), daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads; what was asked before may be answered yet
            self._requests.pop()
            left = 0
            self._failure = Finding(LOCAL_ERROR, Evidence(f"no thread to ask {self._host} in: {error}", local=True))
        if left:
            self._timer = self._loop.call_later(self._schedule.interval, lambda: self._send(link))
        else:
            self._await_seen(link)

    def _await_seen(self, link: Link) -> None:
        """Silence begins once the server has read the last request, however long it stood still before."""
        link.confirm(lambda lost: self._seen(link, lost))

    def _seen(self, link: Link, lost: Optional[str]) -> None:
        if self._over:
            return
        if lost:
            self._finish(from_loss(lost, self._host))
        elif any(request.number is None for request in self._requests):
            self._timer = self._loop.call_later(_SOON, lambda: self._await_seen(link))  # a thread has not even begun
        else:
            self._timer = self._loop.call_later(self._schedule.rest, lambda: self._silent(link))

    def _try(self, link: Link, request: Request, seconds: float) -> None:
        """In a thread of its own."""
        found: Union[paramiko.Channel, Finding]
        address = (self._endpoint.address[0], self._endpoint.address[1])
        try:
            found = link.connection.connect_from_there(address, seconds, request)
        except OpenRefused as error:
            found = from_refusal(error.code, error.text, self._host)
        except ConnectionLost as error:
            found = from_loss(str(error), self._host)
        except Unanswered:
            request.given_up = True
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like silence
            found = from_loss(f"{type(error).__name__}: {error}", self._host)
        self._door.call(lambda: self._heard(found))

    def _heard(self, found: Union[paramiko.Channel, Finding]) -> None:
        if isinstance(found, Finding):
            if self._over:
                return
            if found.evidence.errno in EXHAUSTED_NAMES:  # another request may find room
                self._failure = found
            else:
                self._finish(found)
        elif self._over or self._link is None:
            found.close()
        else:
            link, self._link = self._link, None
            name = _name(self._endpoint, self._host)
            line = ChannelLine(self._loop, found, link, name, lambda: self._links.give_back(link))
            self._conclude()
            self._done(Finding(OPEN, Evidence("connected")), line)

    def _silent(self, link: Link) -> None:
        link.confirm(lambda lost: self._confirmed(link, lost))

    def _confirmed(self, link: Link, lost: Optional[str]) -> None:
        if self._over:
            return
        answered = [request for request in self._requests if link.connection.answered(request)]
        if lost:
            self._finish(from_loss(lost, self._host))
        elif any(request.given_up for request in answered):
            self._finish(from_loss("an answer of its server came too late", self._host))
        elif answered and self._failure is None:
            self._timer = self._loop.call_later(_SOON, lambda: self._silent(link))  # a thread is about to tell
        else:
            count = len(self._requests)
            self._finish(self._failure or from_silence(count, self._schedule.window, self._host))

    def _finish(self, finding: Finding) -> None:
        self._conclude()
        if self._link is not None:
            self._links.give_back(self._link)
        self._done(finding, None)

    def _conclude(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()


def _name(endpoint: Endpoint, host: str) -> str:
    """Return what EHLO says: the source's address, or what the host is called here (RFC 5321 section 4.1.3)."""
    own = endpoint.source[0] if endpoint.source else host
    try:
        version = ipaddress.ip_address(own).version
    except ValueError:
        return own
    return f"[IPv6:{own}]" if version == 6 else f"[{own}]"
