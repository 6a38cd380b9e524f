# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Header fields as spans (RFC 5322 2.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from alertpath_tunnel.mime.errors import Ambiguous

_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
# Readers differ in which of two they believe.
_ONCE = (
    b"subject",
    b"content-type",
    b"content-transfer-encoding",
    b"content-disposition",
    b"mime-version",
)


@dataclass(frozen=True, slots=True)
class Header:
    """One field: its name in lower case, and where its value lies: after the colon, before the CRLF at its end."""

    name: bytes
    start: int
    end: int

    def unfolded(self, message: bytes) -> bytes:
        """Return the value without the line breaks of folding (RFC 5322 2.2.3)."""
        return message[self.start : self.end].replace(b"\r\n", b"")


def read_headers(message: bytes, start: int, end: int, limit: int) -> tuple[list[Header], int]:
    """Return the fields that begin at `start`, and where the body begins. Raises Ambiguous."""
    if message.startswith(b"\r\n", start) or start >= end:
        return [], min(start + 2, end)
    blank = message.find(b"\r\n\r\n", start, end)
    stop, body = (blank + 2, blank + 4) if blank >= 0 else (end, end)
    if stop - start > limit:
        raise Ambiguous(f"a header of more than {limit} octets")
    headers: list[Header] = []
    position = start
    while position < stop:
        following = message.find(b"\r\n", position, stop)
        line_end = following if following >= 0 else stop
        if message[position] in b" \t":
            if not headers or not message[position:line_end].strip(b" \t"):
                raise Ambiguous("a continuation line without content, or without a field")
            headers[-1] = Header(headers[-1].name, headers[-1].start, line_end)
        else:
            match = _NAME.match(message, position, line_end)
            if match is None:
                raise Ambiguous("a line in the header that is no field")
            headers.append(Header(match[1].lower(), match.end(), line_end))
        position = line_end + 2
    for name in _ONCE:
        if sum(header.name == name for header in headers) > 1:
            raise Ambiguous(f"more than one {name.decode()}")
    return headers, body


def find(headers: Sequence[Header], name: bytes) -> Header | None:
    """Return the field called `name` (lower case)."""
    return next((header for header in headers if header.name == name), None)
