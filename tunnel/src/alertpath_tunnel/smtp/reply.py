# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reply: what it is, how it is written, how it is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_CONTROL: Final = bytes(octet if 32 <= octet < 127 or octet == 9 or octet > 127 else 63 for octet in range(256))
# Code, then a separator and the text, or neither (RFC 5321 4.2). Some servers end their lines by LF alone.
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*?))?\r?\n", re.DOTALL)
# A reply of one line without control characters, which nearly all are.
_PLAIN: Final = re.compile(rb"([2-5][0-9]{2}) ([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")


class BadReply(Exception):
    """The next hop sent what is no reply (RFC 5321 4.2)."""


@dataclass(frozen=True)
class Reply:
    """A code and its text, one item for a line, without CRLF."""

    code: int
    lines: tuple[bytes, ...] = (b"",)

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def octets(self) -> bytes:
        """The reply as it goes on the wire; control characters become `?`, so that no text can end a line."""
        return _written(self.code, self.lines)


# The same few replies go out, and come in, again and again.
@lru_cache(maxsize=256)
def _written(code: int, lines: tuple[bytes, ...]) -> bytes:
    head = str(code).encode()
    clean = [line.translate(_CONTROL) for line in lines] or [b""]
    return b"".join([head + b"-" + line + b"\r\n" for line in clean[:-1]]) + head + b" " + clean[-1] + b"\r\n"


@lru_cache(maxsize=256)
def _plain(octets: bytes) -> Reply | None:
    found = _PLAIN.fullmatch(octets)
    return Reply(int(found[1]), (found[2],)) if found else None


class ReplyReader:
    """Collects the lines of one reply at a time."""

    def __init__(self, line_limit: int, lines_limit: int) -> None:
        self._line_limit = line_limit
        self._lines_limit = lines_limit
        self._buffer = b""
        self._code = 0
        self._lines: list[bytes] = []

    @property
    def pending(self) -> bool:
        """Whether octets lie here that belong to no complete reply yet returned."""
        return bool(self._buffer or self._lines)

    def allow(self, line_limit: int) -> None:
        """Take lines of `line_limit` octets from now on."""
        self._line_limit = line_limit

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> Reply | None:
        """Return the next complete reply, or None. Raises BadReply."""
        if not self._lines and len(self._buffer) <= self._line_limit:
            plain = _plain(self._buffer)
            if plain:
                self._buffer = b""
                return plain
        while end := self._buffer.find(b"\n") + 1:
            line, self._buffer = self._buffer[:end], self._buffer[end:]
            if self._take(line):
                reply = Reply(self._code, tuple(self._lines))
                self._lines = []
                return reply
        if len(self._buffer) > self._line_limit:
            raise BadReply("a reply line is too long")
        return None

    def _take(self, line: bytes) -> bool:
        """Take one line, true when it is the reply's last."""
        if len(line) > self._line_limit:
            raise BadReply("a reply line is too long")
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadReply("a line does not begin with a reply code")
        code, separator, text = int(match[1]), match[2], match[3]
        if self._lines and code != self._code:
            raise BadReply("the code changes within a reply")
        self._code = code
        self._lines.append(text or b"")
        if len(self._lines) > self._lines_limit:
            raise BadReply("a reply has too many lines")
        return separator != b"-"
