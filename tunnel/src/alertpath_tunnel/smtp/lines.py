# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts a stream of octets into command lines. Only CRLF ends one (RFC 5321 2.3.8)."""

from __future__ import annotations

import enum


class LineStatus(enum.Enum):
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    TOO_LONG = "too long"  # the line was dropped up to its end
    BARE = "bare"  # a CR or LF of its own, or a NUL


class LineReader:
    """Holds at most one line of `limit` octets besides what was pipelined after it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._dropping = False

    @property
    def pending(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take_all(self) -> bytes:
        """Return everything held, and forget it."""
        data = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return data

    def next(self) -> tuple[LineStatus, bytes]:
        """Return the next line without its CRLF."""
        end = self._buffer.find(b"\n", self._scanned)
        if end < 0:
            if self._dropping or len(self._buffer) > self._limit:
                self._dropping = True
                if b"\0" in self._buffer or b"\r" in self._buffer[:-1]:
                    return LineStatus.BARE, b""
                # A CR that came last may be the first half of the line's end.
                del self._buffer[:-1]
            self._scanned = len(self._buffer)
            return LineStatus.INCOMPLETE, b""
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._scanned = 0
        dropping, self._dropping = self._dropping, False
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            return LineStatus.BARE, b""
        if dropping or len(line) > self._limit:
            return LineStatus.TOO_LONG, b""
        return LineStatus.COMPLETE, line[:-2]
