# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a message, each with its way back: the whole message is never written again, only spans of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from alertpath_tunnel import edits as editing
from alertpath_tunnel.edits import Edit
from alertpath_tunnel.mime import charsets, transfer
from alertpath_tunnel.mime.errors import Ambiguous
from alertpath_tunnel.mime.walk import MimeLimits, Part, walk
from alertpath_tunnel.mime.words import HeaderText

_CLEARSIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"


class Unwritable(Exception):
    """A changed text that cannot be written back; the text of the error holds no content."""


class Text(Protocol):
    """A text of the message in UTF-8."""

    utf8: bytes

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        """Return edits of the message that carry out `edits` of `utf8`. Raises Unwritable."""


class BodyText:
    """The text of a part."""

    def __init__(self, message: bytes, part: Part) -> None:
        self._decoded = transfer.decode(message, part.start, part.end, part.encoding)
        octets = self._decoded.octets
        if b"\0" in octets:
            raise Ambiguous("NUL in a text")
        label = charsets.lookup(part.type.parameters.get(b"charset", b""))
        text, self._charset = charsets.decode(octets, label)
        self._direct = self._charset == "utf-8"
        self._ascii_only = label == "ascii"
        self._text = "" if self._direct else text
        # Without a mark the octets are the text's, and not held twice.
        self.utf8 = octets if self._direct and charsets.MARK not in text else text.encode()

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        if self._direct:
            if self._ascii_only and not all(edit.new.isascii() for edit in edits):
                raise Unwritable("a replacement is not in the charset of its part")
            return self._decoded.splices(edits)
        try:
            return self._decoded.splices(self._recoded(edits))
        except UnicodeEncodeError:
            raise Unwritable("a replacement is not in the charset of its part") from None

    def _recoded(self, edits: Sequence[Edit]) -> list[Edit]:
        """Return `edits` of the UTF-8 text as edits of the text in its own charset."""
        octets = self._decoded.octets
        if charsets.is_stateful(self._charset):
            text = editing.apply(self.utf8, edits).decode()
            return [Edit(0, len(octets), text.encode(self._charset))]
        if self._text.encode(self._charset) != octets:
            raise Unwritable("a text that does not encode back to its octets")
        found: list[Edit] = []
        at = position = 0  # in UTF-8, and in the charset
        for edit in edits:
            position += len(self.utf8[at : edit.start].decode().encode(self._charset))
            end = position + len(self.utf8[edit.start : edit.end].decode().encode(self._charset))
            found.append(Edit(position, end, edit.new.decode().encode(self._charset)))
            at, position = edit.end, end
        return found


class Located:
    """A text, the field of the SMTP Message payload it belongs to, and what was done to it so far."""

    def __init__(self, field: str, text: Text, signed: bool) -> None:
        self.field = field
        self.signed = signed
        self.current = text.utf8
        self._text = text
        self._edits: list[Edit] = []

    def change(self, edits: Sequence[Edit]) -> None:
        """Carry out `edits` of `current`."""
        self.current = editing.apply(self.current, edits)
        self._edits = editing.compose(self._edits, edits)

    @property
    def changed(self) -> bool:
        return bool(self._edits)

    def splices(self) -> list[Edit]:
        return self._text.splices(self._edits)


class MessageView:
    """A message as its texts."""

    def __init__(self, message: bytes, limits: MimeLimits) -> None:
        self._message = message
        self._limits = limits
        self._parts = walk(message, limits)
        leaves = [part for part in self._parts if not part.is_container]
        self.opaque = sum(part.opaque for part in self._parts)
        self.attachments = sum(not part.is_text and not part.opaque for part in leaves)

    def texts(self) -> list[Located]:
        """Return every subject and every text body. Raises Ambiguous."""
        found: list[Located] = []
        for part in self._parts:
            found.extend(
                Located("subject", HeaderText(self._message, header), part.signed)
                for header in part.headers
                if header.name == b"subject" and self._message[header.start : header.end].strip()
            )
            if part.is_text and not part.is_container and part.start < part.end:
                body = BodyText(self._message, part)
                found.append(Located("body", body, part.signed or _CLEARSIGNED in body.utf8))
        return found

    def rewritten(self, texts: Sequence[Located]) -> bytes:
        """Return the message with the changes of `texts`. Raises Unwritable when it would not be the same message."""
        splices = [splice for text in texts if text.changed for splice in text.splices()]
        splices.sort(key=lambda splice: splice.start)
        result = editing.apply(self._message, splices)
        try:
            after = walk(result, self._limits)
        except Ambiguous as error:
            raise Unwritable(f"the changed message would hold {error}") from None
        if [_shape(part) for part in after] != [_shape(part) for part in self._parts]:
            raise Unwritable("the changed message would have other parts")
        return result


def _shape(part: Part) -> tuple[object, ...]:
    return (part.type, part.encoding, part.depth, [header.name for header in part.headers])
