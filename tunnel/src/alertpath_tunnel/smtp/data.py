# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receives one message: finds CRLF.CRLF and nothing else, and judges what came before it."""

from __future__ import annotations

from alertpath_tunnel.smtp import canonical, tables
from alertpath_tunnel.smtp.reply import Reply

_END = b"\r\n.\r\n"


class DataReader:
    """Takes octets after the 354; `reply` tells why a complete message must be refused."""

    def __init__(self, size_limit: int) -> None:
        self._size_limit = size_limit
        # Stuffing makes a message of lone dots a third longer; the exact size is judged without it.
        self._raw_limit = size_limit + size_limit // 3 + len(_END)
        # The 354's line end counts as the CRLF before a message that is empty (RFC 5321 4.1.1.4).
        self._raw = bytearray(b"\r\n")
        self._seen = 0
        self._reason: Reply | None = None
        self.content = b""

    @property
    def held(self) -> int:
        """Octets held."""
        return len(self._raw)

    @property
    def reply(self) -> Reply | None:
        """The refusal, once the message is complete; None when it stands."""
        return self._reason

    def discard(self, reason: Reply) -> None:
        """Receive the rest without keeping it, and refuse the message with `reason`."""
        self._reason = self._reason or reason
        del self._raw[: -len(_END) + 1]
        self._seen = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take `data`. Return None while the message goes on, else what came after it."""
        self._raw += data
        found = self._raw.find(_END, self._seen)
        if found < 0:
            self._seen = max(0, len(self._raw) - len(_END) + 1)
            if self._reason or len(self._raw) > self._raw_limit:
                self.discard(tables.TOO_BIG)
            return None
        rest = bytes(self._raw[found + len(_END) :])
        if self._reason is None:
            self._finish(bytes(memoryview(self._raw)[2 : found + 2]))
        self._raw = bytearray()
        return rest

    def _finish(self, stuffed: bytes) -> None:
        if canonical.has_bare(stuffed):
            self._reason = tables.CLOSING_CONTENT
            return
        content = canonical.unstuff(stuffed)
        if len(content) > self._size_limit:
            self._reason = tables.TOO_BIG
        elif canonical.has_long_line(content, tables.TEXT_LINE):
            self._reason = tables.TEXT_LINE_TOO_LONG
        else:
            self.content = content
