# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session needs of a connection to a server, and what opens one: the seam between the two."""

from __future__ import annotations

from typing import Callable, List, NamedTuple, Optional, Protocol

from .icmp import IcmpError
from .model import Endpoint, Finding
from .seen import Tcp

_ROUND_TRIP = 0.5
"""Seconds: by satellite it is more, in a company's network much less."""
_VOLLEY = 0.55
"""Seconds within which all SYNs go out. Spread wider, one that two losses befell would be answered late; what is lost
for longer is sent again by the kernel, 1 and 3 seconds after each of them (RFC 6298 section 2)."""


class Schedule(NamedTuple):
    """*attempts* SYNs, evenly over the first part of *window* seconds; silence is called at its end.

    The last SYN must have a round trip's time for its answer, or it was sent for nothing.
    """

    attempts: int
    window: float

    @property
    def interval(self) -> float:
        """Seconds from one SYN to the next."""
        return (self.window - self.rest) / max(self.attempts - 1, 1)

    @property
    def rest(self) -> float:
        """Seconds from the last SYN until silence is called."""
        return max(self.window - _VOLLEY, min(self.window / 2, _ROUND_TRIP))


class Line(Protocol):
    """A connection to a server. What a kind of line cannot know, it does not say."""

    def own_name(self) -> str:
        """Return what EHLO says: the address literal of this end (RFC 5321 section 4.1.3), or a name."""

    def watch(self, write: bool, ready: Callable[[], None]) -> None:
        """Call *ready* whenever there is something to read, and, with *write*, when something can be sent."""

    def forget(self) -> None:
        """Call nobody any more."""

    def receive(self) -> bytes:
        """Return what came, b"" at the end. Raises BlockingIOError when nothing is there, OSError when it broke."""

    def send(self, data: bytes) -> int:
        """Send as much of *data* as there is room for. Raises BlockingIOError, OSError."""

    def broken(self) -> int:
        """Return the error number of what ended the connection, 0 when nothing did."""

    def errors(self) -> List[IcmpError]:
        """Take the ICMP errors that came."""

    def tcp(self) -> Optional[Tcp]:
        """Return what the kernel knows of the connection."""

    def confirm(self, told: Callable[[Optional[str]], None]) -> None:
        """Find out whether what carries the line still works: `told(None)`, or `told(why not)`.

        An end and a silence say something of the server only if it does.
        """

    def close(self) -> None:
        """End the connection."""


Dialled = Callable[[Finding, Optional[Line]], None]
"""Takes what became of an attempt to connect, and the line when there is one."""


class Dialer(Protocol):
    """Opens lines."""

    room: int
    """How many attempts may be under way at once."""
    attempts: int
    patient_attempts: int
    """How many attempts a look takes, and a patient one."""

    def dial(self, endpoint: Endpoint, schedule: Schedule, done: Dialled) -> None:
        """Try *endpoint*, and report once. The report may come before this returns."""

    def close(self) -> None:
        """Give back what it holds."""
