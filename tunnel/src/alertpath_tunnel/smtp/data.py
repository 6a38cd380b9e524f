# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receives one message: finds CRLF.CRLF and nothing else, and judges each line before anything is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alertpath_tunnel.smtp import canonical, tables
from alertpath_tunnel.smtp.reply import Reply

_END: Final = b"\r\n" + canonical.LAST_LINE


@dataclass(frozen=True, slots=True)
class Received:
    """Whole lines of a message as they came, stuffed dots included, each of them judged and found canonical."""

    octets: bytes
    dots: int  # lines that begin with a dot, which is not part of the message (RFC 5321 4.5.2)

    @property
    def content(self) -> bytes:
        """The lines without stuffing."""
        return canonical.unstuff(self.octets) if self.dots else self.octets


class DataReader:
    """Takes octets after the 354; `reply` tells why a complete message must be refused."""

    def __init__(self, size_limit: int) -> None:
        self._size_limit = size_limit
        self._lines: bytes | bytearray = b""  # judged, and not taken yet
        self._dots = 0  # in `_lines`
        # Of the line under way; of what is not kept, the last octets. The 354's line end counts as the CRLF before
        # a message that is empty (RFC 5321 4.1.1.4), so we begin at a line.
        self._rest = b""
        self._reason: Reply | None = None
        self.size = 0
        """Octets of the message so far, without stuffing."""

    @property
    def held(self) -> int:
        """Octets held; of a refused message nothing that counts, so that it waits for no room."""
        return 0 if self._reason else len(self._lines) + len(self._rest)

    @property
    def ready(self) -> int:
        """Octets of whole lines among them."""
        return len(self._lines)

    @property
    def reply(self) -> Reply | None:
        """The refusal, once the message is complete; None when it stands."""
        return self._reason

    def discard(self, reason: Reply) -> None:
        """Receive the rest without keeping it, and refuse the message with `reason`."""
        if self._reason is None:
            self._refuse(reason, self._rest)

    def take(self) -> Received:
        """Return the lines that are here, and keep them no longer. Without memory for them the message is refused."""
        try:
            taken = Received(bytes(self._lines), self._dots)
        except MemoryError:
            self._refuse(tables.NO_MEMORY, self._rest)
            return Received(b"", 0)
        self._lines, self._dots = b"", 0
        return taken

    def feed(self, data: bytes) -> bytes | None:
        """Take `data`. Return None while the message goes on, else what came after it."""
        if self._reason:
            return self._skip(self._rest + data)
        cut = data.rfind(b"\n") + 1
        if cut:
            # A large piece is copied once at most.
            lines = b"".join((self._rest, memoryview(data)[:cut])) if self._rest else data[:cut]
            rest = data[cut:]
        else:
            lines, rest = b"", self._rest + data
        self._rest = rest
        judged = canonical.judge(lines, tables.TEXT_LINE)
        ended = judged.end >= 0
        try:
            self._keep(lines[: judged.end] if ended else lines, judged.dots)
            refusal = self._refusal(judged)
        except MemoryError:
            refusal = tables.NO_MEMORY
        if refusal:
            self._refuse(refusal, lines[1 - len(_END) :] + rest)
        if not ended:
            return None
        after = lines[judged.end + len(canonical.LAST_LINE) :]
        return after + rest

    def _refusal(self, judged: canonical.Judged) -> Reply | None:
        if judged.bare:
            return tables.CLOSING_CONTENT
        if self.size > self._size_limit:
            return tables.TOO_BIG
        # A stuffed dot may be the octet too many.
        return tables.TEXT_LINE_TOO_LONG if judged.long or len(self._rest) > tables.TEXT_LINE + 1 else None

    def _refuse(self, reason: Reply, seen: bytes) -> None:
        """Keep only what the end may have begun with; a line begins before `seen`."""
        self._reason = reason
        self._lines, self._dots = b"", 0
        self._rest = (b"\r\n" + seen)[1 - len(_END) :]

    def _skip(self, data: bytes) -> bytes | None:
        found = data.find(_END)
        if found < 0:
            self._rest = data[1 - len(_END) :]
            return None
        return data[found + len(_END) :]

    def _keep(self, lines: bytes, dots: int) -> None:
        self.size += len(lines) - dots
        self._dots += dots
        if not self._lines:
            self._lines = lines
        else:
            if isinstance(self._lines, bytes):
                self._lines = bytearray(self._lines)
            self._lines += lines
