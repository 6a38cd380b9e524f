# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a way as SVG: its nodes from top to bottom, as narrow as the screen of a phone."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator

from .documents import Node, Picture, plain

_WIDTH = 340
_LETTERS = 42  # in a line; letters of 13 px are 7 px wide on average
_LINES = 6  # of a node
_LINE = 18  # px
_PAD = 10
_GAP = 26


def drawing(picture: Picture, anchor: str) -> str:
    """Return *picture* as an `svg` element that is named by the element *anchor*, and described by its text."""
    parts: list[str] = []
    top, passed = 2, True
    for number, node in enumerate(picture.nodes):
        if number:
            kind = "" if passed else ' class="cut"'
            parts.append(f'<line{kind} x1="{_WIDTH // 2}" x2="{_WIDTH // 2}" y1="{top}" y2="{top + _GAP}"/>')
            top += _GAP
        lines = list(_lines(node))
        height = _LINE * len(lines) + 2 * _PAD - 4
        tone = f' class="node-{node.tone}"' if node.tone else ""
        parts.append(f'<rect{tone} x="4" y="{top}" width="{_WIDTH - 8}" height="{height}" rx="8"/>')
        for place, line in enumerate(lines):
            baseline = top + _PAD + _LINE * place + 11
            parts.append(f'<text x="{_WIDTH // 2}" y="{baseline}" text-anchor="middle">{line}</text>')
        top += height
        # Beyond the node at which it ends the way is only a wish.
        passed = passed and node.tone != "bad"
    shapes = "\n".join(parts)
    named = f'aria-labelledby="{anchor}" aria-describedby="{anchor}-text"'
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {top + 4}" {named}>\n'
        f'<desc id="{anchor}-text">{_escape(picture.text)}</desc>\n{shapes}\n</svg>'
    )


def _lines(node: Node) -> Iterator[str]:
    # A sign besides the colour: not everybody sees the one or the other.
    note = f"\N{MULTIPLICATION SIGN} {node.note}" if node.note and node.tone == "bad" else node.note
    lines = [line for part in (node.text, note) if part for line in textwrap.wrap(plain(part), _LETTERS)] or [""]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], "\N{HORIZONTAL ELLIPSIS}"]
    return map(_escape, lines)


def _escape(text: str) -> str:
    return html.escape(plain(text), quote=True)
