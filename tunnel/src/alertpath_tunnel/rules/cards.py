# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds payment card numbers: 13 to 19 digits (ISO/IEC 7812-1), in one piece or in groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

# What stands between groups: a blank, a hyphen, or their typographic kin (no-break space, U+2010 to U+2015, U+202F).
# U+0096 and U+0097 are the dashes of windows-1252, as which readers show what is called ISO 8859-1.
_SEPARATOR = r"[ \-\x{96}\x{97}\x{a0}\x{2010}-\x{2015}\x{202f}]"
_RUN: Any = re2.compile(rf"[0-9](?:{_SEPARATOR}?[0-9]){{12,}}".encode())
_GROUP: Any = re2.compile(rb"[0-9]+")
# Where several readings of a run are possible, the length that is most in use wins.
_LENGTHS = (16, 15, 14, 13, 19, 18, 17)


def find_cards(text: bytes, luhn: bool) -> Iterator[tuple[int, int]]:
    """Yield the spans of card numbers in a UTF-8 text, in order. With `luhn`, only those whose check digit is right.

    A number begins and ends where a group of digits does, so digits are never cut out of a longer number.
    """
    for run in _RUN.finditer(text):
        start, end = run.span()
        yield from _in_run(text, start, end, luhn)


def has_luhn(digits: bytes) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1 annex B)."""
    total = 0
    for position, octet in enumerate(reversed(digits)):
        digit = octet - 48
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def _in_run(text: bytes, start: int, end: int, luhn: bool) -> list[tuple[int, int]]:
    groups = [match.span() for match in _GROUP.finditer(text, start, end)]
    taken = [False] * len(groups)
    found: list[tuple[int, int]] = []
    for length in _LENGTHS:
        for first in range(len(groups)):
            last = _window(groups, first, length)
            if last is None or any(taken[first : last + 1]):
                continue
            digits = b"".join(text[begin:stop] for begin, stop in groups[first : last + 1])
            if luhn and not has_luhn(digits):
                continue
            taken[first : last + 1] = [True] * (last + 1 - first)
            found.append((groups[first][0], groups[last][1]))
    return sorted(found)


def _window(groups: list[tuple[int, int]], first: int, length: int) -> int | None:
    """Return the group that ends `length` digits which begin with group `first`."""
    count = 0
    for index in range(first, len(groups)):
        begin, end = groups[index]
        count += end - begin
        if count >= length:
            return index if count == length else None
    return None
