# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unstructured header fields with encoded words (RFC 2047): decoded, joined, and written again."""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from alertpath_tunnel import edits as editing
from alertpath_tunnel.edits import Edit
from alertpath_tunnel.mime import charsets
from alertpath_tunnel.mime.errors import Ambiguous
from alertpath_tunnel.mime.headers import Header

# Blanks and question marks within a word break RFC 2047 2, and are decoded by common readers all the same. A text ends
# where another word begins, so that no octet is looked at for more than one.
_WORD = re.compile(rb"=\?([!-<>@-~]+)\?([!-<>@-~]+)\?((?:[^?=]|=(?!\?(?!=))|\?(?!=))*)\?=")
_PRINTABLE = re.compile(rb"[ -~]*")
_OCTETS_PER_WORD = 45  # 60 characters of base64, 72 with "=?utf-8?B?" and "?=": RFC 2047 2 allows 75


class HeaderText:
    """The text of one field, and the way from its characters back to the octets of the message."""

    def __init__(self, message: bytes, header: Header) -> None:
        self._message = message
        self._header = header
        self._characters: list[str] = []
        self._spans: list[tuple[int, int, bool]] = []  # of each character: start, end, encoded
        self._read()
        self.text = "".join(self._characters)
        if any(forbidden in self.text for forbidden in "\r\n\0"):
            raise Ambiguous("a line end or NUL within an encoded word")
        self.utf8 = self.text.encode()

    def splices(self, edits: Sequence[Edit]) -> list[Edit]:
        """Return edits of the message that carry out `edits` of `utf8`."""
        plain = self._plain_splices(edits)
        if plain is not None:
            return plain
        text = editing.apply(self.utf8, edits).decode()
        # What is wrong is written as readers showed it.
        text = text.replace(charsets.MARK, "\N{REPLACEMENT CHARACTER}")
        return [Edit(self._spans[0][0], self._spans[-1][1], encode(text))]

    def _plain_splices(self, edits: Sequence[Edit]) -> list[Edit] | None:
        """The same octet by octet, where no encoded word is concerned."""
        offsets = list(accumulate((len(character.encode()) for character in self._characters), initial=0))
        found: list[Edit] = []
        for edit in edits:
            first, last = bisect_left(offsets, edit.start), bisect_left(offsets, edit.end) - 1
            if not _PRINTABLE.fullmatch(edit.new) or any(span[2] for span in self._spans[first : last + 1]):
                return None
            found.append(Edit(self._spans[first][0], self._spans[last][1], edit.new))
        shift = -self._header.start
        moved = [Edit(edit.start + shift, edit.end + shift, edit.new) for edit in found]
        before = self._message[self._header.start : self._header.end]
        # A replacement must not become an encoded word, nor tear one apart.
        after = editing.apply(before, moved)
        return found if len(_WORD.findall(after)) == len(_WORD.findall(before)) else None

    def _read(self) -> None:
        value, positions = self._unfold()
        end, words = 0, self._words(value)
        for first, last, text in words:
            gap = value[end:first]
            if gap.strip(b" \t") or end == 0:
                self._plain(gap, positions[end:first])
            raw = (positions[first], positions[last - 1] + 1, True)
            self._characters.extend(text)
            self._spans.extend([raw] * len(text))
            end = last
        self._plain(value[end:], positions[end:])

    def _unfold(self) -> tuple[bytes, list[int]]:
        """Return the value without folds and surrounding blanks, and where each of its octets stands."""
        start, end = self._header.start, self._header.end
        positions = [at for at in range(start, end) if self._message[at] not in b"\r\n"]
        value = bytes(self._message[at] for at in positions)
        head, tail = len(value) - len(value.lstrip(b" \t")), len(value.rstrip(b" \t"))
        return value[head:tail], positions[head:tail]

    def _words(self, value: bytes) -> list[tuple[int, int, str]]:
        """Return runs of adjacent encoded words of one charset and encoding as start, end and text."""
        runs: list[tuple[int, int, str, bytes]] = []
        for match in _WORD.finditer(value):
            charset = charsets.lookup(match[1].split(b"*", 1)[0])
            octets = _decode_word(match[2].upper(), match[3])
            if runs and not value[runs[-1][1] : match.start()].strip(b" \t") and runs[-1][2] == charset:
                first, _start, _end, before = runs.pop()
                runs.append((first, match.end(), charset, before + octets))
            else:
                runs.append((match.start(), match.end(), charset, octets))
        return [(first, last, _strictly(octets, charset)) for first, last, charset, octets in runs]

    def _plain(self, octets: bytes, positions: Sequence[int]) -> None:
        text, charset = charsets.decode(octets, "utf-8")
        at = 0
        for character in text:
            width = len(character.encode(charset))
            self._characters.append(character)
            self._spans.append((positions[at], positions[at + width - 1] + 1, False))
            at += width


def encode(text: str) -> bytes:
    """Return `text` as encoded words in UTF-8, folded. No character is split (RFC 2047 5)."""
    words: list[bytes] = []
    chunk = b""
    for character in text:
        octets = character.encode()
        if len(chunk) + len(octets) > _OCTETS_PER_WORD:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return b"\r\n ".join(b"=?utf-8?B?" + base64.b64encode(word) + b"?=" for word in words)


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    if encoding == b"Q":
        if re.search(rb"=(?![0-9A-Fa-f]{2})", text):
            raise Ambiguous("an encoded word that cannot be decoded")
        return re.sub(rb"=([0-9A-Fa-f]{2})", lambda hit: bytes.fromhex(hit[1].decode()), text.replace(b"_", b" "))
    if encoding == b"B":
        try:
            return base64.b64decode(text.replace(b" ", b""), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Ambiguous("an encoded word that cannot be decoded")


def _strictly(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset)
    except UnicodeDecodeError:
        raise Ambiguous("an encoded word that is not in its charset") from None
