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
        # What is fed is mostly one whole line: kept as it came, it is never copied.
        self._buffer = b""
        self._start = 0  # what stands before has been returned
        self._scanned = 0
        self._dropping = False

    def allow(self, limit: int) -> None:
        """Take lines of `limit` octets from now on."""
        self._limit = limit

    @property
    def pending(self) -> bool:
        return self._start < len(self._buffer)

    def feed(self, data: bytes) -> None:
        if self._start < len(self._buffer):
            self._scanned -= self._start
            self._buffer = self._buffer[self._start :] + data
        else:
            self._scanned = 0
            self._buffer = data
        self._start = 0

    def take_all(self) -> bytes:
        """Return everything held, and forget it."""
        data = self._buffer[self._start :]
        self._keep(b"")
        return data

    def next(self) -> tuple[LineStatus, bytes]:
        """Return the next line without its CRLF."""
        end = self._buffer.find(b"\n", self._scanned) + 1
        if not end:
            return self._incomplete(), b""
        line = self._buffer[self._start : end]
        self._start = self._scanned = end
        length = len(line)
        if length < 2 or line.find(b"\r") != length - 2 or 0 in line:
            return LineStatus.BARE, b""
        if self._dropping or length > self._limit:
            self._dropping = False
            return LineStatus.TOO_LONG, b""
        return LineStatus.COMPLETE, line[:-2]

    def _incomplete(self) -> LineStatus:
        held = self._buffer[self._start :]
        if self._dropping or len(held) > self._limit:
            self._dropping = True
            if 0 in held or b"\r" in held[:-1]:
                return LineStatus.BARE
            # A CR that came last may be the first half of the line's end.
            held = held[-1:]
        self._keep(held)
        return LineStatus.INCOMPLETE

    def _keep(self, held: bytes) -> None:
        self._buffer = held
        self._start = 0
        self._scanned = len(held)
