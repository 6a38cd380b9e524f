# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods of data elements. A value goes in, what may be shown comes out.

Letters and digits are what a value is made of; everything else in it is a separator. None of these methods can be
undone: `hash` and `tokenize` are keyed and deterministic, so equal values stay comparable, and small domains collide.
"""

from __future__ import annotations

import hmac
import string
from collections.abc import Callable, Iterator
from hashlib import sha256

from alertpath_tunnel.protect.model import DataElement

Protect = Callable[[str], str]
LEAST_KEY = 16  # octets
_CLASSES = (string.digits, string.ascii_uppercase, string.ascii_lowercase)


class ProtectError(Exception):
    """A value this data element cannot protect."""


def build(element: DataElement, key: bytes) -> Protect:
    """Return the function that protects one value. `key` is not used by `mask`."""
    if element.method == "mask":
        return lambda value: mask(value, element)
    derived = hmac.digest(key, b"alertpath " + element.method.encode(), "sha256")
    if element.method == "hash":
        return lambda value: keyed_hash(value, element, derived)
    return lambda value: tokenize(value, element, derived)


def mask(value: str, element: DataElement) -> str:
    """Replace letters and digits by `character`, all but the first and last few.

    A value too short to hide anything that way is hidden whole.
    """
    count = sum(character.isalnum() for character in value)
    first, last = element.keep_first, element.keep_last
    if first + last >= count:
        first = last = 0
    shown: list[str] = []
    position = 0
    for character in value:
        if character.isalnum():
            clear = position < first or position >= count - last
            shown.append(character if clear else element.character)
            position += 1
        elif element.separators == "keep":
            shown.append(character)
    if not count:
        raise ProtectError("the value holds neither letter nor digit")
    return "".join(shown)


def keyed_hash(value: str, element: DataElement, key: bytes) -> str:
    """Return the first hexadecimal digits of HMAC-SHA-256 over the value, less its separators if they are dropped."""
    return hmac.new(key, _significant(value, element).encode(), sha256).hexdigest()[: element.length]


def tokenize(value: str, element: DataElement, key: bytes) -> str:
    """Return a token of the value's shape: each digit becomes a digit, each letter of a to z a letter of its case.

    The token depends on the key and on all letters and digits of the value, not on its separators.
    """
    significant = _significant(value, element, always=True)
    if not significant.isascii():
        raise ProtectError("only ASCII letters and digits can be tokenized")
    if not significant:
        raise ProtectError("the value holds neither letter nor digit")
    stream = _stream(key, significant.encode())
    token: list[str] = []
    for character in value:
        alphabet = next((letters for letters in _CLASSES if character in letters), None)
        if alphabet is not None:
            token.append(_draw(stream, alphabet))
        elif element.separators == "keep":
            token.append(character)
    return "".join(token)


def _significant(value: str, element: DataElement, always: bool = False) -> str:
    if element.separators == "keep" and not always:
        return value
    return "".join(character for character in value if character.isalnum())


def _stream(key: bytes, seed: bytes) -> Iterator[int]:
    """Yield octets without end: HMAC-SHA-256 over a counter and the seed."""
    counter = 0
    while True:
        yield from hmac.digest(key, counter.to_bytes(8, "big") + seed, "sha256")
        counter += 1


def _draw(stream: Iterator[int], alphabet: str) -> str:
    """Return a character of `alphabet`, each as likely as the others."""
    ceiling = 256 - 256 % len(alphabet)
    octet = next(octet for octet in stream if octet < ceiling)
    return alphabet[octet % len(alphabet)]
