# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A painted grid: sources cut into rows, destinations into columns, a whole row of all units as one number. Pure.

Cut at every address that some rule mentions, all packets of a cell fare alike. Whole numbers of any length make set
algebra over thousands of cells one operation, so neither crossing strips nor interleaved verdicts make it explode.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from .spans import Span, Spans, normal

Rows = Dict[int, int]
"""Row → its bits, of which none is without."""
Ranges = Tuple[Tuple[int, int], ...]

# Above so many ranges a mask is made from bytes in one go instead of range by range.
_MANY = 64


class Mention(NamedTuple):
    """Addresses that something mentions together; None for any."""

    src: Optional[Spans]
    dst: Optional[Spans]


class Grid:
    """The cells of one IP version, for sources in *src* and destinations in *dst*, cut at *mentions*."""

    def __init__(self, src: Span, dst: Span, mentions: Iterable[Mention], units: int) -> None:
        self.src, self.dst = src, dst
        near = list(mentions)
        self.rows = _edges(src, (item.src for item in near))
        self.columns = _edges(dst, (item.dst for item in near))
        self.units = units
        self.width = len(self.columns)
        self.full = (1 << (self.width * units)) - 1
        self._row_at = {edge: at for at, edge in enumerate(self.rows)}
        self._column_at = {edge: at for at, edge in enumerate(self.columns)}
        self._spread: Dict[int, int] = {}
        self._masks: Dict[Tuple[int, int], Tuple[Spans, int]] = {}

    def everything(self, units: int) -> Rows:
        """Return all cells of *units*."""
        bits = self.bits(None, units)
        return dict.fromkeys(range(len(self.rows)), bits) if bits else {}

    def ranges(self, src: Spans) -> Ranges:
        """Return the rows of *src* as half-open ranges."""
        low, high = self.src
        at, count = self._row_at, len(self.rows)
        if len(src) == 1:
            ((first, last),) = src
            if last < low or first > high:
                return ()
            return ((0 if first <= low else at[first], count if last >= high else at[last + 1]),)
        found = []
        for first, last in src:
            if last < low or first > high:
                continue
            start = 0 if first <= low else at[first]
            end = count if last >= high else at[last + 1]
            found.append((start, end))
        return tuple(found)

    def bits(self, dst: Optional[Spans], units: int) -> int:
        """Return the bits of a row whose destination is in *dst* (None: any) and whose unit is in *units*."""
        spread = self._spread.get(units)
        if spread is None:
            spread = 0
            for unit in range(self.units):
                if units >> unit & 1:
                    spread |= 1 << (unit * self.width)
            self._spread[units] = spread
        if dst is None:
            return (spread << self.width) - spread
        low, high = self.dst
        if len(dst) == 1:
            ((first, last),) = dst
            if last < low or first > high:
                return 0
            start = 0 if first <= low else self._column_at[first]
            end = self.width if last >= high else self._column_at[last + 1]
            return (spread << end) - (spread << start)
        kept = self._masks.get((id(dst), units))
        if kept is None:
            # The set itself is kept too, so that its id cannot become another's.
            kept = self._masks[id(dst), units] = (dst, self._many(dst) * spread)
        return kept[1]

    def _many(self, dst: Spans) -> int:
        low, high = self.dst
        pairs = []
        for first, last in dst[max(bisect_right(dst, (low, low)) - 1, 0) :]:
            if first > high:
                break
            if last >= low:
                start = 0 if first <= low else self._column_at[first]
                pairs.append((start, self.width if last >= high else self._column_at[last + 1]))
        if len(pairs) < _MANY:
            return sum((1 << end) - (1 << start) for start, end in pairs)
        digits = bytearray(b"0" * self.width)
        for start, end in pairs:
            digits[start:end] = b"1" * (end - start)
        digits.reverse()
        return int(bytes(digits), 2)

    def row_of(self, source: int) -> int:
        """Return the row in which *source* lies."""
        return bisect_right(self.rows, source) - 1

    def column_of(self, destination: int) -> int:
        """Return the column in which *destination* lies."""
        return bisect_right(self.columns, destination) - 1

    def row_span(self, row: int) -> Span:
        """Return the sources of *row*."""
        return self.rows[row], (self.rows[row + 1] - 1 if row + 1 < len(self.rows) else self.src[1])

    def columns_of(self, bits: int, unit: int) -> Spans:
        """Return the destinations that *bits* holds for *unit*."""
        part = bits >> (unit * self.width) & ((1 << self.width) - 1)
        found: List[Span] = []
        at = 0
        while part:
            skip = (part & -part).bit_length() - 1
            part >>= skip
            at += skip
            length = (~part & (part + 1)).bit_length() - 1
            end = at + length
            found.append((self.columns[at], self.columns[end] - 1 if end < self.width else self.dst[1]))
            part >>= length
            at = end
        return normal(found)


