# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Content-Type, Content-Transfer-Encoding and MIME-Version (RFC 2045). What readers disagree on is ambiguous."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from alertpath_tunnel.mime.errors import Ambiguous

_TOKEN = rb"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]+"
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb")/(" + _TOKEN + rb")\s*(?=;|$)")
_PARAMETER = re.compile(rb"\s*([^\s=;\"]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\"]*))\s*(?=;|$)", re.DOTALL)
_DECIDING = (b"boundary", b"charset")
_PLAIN_VALUE = re.compile(rb"[!-~]+")
IDENTITY = (b"7bit", b"8bit", b"binary")
KNOWN_ENCODINGS = (*IDENTITY, b"quoted-printable", b"base64")


@dataclass(frozen=True, slots=True)
class ContentType:
    main: bytes
    sub: bytes
    parameters: Mapping[bytes, bytes]

    @property
    def name(self) -> bytes:
        return self.main + b"/" + self.sub


TEXT = ContentType(b"text", b"plain", {})
MESSAGE = ContentType(b"message", b"rfc822", {})


def without_comments(value: bytes) -> bytes:
    """Return a structured value without its comments (RFC 5322 3.2.2). Raises Ambiguous when one does not end."""
    if b"(" not in value and b")" not in value:
        return value
    kept = bytearray()
    depth, quoted, escaped = 0, False, False
    for octet in value:
        character = bytes((octet,))
        if escaped:
            escaped = False
        elif character == b"\\" and (quoted or depth):
            escaped = True
        elif character == b'"' and not depth:
            quoted = not quoted
        elif character == b"(" and not quoted:
            depth += 1
        elif character == b")" and not quoted:
            depth -= 1
            if depth < 0:
                raise Ambiguous("a comment that does not begin")
            continue
        if not depth:
            kept.append(octet)
    if depth or quoted:
        raise Ambiguous("a comment or a quoted string that does not end")
    return bytes(kept)


def content_type(value: bytes) -> ContentType:
    """Read the unfolded value of Content-Type. Raises Ambiguous."""
    value = without_comments(value)
    match = _TYPE.match(value)
    if match is None:
        raise Ambiguous("a Content-Type that cannot be read")
    parameters: dict[bytes, bytes] = {}
    position = match.end()
    while position < len(value):
        position += 1  # the semicolon
        if not value[position:].split(b";", 1)[0].strip():
            position += len(value[position:].split(b";", 1)[0])
            continue
        found = _PARAMETER.match(value, position)
        if found is None:
            raise Ambiguous("a parameter of Content-Type that cannot be read")
        _add(parameters, found[1].lower(), found[2], found[3])
        position = found.end()
    return ContentType(match[1].lower(), match[2].lower(), parameters)


def _add(parameters: dict[bytes, bytes], name: bytes, quoted: bytes | None, plain: bytes | None) -> None:
    base = name.split(b"*", 1)[0]
    if base in _DECIDING and (base != name or name in parameters):
        raise Ambiguous(f"{base.decode()} in pieces or twice")
    if quoted is not None:
        value = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL)
    else:
        value = (plain or b"").strip()
        if base in _DECIDING and not _PLAIN_VALUE.fullmatch(value):
            raise Ambiguous(f"a {base.decode()} that cannot be read")
    parameters[name] = value


def transfer_encoding(value: bytes) -> bytes:
    """Return the encoding in lower case; an unknown one is returned as it stands, for the caller to judge."""
    return without_comments(value).strip().lower()


def check_version(value: bytes) -> None:
    """Raise Ambiguous unless MIME-Version is 1.0 (RFC 2045 4)."""
    if re.sub(rb"\s+", b"", without_comments(value)) != b"1.0":
        raise Ambiguous("a MIME-Version other than 1.0")
