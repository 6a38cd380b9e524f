# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of a message on the wire: CRLF alone ends a line, a lone dot ends the message (RFC 5321 2.3.8, 4.5.2)."""

from __future__ import annotations


class NotCanonical(Exception):
    """Octets that must not go on the wire as they are."""


def has_bare(content: bytes) -> bool:
    """Whether a CR or LF stands outside a CRLF, or a NUL anywhere."""
    pairs = content.count(b"\r\n")
    return content.count(b"\n") != pairs or content.count(b"\r") != pairs or b"\0" in content


def has_long_line(content: bytes, limit: int) -> bool:
    """Whether a line is longer than `limit` octets, CRLF included."""
    start, end = 0, len(content)
    while end - start > limit:
        newline = content.rfind(b"\n", start, start + limit)
        if newline < 0:
            return True
        start = newline + 1
    return False


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
    return head + content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def unstuff(stuffed: bytes) -> bytes:
    """Return the message without the stuffed dots; the line that ends the data is not part of `stuffed`."""
    return stuffed.removeprefix(b".").replace(b"\r\n.", b"\r\n")


def command(verb: bytes, argument: bytes = b"") -> bytes:
    """Return one command line. Raises NotCanonical when the argument could end it early."""
    line = verb + b" " + argument if argument else verb
    if any(octet < 32 or octet == 127 for octet in line):
        raise NotCanonical("a control character in a command")
    return line + b"\r\n"
