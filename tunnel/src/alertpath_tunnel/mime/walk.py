# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks the parts of a message without recursion, and says where each lies (RFC 2046)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alertpath_tunnel.mime import fields
from alertpath_tunnel.mime.errors import Ambiguous
from alertpath_tunnel.mime.headers import Header, find, read_headers

_LONGEST_BOUNDARY = 70
# Read as messages of their own; message/global: RFC 6532 3.7, message/news: RFC 5537 5.1.
_MESSAGES = (b"message/rfc822", b"message/global", b"message/news")
_REFUSED = (b"message/partial", b"message/external-body")
_OPAQUE = (b"multipart/encrypted", b"application/pkcs7-mime", b"application/x-pkcs7-mime", b"application/pgp-encrypted")


@dataclass(frozen=True, slots=True)
class MimeLimits:
    depth: int
    parts: int
    header_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """A header and the body it describes. Text before the first and after the last part of a multipart has none."""

    headers: tuple[Header, ...]
    type: fields.ContentType
    encoding: bytes
    start: int  # of the body
    end: int
    depth: int
    signed: bool  # within multipart/signed
    opaque: bool  # nobody but the receiver, or an S/MIME reader, can look inside

    @property
    def is_text(self) -> bool:
        return self.type.main in (b"text", b"message")

    @property
    def is_container(self) -> bool:
        return self.type.main == b"multipart" or self.type.name in _MESSAGES


@dataclass(frozen=True, slots=True)
class _Region:
    start: int
    end: int
    depth: int
    signed: bool
    default: fields.ContentType


def walk(message: bytes, limits: MimeLimits) -> list[Part]:
    """Return the parts in the order in which they stand. Raises Ambiguous."""
    parts: list[Part] = []
    stack = [_Region(0, len(message), 0, False, fields.TEXT)]
    while stack:
        region = stack.pop()
        if region.depth > limits.depth:
            raise Ambiguous(f"parts nest deeper than {limits.depth}")
        part = _read(message, region, limits)
        parts.append(part)
        inner: list[_Region] = []
        if part.type.main == b"multipart" and not part.opaque:
            for child in _split(message, part, parts):
                inner.append(child)
                _count(parts, stack, inner, limits)
        elif part.type.name in _MESSAGES:
            inner = [_Region(part.start, part.end, region.depth + 1, part.signed, fields.TEXT)]
        _count(parts, stack, inner, limits)
        stack.extend(reversed(inner))
    return parts


def _count(parts: list[Part], waiting: list[_Region], inner: list[_Region], limits: MimeLimits) -> None:
    if len(parts) + len(waiting) + len(inner) > limits.parts:
        raise Ambiguous(f"more than {limits.parts} parts")


def _read(message: bytes, region: _Region, limits: MimeLimits) -> Part:
    headers, body = read_headers(message, region.start, region.end, limits.header_bytes)
    version = find(headers, b"mime-version")
    if version:
        fields.check_version(version.unfolded(message))
    described = find(headers, b"content-type")
    kind = fields.content_type(described.unfolded(message)) if described else region.default
    encoded = find(headers, b"content-transfer-encoding")
    encoding = fields.transfer_encoding(encoded.unfolded(message)) if encoded else b"7bit"
    part = Part(
        headers=tuple(headers),
        type=kind,
        encoding=encoding,
        start=body,
        end=region.end,
        depth=region.depth,
        signed=region.signed or kind.name == b"multipart/signed",
        opaque=kind.name in _OPAQUE,
    )
    if kind.name in _REFUSED:
        raise Ambiguous(f"a part of type {kind.name.decode()}")
    if part.is_container and encoding not in fields.IDENTITY:
        raise Ambiguous("an encoded multipart or message")
    if part.is_text and encoding not in fields.KNOWN_ENCODINGS:
        raise Ambiguous("a text in an unknown transfer encoding")
    return part


def _split(message: bytes, part: Part, parts: list[Part]) -> Iterator[_Region]:
    """Yield the parts of a multipart, and append to `parts` the texts around them."""
    boundary = part.type.parameters.get(b"boundary", b"")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY or boundary.endswith(b" "):
        raise Ambiguous("a multipart without a usable boundary")
    default = fields.MESSAGE if part.type.sub == b"digest" else fields.TEXT
    begin: int | None = None  # of the part under way
    closed = False
    for start, end, last in _delimiters(message, part, b"--" + boundary):
        if closed:
            raise Ambiguous("a boundary after the last one")
        before = max(start - 2, part.start if begin is None else begin)
        if begin is None:
            parts.append(_around(part, part.start, before))
        else:
            yield _Region(begin, before, part.depth + 1, part.signed, default)
        begin, closed = end, last
    if begin is None:
        raise Ambiguous("a multipart without parts")
    if closed:
        parts.append(_around(part, begin, part.end))
    else:
        yield _Region(begin, part.end, part.depth + 1, part.signed, default)


def _around(part: Part, start: int, end: int) -> Part:
    return Part((), fields.TEXT, b"8bit", start, end, part.depth, part.signed, False)


def _delimiters(message: bytes, part: Part, mark: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield start, end and kind (true: the closing one) of each delimiter line (RFC 2046 5.1.1)."""
    position = message.find(mark, part.start, part.end)
    while position >= 0:
        after = position + len(mark)
        if position == part.start or message[position - 2 : position] == b"\r\n":
            line_end = message.find(b"\r\n", after, part.end)
            end = line_end + 2 if line_end >= 0 else part.end
            rest = message[after:end].strip(b" \t\r\n")
            if rest not in (b"", b"--"):
                # Some readers compare the beginning of a line, others the whole.
                raise Ambiguous("a line that only begins like a boundary")
            yield position, end, rest == b"--"
            after = end
        position = message.find(mark, after, part.end)
