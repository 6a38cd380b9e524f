# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of whole numbers as ranges: addresses, ports, marks. Pure.

A Spans is a tuple of (first, last), both included, in order, without overlap and without two that touch, so that equal
sets are equal tuples.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Iterable, List, Tuple

Span = Tuple[int, int]
Spans = Tuple[Span, ...]

NONE: Spans = ()


def normal(ranges: Iterable[Span]) -> Spans:
    """Return the set of all numbers in *ranges*, which may overlap and come in any order. Empty ranges are left out."""
    found: List[Span] = []
    end = -2
    for first, last in sorted(ranges):
        if last < first:
            continue
        if first > end + 1:
            found.append((first, last))
            end = last
        elif last > end:
            found[-1] = (found[-1][0], last)
            end = last
    return tuple(found)


def join(one: Spans, other: Spans) -> Spans:
    """Return what is in *one* or in *other*."""
    if not one or not other:
        return one or other
    return normal(one + other)


def meet(one: Spans, other: Spans) -> Spans:
    """Return what is in *one* and in *other*."""
    found: List[Span] = []
    if len(one) > len(other):
        one, other = other, one
    for first, last in one:
        at = max(bisect_right(other, (first, first)) - 1, 0)
        while at < len(other) and other[at][0] <= last:
            low, high = max(first, other[at][0]), min(last, other[at][1])
            if low <= high:
                found.append((low, high))
            at += 1
    return tuple(found)


def invert(spans: Spans, top: int) -> Spans:
    """Return the numbers from 0 to *top* that are not in *spans*."""
    found: List[Span] = []
    start = 0
    for first, last in spans:
        if first > start:
            found.append((start, first - 1))
        start = last + 1
    if start <= top:
        found.append((start, top))
    return tuple(found)


def minus(one: Spans, other: Spans) -> Spans:
    """Return what is in *one* and not in *other*."""
    return meet(one, invert(other, one[-1][1])) if one else NONE


def covers(one: Spans, other: Spans) -> bool:
    """Whether all of *other* is in *one*."""
    return meet(one, other) == other


def touches(one: Spans, other: Spans) -> bool:
    """Whether something is in both."""
    return bool(meet(one, other))


def contains(spans: Spans, number: int) -> bool:
    """Whether *number* is in *spans*."""
    at = bisect_right(spans, (number, number)) - 1
    if at >= 0 and spans[at][1] >= number:
        return True
    return at + 1 < len(spans) and spans[at + 1][0] == number


def single(spans: Spans) -> bool:
    """Whether *spans* is exactly one number."""
    return len(spans) == 1 and spans[0][0] == spans[0][1]
