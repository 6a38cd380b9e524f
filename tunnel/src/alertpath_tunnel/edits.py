# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of a text: which spans become what. Later edits are folded into earlier ones: all speak of the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """Octets `start` to `end` of a text, at least one, become `new`."""

    start: int
    end: int
    new: bytes

    @property
    def growth(self) -> int:
        return len(self.new) - (self.end - self.start)


def apply(text: bytes, edits: Sequence[Edit]) -> bytes:
    """Return `text` after `edits`, which are in order and do not overlap."""
    pieces: list[bytes] = []
    position = 0
    for edit in edits:
        pieces += (text[position : edit.start], edit.new)
        position = edit.end
    pieces.append(text[position:])
    return b"".join(pieces)


def compose(first: Sequence[Edit], second: Sequence[Edit]) -> list[Edit]:
    """Return edits of the original that do what `first` and then `second`, edits of `first`'s result, do.

    Works from the right, so that positions to the left keep their meaning.
    """
    left: list[tuple[int, Edit]] = []  # with its position in the result of `first`
    growth = 0
    for edit in first:
        left.append((edit.start + growth, edit))
        growth += edit.growth
    done: list[Edit] = []
    for edit in reversed(second):
        while left and left[-1][0] >= edit.end:
            growth -= left[-1][1].growth
            done.append(left.pop()[1])
        end, tail = edit.end - growth, b""
        if left and left[-1][0] + len(left[-1][1].new) > edit.end:
            position, covered = left[-1]
            end, tail = covered.end, covered.new[edit.end - position :]
        start_at, head, start = edit.start, b"", -1
        while left and (left[-1][0] >= edit.start or left[-1][0] + len(left[-1][1].new) > edit.start):
            position, covered = left.pop()
            growth -= covered.growth
            if position < edit.start:
                start_at, head, start = position, covered.new[: edit.start - position], covered.start
        if start < 0:
            start = edit.start - growth
        merged = Edit(start, end, head + edit.new + tail)
        left.append((start_at, merged))
        growth += merged.growth
    done.extend(edit for _order, edit in reversed(left))
    done.reverse()
    return done
