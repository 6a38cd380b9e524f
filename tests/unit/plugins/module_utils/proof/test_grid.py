# SPDX-License-Identifier: GPL-3.0-or-later
"""Cells and rectangles against plain sets of points."""

from __future__ import annotations

from itertools import pairwise

from ansible_collections.alertpath.smtp.plugins.module_utils.proof.grid import Grid, Mention, blocks, take, without
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.rectangles import count, rectangles
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.spans import normal
from hypothesis import given
from hypothesis import strategies as st

TOP = 11
WHOLE = (0, TOP)
SPANS = st.lists(st.tuples(st.integers(0, TOP), st.integers(0, 4)), min_size=1, max_size=3).map(
    lambda ranges: normal((first, min(first + size, TOP)) for first, size in ranges)
)
BOXES = st.lists(st.tuples(st.none() | SPANS, st.none() | SPANS, st.integers(1, 3)), max_size=5)


def inside(box, source: int, destination: int, unit: int) -> bool:
    src, dst, units = box
    held = [spans is None or any(f <= n <= t for f, t in spans) for spans, n in ((src, source), (dst, destination))]
    return all(held) and bool(units >> unit & 1)


def points(grid: Grid, rows: dict[int, int]) -> set[tuple[int, int, int]]:
    return {
        (source, destination, unit)
        for source in range(grid.src[0], grid.src[1] + 1)
        for destination in range(TOP + 1)
        for unit in range(2)
        if rows.get(grid.row_of(source), 0) >> (unit * grid.width + grid.column_of(destination)) & 1
    }


@given(BOXES, st.integers(0, TOP), st.integers(0, 5))
def test_what_is_taken_is_what_the_boxes_hold(boxes, start, size) -> None:
    src = (start, min(start + size, TOP))
    grid = Grid(src, WHOLE, [Mention(a, b) for a, b, _units in boxes], 2)
    live = grid.everything(3)
    universe = points(grid, live)
    assert universe == {(s, d, u) for s in range(src[0], src[1] + 1) for d in range(TOP + 1) for u in range(2)}
    for box in boxes:
        ranges = None if box[0] is None else grid.ranges(box[0])
        if ranges == ():
            continue
        wanted = {point for point in points(grid, live) if inside(box, *point)}
        taken = take(live, ranges, grid.bits(box[1], box[2]), True)
        assert points(grid, taken) == wanted
        universe -= wanted
        assert points(grid, live) == universe
        assert all(live.values())


@given(BOXES)
def test_rectangles_hold_each_cell_once(boxes) -> None:
    grid = Grid(WHOLE, WHOLE, [Mention(a, b) for a, b, _units in boxes], 1)
    rest = grid.everything(1)
    for src, dst, _units in boxes:
        take(rest, None if src is None else grid.ranges(src), grid.bits(dst, 1), True)
    found = list(rectangles(4, grid, rest))
    cells = [
        (s, d, 0)
        for item in found
        for s in range(item.src[0], item.src[1] + 1)
        for d in range(item.dst[0], item.dst[1] + 1)
    ]
    assert len(cells) == len(set(cells)) == sum(item.size for item in found)
    assert set(cells) == {point for point in points(grid, rest) if point[2] == 0}
    assert count(grid, rest) == len(found)
    assert without(rest, rest) == {}


@given(BOXES, st.integers(1, 40))
def test_blocks_cover_all_sources_once(boxes, limit) -> None:
    mentions = [Mention(a, b) for a, b, _units in boxes]
    found = sorted(blocks((0, 1000), mentions, 1, limit), key=lambda block: block.span)
    cuts = [block.span for block in found]
    for (low, high), near in found:
        edges = [(a, b) for a, b in mentions if a is None or any(f <= high and t >= low for f, t in a)]
        assert set(edges) <= set(near), "each block knows all that concerns its sources"
    assert cuts[0][0] == 0
    assert cuts[-1][1] == 1000
    assert all(one[1] + 1 == two[0] for one, two in pairwise(cuts))


def test_many_rows_are_cut() -> None:
    mentions = [Mention(((number, number),), ((number * 7, number * 7),)) for number in range(0, 1000, 3)]
    assert len(blocks((0, 1000), mentions, 1, 2000)) > 4


def test_a_mask_of_many_ranges_is_that_of_each() -> None:
    dst = normal((number * 3, number * 3) for number in range(200))
    grid = Grid(WHOLE, (0, 1000), [Mention(None, dst)], 2)
    one_by_one = 0
    for span in dst:
        one_by_one |= grid.bits((span,), 2)
    assert grid.bits(dst, 2) == one_by_one
