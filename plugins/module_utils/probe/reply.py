# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP replies (RFC 5321 section 4.2), read from a stream that may be hostile. Sans-I/O."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Tuple

MAX_LINE = 4096
"""RFC 5321 section 4.5.3.1.5 allows 512 octets; some servers send more."""
MAX_LINES = 128
_ENHANCED = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3}(?= |\Z)")
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\Z", re.DOTALL)


class NotSmtp(Exception):
    """The stream holds something that is no SMTP reply. The text shows its beginning."""


class Reply(NamedTuple):
    """A complete reply: its code and the text of its lines."""

    code: int
    lines: Tuple[str, ...]

    @property
    def text(self) -> str:
        """The reply as one line for a reader."""
        return f"{self.code} {' / '.join(self.lines)}"[:300]

    @property
    def enhanced(self) -> Optional[str]:
        """The enhanced status code (RFC 2034, RFC 3463), None where the reply has none of its own class."""
        match = _ENHANCED.match(self.lines[0])
        return match[0] if match and match[1] == str(self.code)[0] else None


def printable(data: bytes, limit: int = 200) -> str:
    """Return *data* as text that is safe to show: printable ASCII, the rest escaped, at most *limit* characters."""
    text = data[:limit].decode("ascii", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)[:limit]


class ReplyReader:
    """Collects octets and gives back whole replies."""

    def __init__(self) -> None:
        self._buffer = b""
        self._code = 0
        self._lines: List[str] = []

    @property
    def partial(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._buffer or self._lines)

    @property
    def pending(self) -> bytes:
        """Octets that do not yet make a line."""
        return self._buffer

    def feed(self, data: bytes) -> None:
        """Add octets as they came from the peer."""
        self._buffer += data

    def next_reply(self) -> Optional[Reply]:
        """Return the next whole reply, or None when more octets are needed. Raises NotSmtp."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if not newline:
                if len(line) > MAX_LINE:
                    raise NotSmtp(f"a line of more than {MAX_LINE} octets: {printable(line, 60)}")
                return None
            self._buffer = rest
            reply = self._take(line.rstrip(b"\r"))
            if reply is not None:
                return reply

    def _take(self, line: bytes) -> Optional[Reply]:
        match = _LINE.match(line)
        if match is None or len(line) > MAX_LINE:
            raise NotSmtp(printable(line, 120) or "an empty line")
        code = int(match[1])
        if self._lines and code != self._code:
            raise NotSmtp(f"a reply that changes its code: {printable(line, 120)}")
        self._code = code
        self._lines.append(printable(match[3] or b""))
        if len(self._lines) > MAX_LINES:
            raise NotSmtp(f"a reply of more than {MAX_LINES} lines")
        if match[2] == b"-":
            return None
        reply = Reply(code, tuple(self._lines))
        self._lines = []
        return reply
