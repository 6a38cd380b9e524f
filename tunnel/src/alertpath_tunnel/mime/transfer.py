# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer encodings (RFC 2045 6): decoded octets, and the way back to the octets of the message."""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from alertpath_tunnel import edits as editing
from alertpath_tunnel.edits import Edit
from alertpath_tunnel.mime.errors import Ambiguous

_ESCAPE = re.compile(rb"=(?:([0-9A-Fa-f]{2})|[ \t]*\r\n)")
_QUOTED_LINE = 76
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")


class Decoded(Protocol):
    """A body without its transfer encoding."""

    octets: bytes

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        """Return edits of the message that carry out `edits` of `octets`."""


def decode(message: bytes, start: int, end: int, encoding: bytes) -> Decoded:
    """Decode the body from `start` to `end`. Raises Ambiguous."""
    if encoding == b"base64":
        return Base64(message, start, end)
    if encoding == b"quoted-printable":
        return QuotedPrintable(message, start, end)
    return Identity(message, start, end)


class Identity:
    """7bit, 8bit, binary."""

    def __init__(self, message: bytes, start: int, end: int) -> None:
        self._start = start
        self.octets = message[start:end]

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        return [Edit(self._start + edit.start, self._start + edit.end, edit.new) for edit in edits]


class QuotedPrintable:
    """An `=` that begins no escape stands for itself, as readers take it."""

    def __init__(self, message: bytes, start: int, end: int) -> None:
        self._message, self._start, self._end = message, start, end
        # Runs of decoded octets: where each begins when decoded, where in the message, octets of message per octet.
        self._decoded: list[int] = []
        self._raw: list[tuple[int, int]] = []
        pieces: list[bytes] = []
        position, length = start, 0
        for match in _ESCAPE.finditer(message, start, end):
            length = self._run(pieces, position, match.start(), 1, length)
            if match[1]:
                length = self._run(pieces, match.start(), match.end(), 3, length)
            position = match.end()
        self._run(pieces, position, end, 1, length)
        self.octets = b"".join(pieces)

    def _run(self, pieces: list[bytes], start: int, end: int, width: int, length: int) -> int:
        if start == end:
            return length
        self._decoded.append(length)
        self._raw.append((start, width))
        raw = self._message[start:end]
        piece = raw if width == 1 else bytes.fromhex(raw[1:].decode())
        pieces.append(piece)
        return length + len(piece)

    def _span(self, position: int) -> tuple[int, int]:
        """Return where the decoded octet at `position` stands in the message."""
        run = bisect_right(self._decoded, position) - 1
        raw, width = self._raw[run]
        start = raw + (position - self._decoded[run]) * width
        return start, start + width

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        return [self._splice(edit) for edit in edits]

    def _splice(self, edit: Edit) -> Edit:
        """Re-encode one span; its line is broken softly where it would become longer than 76."""
        start, end = self._span(edit.start)[0], self._span(edit.end - 1)[1]
        units = [_quote(octet) for octet in edit.new]
        line_start = max(self._message.rfind(b"\r\n", self._start, start) + 2, self._start)
        line_end = self._message.find(b"\r\n", end, self._end)
        rest = (self._end if line_end < 0 else line_end) - end
        column = start - line_start
        if column + sum(map(len, units)) + rest <= _QUOTED_LINE:
            return Edit(start, end, b"".join(units))
        lines: list[bytes] = [b""]
        for unit in units:
            room = _QUOTED_LINE - 1 - (column if len(lines) == 1 else 0)
            if len(lines[-1]) + len(unit) > room:
                lines.append(b"")
            lines[-1] += unit
        if rest and len(lines[-1]) + rest + (column if len(lines) == 1 else 0) > _QUOTED_LINE:
            lines.append(b"")
        return Edit(start, end, b"=\r\n".join(lines))


def _quote(octet: int) -> bytes:
    return bytes((octet,)) if 33 <= octet <= 126 and octet != 61 else b"=%02X" % octet


class Base64:
    """Canonical base64 alone: readers differ on anything else."""

    def __init__(self, message: bytes, start: int, end: int) -> None:
        self._message, self._start, self._end = message, start, end
        compact = message[start:end].translate(None, b" \t\r\n")
        if len(compact) % 4 or not _BASE64.fullmatch(compact):
            raise Ambiguous("a base64 body that is not canonical")
        self.octets = base64.b64decode(compact)

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        """Re-encode from the line of the first change on: what follows moves by other than three octets."""
        if not edits:
            return []
        raw = self._message[self._start : self._end]
        lines = raw.split(b"\r\n")
        width = len(lines[0]) if lines[0] and len(lines[0]) % 4 == 0 else _QUOTED_LINE
        wanted = edits[0].start // 3 * 4  # characters of base64 that may stay
        kept = position = 0
        for line in lines:
            if len(line) % 4 or line.strip(b" \t") != line or kept + len(line) > wanted:
                break
            kept += len(line)
            position += len(line) + 2
        new = base64.b64encode(editing.apply(self.octets, edits)[kept // 4 * 3 :])
        wrapped = b"\r\n".join(new[at : at + width] for at in range(0, len(new), width))
        return [Edit(self._start + position, self._start + len(raw.rstrip(b" \t\r\n")), wrapped)]
