# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of plain rules, which only accept, drop or return. Pure.

Rule by rule (OneByOne), a rule for all sources costs as much as there are rows. So in a Run the rows are halved again
and again with the rules that still differ inside, and neighbouring rules that hold for all rows of a half become one:
n rules cost about n log n whatever their order.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from .fold import Folded
from .grid import Grid, Ranges, Rows
from .model import Rule

_PLAIN = ("accept", "drop", "return")
# A run shorter than this, or touching fewer rows, is not worth it.
_LEAST_RULES = 48
_LEAST_ROWS = 150_000


class Tag(NamedTuple):
    """What a group of rules does to a row: the bits it accepts, drops, returns, and those it keeps from later rules."""

    accepted: int
    dropped: int
    returned: int
    kept: int


class Placed(NamedTuple):
    """A tag and the rows it is for, as a half-open range."""

    start: int
    end: int
    tag: Tag


def run_of(rules: Sequence[Folded], start: int) -> int:
    """Return how many rules from *start* on do nothing but accept, drop or return, with nothing unknown."""
    end = start
    while end < len(rules):
        folded = rules[end]
        if folded.rest is not None or folded.unknown:
            break
        if not all(verdict is not None and verdict.name in _PLAIN for _box, verdict in folded.items):
            break
        end += 1
    return end - start


def heavy(grid: Grid, rules: Sequence[Folded], live: Rows) -> bool:
    """Whether going rule by rule would touch very many rows."""
    if len(rules) < _LEAST_RULES:
        return False
    touched = 0
    most = len(live)
    for folded in rules:
        for box, _verdict in folded.items:
            touched += most if box.src is None else min(most, sum(end - start for start, end in grid.ranges(box.src)))
        if touched > _LEAST_ROWS:
            return True
    return False


class Run:
    """What a run of plain rules makes of *live*, which keeps what is left."""

    def __init__(self, grid: Grid, rules: Sequence[Folded], live: Rows) -> None:
        self.accepted: Rows = {}
        self.dropped: Rows = {}
        self.returned: Rows = {}
        placed = self._placed(grid, rules)
        rows = sorted(live)
        if not rows:
            return
        for start, end, tag in self._halved(0, len(grid.rows), placed):
            for row in range(start, end):
                old = live.get(row)
                if old is None:
                    continue
                for kept, bits in (
                    (self.accepted, tag.accepted),
                    (self.dropped, tag.dropped),
                    (self.returned, tag.returned),
                ):
                    if old & bits:
                        kept[row] = old & bits
                rest = old & ~tag.kept
                if rest:
                    live[row] = rest
                else:
                    del live[row]

    def _placed(self, grid: Grid, rules: Sequence[Folded]) -> List[Placed]:
        found = []
        for folded in rules:
            for box, verdict in folded.items:
                ranges = ((0, len(grid.rows)),) if box.src is None else grid.ranges(box.src)
                if not ranges or verdict is None:
                    continue
                bits = grid.bits(box.dst, box.units)
                if not bits:
                    continue
                name = verdict.name
                tag = Tag(
                    bits if name == "accept" else 0,
                    bits if name == "drop" else 0,
                    bits if name == "return" else 0,
                    bits if box.sure else 0,
                )
                found += [Placed(start, end, tag) for start, end in ranges]
        return found

    def _halved(self, low: int, high: int, items: Sequence[Placed]) -> List[Placed]:
        done: List[Placed] = []
        waiting: List[Tuple[int, int, Sequence[Placed]]] = [(low, high, items)]
        while waiting:
            start, end, inside = waiting.pop()
            kept, edges = _condensed(start, end, inside)
            if not edges:
                if kept:
                    done.append(Placed(start, end, kept[0].tag))
                continue
            edges.sort()
            middle = edges[len(edges) // 2]
            waiting += [(start, middle, kept), (middle, end, kept)]
        return done


def _condensed(start: int, end: int, items: Sequence[Placed]) -> Tuple[List[Placed], List[int]]:
    """The items that meet the rows from *start* to *end*, neighbours that hold for all of them as one, and the edges of
    the others inside."""
    kept: List[Placed] = []
    edges: List[int] = []
    whole = False
    for item in items:
        first, last, tag = item
        if last <= start or first >= end:
            continue
        if first <= start and last >= end:
            if whole:
                kept[-1] = Placed(start, end, _after(kept[-1].tag, tag))
            else:
                kept.append(item)
                whole = True
            continue
        whole = False
        kept.append(item)
        if first > start:
            edges.append(first)
        if last < end:
            edges.append(last)
    return kept, edges


def _after(one: Tag, two: Tag) -> Tag:
    kept = one.kept
    return Tag(
        one.accepted | (two.accepted & ~kept),
        one.dropped | (two.dropped & ~kept),
        one.returned | (two.returned & ~kept),
        kept | two.kept,
    )


class OneByOne:
    """What plain rules make of *live*, which keeps what is left, one after the other; *reached*: those that got any."""

    def __init__(self, grid: Grid, rules: Sequence[Folded], live: Rows) -> None:
        self.accepted: Rows = {}
        self.dropped: Rows = {}
        self.returned: Rows = {}
        self.reached: List[Rule] = []
        into = {"accept": self.accepted, "drop": self.dropped, "return": self.returned}
        low, high = grid.src
        for folded in rules:
            met = False
            for (src, dst, units, sure), verdict in folded.items:
                # Most elements of a very long map lie in another grid.
                if src and (src[0][0] > high or src[-1][1] < low):
                    continue
                ranges = None if src is None else grid.ranges(src)
                if verdict is None or ranges == ():
                    continue
                bits = grid.bits(dst, units)
                if bits and _moved(live, into[verdict.name], ranges, bits, sure):
                    met = True
            if met:
                self.reached.append(folded.rule)


def _moved(live: Rows, into: Rows, ranges: Optional[Ranges], bits: int, sure: bool) -> bool:
    """Put what of *live* is in the box *into* that; return whether there was any."""
    if ranges is not None and len(ranges) == 1 and ranges[0][1] - ranges[0][0] == 1:
        rows: Iterable[int] = (ranges[0][0],)
    elif ranges is None or sum(end - start for start, end in ranges) > len(live):
        rows = [row for row in live if ranges is None or any(start <= row < end for start, end in ranges)]
    else:
        rows = [row for start, end in ranges for row in range(start, end) if row in live]
    met = False
    for row in rows:
        old = live.get(row, 0)
        both = old & bits
        if not both:
            continue
        met = True
        kept = into.get(row)
        into[row] = both if kept is None else kept | both
        if sure:
            rest = old ^ both
            if rest:
                live[row] = rest
            else:
                del live[row]
    return met
