# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes the charsets mail is written in, and finds the way back from a text to its octets."""

from __future__ import annotations

import codecs
import encodings
from encodings.aliases import aliases

from alertpath_tunnel.mime.errors import Ambiguous

_SINGLE = (
    *(f"iso8859-{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
    *(f"cp{number}" for number in range(1250, 1259)),
    "koi8-r",
    "koi8-u",
    "mac-roman",
    "tis-620",
)
_MULTI = ("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949")
_STATEFUL = ("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_3", "iso2022_kr", "hz")
_KNOWN = frozenset(("ascii", "utf-8", *_SINGLE, *_MULTI, *_STATEFUL))
# Labels whose text is, in practice, that of a larger charset.
_WIDER = {"gb2312": "gbk", "shift_jis": "cp932", "euc_kr": "cp949"}
# Codecs that a label may name. Python keeps every other name it is asked for, too, for ever.
_CODECS = frozenset((*aliases.values(), *map(encodings.normalize_encoding, _KNOWN)))
MARK = "\x1a"
"""What an octet that is wrong is read as (SUB of ISO 646)."""
_MARKED = "alertpath-marked"


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return MARK * (error.end - error.start), error.end


codecs.register_error(_MARKED, _mark)


def lookup(label: bytes) -> str:
    """Return Python's name of the charset `label`. Raises Ambiguous for what mail does not use."""
    try:
        plain = encodings.normalize_encoding(label.decode("ascii").lower() or "us-ascii")
        codec = aliases.get(plain, plain)
        name = codecs.lookup(codec).name if codec in _CODECS else ""
    except (LookupError, UnicodeDecodeError):
        # Codecs of other systems are among the aliases.
        name = ""
    if name not in _KNOWN:
        raise Ambiguous("a charset that is not known")
    return _WIDER.get(name, name)


def decode(octets: bytes, charset: str) -> tuple[str, str]:
    """Return the text, and the charset by which it was read.

    ASCII and UTF-8 that are neither are read as ISO 8859-1, which maps every octet: nothing is dropped, and what is
    ASCII in them stays visible to the rules. Where characters of UTF-8 stand among them they are read as UTF-8, as
    readers show them, with a mark of one octet for each that is wrong. Raises Ambiguous where an octet could belong to
    two characters.
    """
    if charset in ("ascii", "utf-8"):
        text = octets.decode("utf-8", _MARKED)
        if octets.isascii() or not text.isascii():
            return text, "utf-8"
        return octets.decode("iso8859-1"), "iso8859-1"
    try:
        return octets.decode(charset), charset
    except UnicodeDecodeError:
        if charset in _SINGLE:
            return octets.decode("iso8859-1"), "iso8859-1"
    raise Ambiguous("a text that is not in its charset")


def is_stateful(charset: str) -> bool:
    """Whether octets of this charset mean different things in different places."""
    return charset in _STATEFUL
