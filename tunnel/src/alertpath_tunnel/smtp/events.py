# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session with a client asks its driver to do. Each event but NeedData, Part and Closed waits for one reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alertpath_tunnel.smtp.data import Received
from alertpath_tunnel.smtp.envelope import Path
from alertpath_tunnel.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class NeedData:
    """Nothing complete is here: feed more."""


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO (`extended`) or HELO. Answer with `accept_hello` or a refusal."""

    domain: bytes
    extended: bool


@dataclass(frozen=True, slots=True)
class StartTls:
    """Answer with START_TLS, then do the handshake, then call `tls_started`."""


@dataclass(frozen=True, slots=True)
class Auth:
    """What follows AUTH, or, when it is not the `first`, the answer to a challenge: for the next hop, unread."""

    line: bytes
    first: bool


@dataclass(frozen=True, slots=True)
class Mail:
    path: Path


@dataclass(frozen=True, slots=True)
class Rcpt:
    path: Path


@dataclass(frozen=True, slots=True)
class DataStart:
    """DATA is in order. START_DATA lets the message come."""


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a message that goes on. It waits for no reply: what is wrong with it is said of the whole message."""

    lines: Received


@dataclass(slots=True)
class Message:
    """The message is complete, `lines` all that was no Part; or it must be refused, and what was held is gone."""

    lines: Received
    size: int  # octets of the whole message, without stuffing; 0 with a refusal
    refusal: Reply | None

    @property
    def content(self) -> bytes:
        """The message, where none of it was a Part."""
        return self.lines.content

    def take(self) -> bytes:
        """Return the content and hold it no longer: who changes a large one has two of them already."""
        content, self.lines = self.content, Received(b"", 0)
        return content


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET. A new EHLO resets, too: Hello stands for both."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; `reply` is what we said last."""

    reply: Reply | None


NEED_DATA: Final = NeedData()
START_TLS: Final = StartTls()
DATA_START: Final = DataStart()
RESET: Final = Reset()
Event = NeedData | Hello | StartTls | Auth | Mail | Rcpt | DataStart | Part | Message | Reset | Closed