def _edges(block: Span, mentioned: Iterable[Optional[Spans]]) -> List[int]:
    low, high = block
    found = {edge for spans in mentioned if spans for first, last in spans for edge in (first, last + 1)}
    found.add(low)
    ordered = sorted(found)
    return ordered[bisect_left(ordered, low) : bisect_right(ordered, high)]


class Block(NamedTuple):
    """Sources of which one grid is made, and what concerns them."""

    span: Span
    near: Sequence[Mention]


def blocks(src: Span, mentions: Iterable[Mention], units: int, limit: int) -> List[Block]:
    """Cut *src* into blocks whose grids have about *limit* bits at most, as far as cutting makes them smaller."""
    every = list(dict.fromkeys(mentions))
    rows = _edges(src, (item.src for item in every))
    found: List[Block] = []
    waiting = [(0, len(rows), every)]
    while waiting:
        start, end, near = waiting.pop()
        block = (rows[start], rows[end] - 1 if end < len(rows) else src[1])
        columns = 1 + 2 * len({item.dst for item in near})
        if end - start < 32 or (end - start) * columns * units <= limit:
            found.append(Block(block, near))
            continue
        middle = (start + end) // 2
        edge = rows[middle]
        waiting.append((middle, end, [item for item in near if item.src is None or item.src[-1][1] >= edge]))
        waiting.append((start, middle, [item for item in near if item.src is None or item.src[0][0] < edge]))
    return found


def merge(into: Rows, other: Rows) -> None:
    """Add *other* to *into*."""
    if not into:
        into.update(other)
        return
    get = into.get
    for row, bits in other.items():
        old = get(row)
        into[row] = bits if old is None else old | bits


def take(live: Rows, ranges: Optional[Ranges], bits: int, sure: bool) -> Rows:
    """Return what of *live* is in the box of *ranges* (None: all rows) and *bits*, and when *sure* take it out."""
    taken: Rows = {}
    if ranges is None:
        for row, old in live.items():
            both = old & bits
            if both:
                taken[row] = both
    else:
        get = live.get
        for start, end in ranges:
            if end - start > len(live):
                for row, old in live.items():
                    if start <= row < end:
                        both = old & bits
                        if both:
                            taken[row] = both
                continue
            for row in range(start, end):
                both = get(row, 0) & bits
                if both:
                    taken[row] = both
    if sure:
        for row, both in taken.items():
            rest = live[row] ^ both
            if rest:
                live[row] = rest
            else:
                del live[row]
    return taken


def without(rows: Rows, other: Rows) -> Rows:
    """Return what is in *rows* and not in *other*."""
    found = {}
    for row, bits in rows.items():
        rest = bits & ~other.get(row, 0)
        if rest:
            found[row] = rest
    return found


def limited(rows: Rows, bits: int) -> Rows:
    """Return what of *rows* is in *bits*."""
    return {row: both for row, old in rows.items() for both in (old & bits,) if both}
