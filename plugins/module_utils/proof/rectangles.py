# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted cells as few rectangles. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Tuple

from .grid import Grid, Rows
from .spans import Span, normal


class Rectangle(NamedTuple):
    """All packets from sources in *src* to destinations in *dst*."""

    family: int
    src: Span
    dst: Span

    @property
    def size(self) -> int:
        """How many pairs of addresses it holds."""
        return (self.src[1] - self.src[0] + 1) * (self.dst[1] - self.dst[0] + 1)


def rectangles(family: int, grid: Grid, rows: Rows) -> Iterator[Rectangle]:
    """Return *rows*, whose bits are columns of one unit, as rectangles that do not overlap."""
    for bits, sources in _alike(grid, rows):
        columns = grid.columns_of(bits, 0)
        for src in sources:
            for dst in columns:
                yield Rectangle(family, src, dst)


def count(grid: Grid, rows: Rows) -> int:
    """Return how many rectangles `rectangles` would give."""
    return sum(bin(bits & ~(bits << 1)).count("1") * len(sources) for bits, sources in _alike(grid, rows))


def _alike(grid: Grid, rows: Rows) -> List[Tuple[int, Tuple[Span, ...]]]:
    """Rows with the same bits together, as sources."""
    groups: Dict[int, List[int]] = {}
    for row in sorted(rows):
        groups.setdefault(rows[row], []).append(row)
    return [(bits, normal(grid.row_span(row) for row in members)) for bits, members in groups.items()]
