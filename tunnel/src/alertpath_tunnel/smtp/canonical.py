# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a message on the wire: CRLF alone ends a line, a lone dot ends the message (RFC 5321 2.3.8, 4.5.2)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import re2

_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1  # an octet is a character, whatever it is
# In whole lines: a CR or LF of its own, NUL, a line that begins with a dot. One pass in linear time.
_ODD: Final = re2.compile(rb"\r[^\n]|[^\r]\n|\x00|\n\.", _OPTIONS)
_SHORT: Final = 4096  # octets; to set that pass up takes longer than a few over so little
LAST_LINE: Final = b".\r\n"
"""Ends the data (RFC 5321 4.1.1.4)."""

has_control: Final = re.compile(rb"[\x00-\x1f\x7f]").search
"""Whether a line has a control character. Octets in, a match or None out."""


class NotCanonical(Exception):
    """Octets that must not go on the wire as they are."""


def has_bare(content: bytes) -> bool:
    """Whether a CR or LF stands outside a CRLF, or a NUL anywhere."""
    pairs = content.count(b"\r\n")
    return content.count(b"\n") != pairs or content.count(b"\r") != pairs or 0 in content


def has_long_line(content: bytes, limit: int) -> bool:
    """Whether a line is longer than `limit` octets, CRLF included."""
    start, end = 0, len(content)
    while end - start > limit:
        newline = content.rfind(b"\n", start, start + limit)
        if newline < 0:
            return True
        start = newline + 1
    return False


class Judged(NamedTuple):
    """What stands in whole lines as they came, up to the line that ends the data."""

    end: int  # where that line begins, -1 without one
    dots: int  # lines before it that begin with a dot
    bare: bool
    long: bool


def judge(lines: bytes, limit: int) -> Judged:
    """Judge `lines`, which begin at the start of a line and end with an LF; none may be longer than `limit` octets,
    CRLF included, the stuffed dot not."""
    if len(lines) > _SHORT and lines[:1] not in (b".", b"\n"):
        odd = _ODD.search(lines)
        if odd is None:
            return Judged(-1, 0, False, has_long_line(lines, limit))
        if odd.start() == len(lines) - len(LAST_LINE) - 1 and lines.endswith(b"\n" + LAST_LINE):
            # Nothing is odd but the end.
            return Judged(len(lines) - len(LAST_LINE), 0, False, has_long_line(lines, limit))
    if lines.startswith(LAST_LINE):
        end = 0
    else:
        found = lines.find(b"\r\n" + LAST_LINE)
        end = found + 2 if found >= 0 else -1
    body = lines if end < 0 else lines[:end]
    dots = body.count(b"\n.") + body.startswith(b".")
    return Judged(end, dots, has_bare(body), has_long_line(unstuff(body) if dots else body, limit))


def check(content: bytes, limit: int) -> None:
    """Raise NotCanonical unless `content` is whole lines of at most `limit` octets, each ended by CRLF."""
    if has_bare(content):
        raise NotCanonical("a bare CR, LF or NUL in the message")
    if content and not content.endswith(b"\r\n"):
        raise NotCanonical("the message does not end with CRLF")
    if has_long_line(content, limit):
        raise NotCanonical(f"a line of the message is longer than {limit} octets")


def stuff(content: bytes) -> bytes:
    """Return `content` with a dot before each line that begins with one, and the line that ends the data."""
    head = b"." if content.startswith(b".") else b""
    return with_end(head + content.replace(b"\r\n.", b"\r\n.."))


def with_end(stuffed: bytes) -> bytes:
    """Return `stuffed` with the line that ends the data."""
    return stuffed + LAST_LINE


def unstuff(stuffed: bytes) -> bytes:
    """Return the message without the stuffed dots; the line that ends the data is not part of `stuffed`."""
    return stuffed.removeprefix(b".").replace(b"\r\n.", b"\r\n")


def command(verb: bytes, argument: bytes = b"") -> bytes:
    """Return one command line. Raises NotCanonical when the argument could end it early."""
    line = verb + b" " + argument if argument else verb
    if has_control(line):
        raise NotCanonical("a control character in a command")
    return line + b"\r\n"
