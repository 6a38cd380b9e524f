# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document as Markdown (GitHub Flavored Markdown 0.29). Whatever its texts hold, they are shown, not obeyed."""

from __future__ import annotations

import re

from .documents import (
    NOTHING,
    Block,
    Bullets,
    Cell,
    Document,
    Facts,
    Folded,
    Mark,
    Paragraph,
    Picture,
    Piece,
    Table,
    plain,
)

_SIGNS = re.compile(r"[\\`*\[\]<>|~&$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# What makes a list or a heading of a line that it begins.
_START = re.compile(r"^(?=[-+=])|^([0-9]{1,9})(?=[.)](?: |$))")
# Texts that GitHub turns into links although they are not marked as such (GFM section 6.9).
_LINKS = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)


def escape(value: object) -> str:
    """Return *value* as one line of text that Markdown shows as it is."""
    return _LINKS.sub(r"\\\g<0>", _START.sub(r"\1\\", _SIGNS.sub(r"\\\g<0>", plain(value))))


def markdown(document: Document) -> str:
    """Return *document* as Markdown that ends in a line feed."""
    parts = [f"# {escape(document.title)}", escape(document.lead)]
    for section in document.sections:
        parts.append(f"{'#' * section.level} {escape(section.title)}")
        parts += [_block(block) for block in section.blocks]
    parts += ["---", escape(document.footer)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return escape(block.text)
    if isinstance(block, Bullets):
        return "\n".join(f"- {_cell(item)}" for item in block.items)
    if isinstance(block, Facts):
        return "\n".join(f"- **{escape(name)}:** {_cell(value)}" for name, value in block.rows)
    if isinstance(block, Picture):
        return f"*{escape(block.title)}:* {escape(block.text)}"
    if isinstance(block, Folded):
        return "\n\n".join([_piece(block.summary), *map(_block, block.blocks)])
    return _table(block)


def _table(table: Table) -> str:
    rows = [[escape(name) for name in table.head], ["---"] * len(table.head)]
    rows += [[_cell(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: Cell) -> str:
    pieces = cell if isinstance(cell, tuple) else (cell,)
    return "; ".join(_piece(piece) for piece in pieces) or NOTHING


def _piece(piece: Piece) -> str:
    if isinstance(piece, Mark):
        return f"**{escape(piece.text) or NOTHING}**"
    return escape(piece if isinstance(piece, str) else piece.text) or NOTHING
