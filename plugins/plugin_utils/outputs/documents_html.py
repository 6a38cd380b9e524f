# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document as one HTML page: no script, nothing loaded, readable on a phone, by a screen reader and on paper.

The page is well-formed XML, too, so that a strict parser can check it (HTML Living Standard, section 14).
"""

from __future__ import annotations

import html

from .documents import (
    NOTHING,
    Block,
    Bullets,
    Cell,
    Document,
    Facts,
    Folded,
    Link,
    Mark,
    Paragraph,
    Picture,
    Piece,
    Section,
    Table,
    plain,
)
from .picture_svg import drawing

# Contrast of every pair of colours is 7:1 or more (WCAG 2.2, 1.4.6); no meaning rests on a colour alone (1.4.1).
_LIGHT = (
    "--ink: #1a1a1a; --paper: #ffffff; --head: #f0f0f0; --line: #767676; --rule: #4d4d4d; --link: #003d82; "
    "--good: #0b4f1f; --warn: #5c3d00; --bad: #8b0000;"
)
_DARK = (
    "--ink: #ececec; --paper: #141414; --head: #262626; --line: #8c8c8c; --rule: #b0b0b0; --link: #a8cbff; "
    "--good: #9be3ae; --warn: #ffd479; --bad: #ffb4ab;"
)
STYLE = (
    f":root {{ color-scheme: light dark; {_LIGHT} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}\n"
    f"@media print {{ :root {{ color-scheme: light; {_LIGHT} }} }}\n"
    """body { margin: 0 auto; max-width: 64rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.3rem; border-bottom: 2px solid var(--rule); margin-top: 2rem; }
h3 { font-size: 1.1rem; margin-top: 1.5rem; }
a { color: var(--link); }
nav ul { columns: 12rem; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 700; padding: 0.25rem 0; }
th, td { border: 1px solid var(--line); padding: 0.35rem 0.5rem; text-align: left; vertical-align: top; }
th { color: var(--ink); background: var(--head); }
.facts th { width: 7.5rem; }
.wide { overflow-x: auto; }
.wide table { min-width: 42rem; }
.wide th, .wide td { overflow-wrap: break-word; }
td ul { margin: 0; padding-left: 1.1rem; }
details { margin: 0.5rem 0; }
summary { cursor: pointer; padding: 0.35rem 0; }
figure { margin: 1rem 0; max-width: 24rem; }
figcaption { font-weight: 700; }
svg { display: block; width: 100%; height: auto; }
svg rect { fill: var(--paper); stroke: var(--rule); stroke-width: 1.5; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg line { stroke: var(--rule); stroke-width: 2; }
svg .cut { stroke-dasharray: 3 5; }
svg .node-bad { stroke: var(--bad); stroke-width: 4; }
svg .node-warn { stroke: var(--warn); stroke-width: 3; stroke-dasharray: 8 4; }
svg .node-good { stroke: var(--good); stroke-width: 2.5; }
.good { color: var(--good); }
.warn { color: var(--warn); border-bottom: 2px dotted var(--warn); }
.bad { color: var(--bad); border-bottom: 2px solid var(--bad); }
@media print {
  body { max-width: none; padding: 0; font-size: 9pt; }
  nav { display: none; }
  a { color: var(--ink); text-decoration: none; }
  .wide { overflow: visible; }
  .wide table { min-width: 0; }
  .wide th, .wide td { overflow-wrap: anywhere; }
  h2, h3, caption { break-after: avoid; }
  tr, figure { break-inside: avoid; }
  thead { display: table-header-group; }
}
"""
)


def escape(value: object) -> str:
    """Return *value* as text that means nothing to HTML, in an element or in a quoted attribute."""
    return html.escape(plain(value), quote=True)


def page(document: Document) -> str:
    """Return *document* as an HTML page that ends in a line feed."""
    contents = "\n".join(
        f'<li><a href="#{escape(section.anchor)}">{escape(section.title)}</a></li>'
        for section in document.sections
        if section.level == 2
    )
    sections = "\n".join(_section(section) for section in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="referrer" content="no-referrer"/>
<title>{escape(document.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>{escape(document.title)}</h1>
<p>{escape(document.lead)}</p>
</header>
<nav aria-label="Contents">
<ul>
{contents}
</ul>
</nav>
<main id="content">
{sections}
</main>
<footer>
<p>{escape(document.footer)}</p>
</footer>
</body>
</html>
"""


def _section(section: Section) -> str:
    anchor, level = escape(section.anchor), section.level
    blocks = "\n".join(_block(block, f"{anchor}-{number}") for number, block in enumerate(section.blocks))
    title = f'<h{level} id="{anchor}">{escape(section.title)}</h{level}>'
    return f'<section aria-labelledby="{anchor}">\n{title}\n{blocks}\n</section>'


def _block(block: Block, anchor: str) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        return _bullets(block.items)
    if isinstance(block, Facts):
        return _facts(block)
    if isinstance(block, Picture):
        title = f'<figcaption id="{anchor}">{escape(block.title)}</figcaption>'
        return f"<figure>\n{title}\n{drawing(block, anchor)}\n</figure>"
    if isinstance(block, Folded):
        blocks = "\n".join(_block(inner, f"{anchor}-{number}") for number, inner in enumerate(block.blocks))
        state = ' open="open"' if block.open else ""
        return f"<details{state}>\n<summary>{_piece(block.summary)}</summary>\n{blocks}\n</details>"
    return _table(block, anchor)


def _facts(facts: Facts) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{_cell(value)}</td></tr>' for name, value in facts.rows
    )
    return f'<table class="facts">\n<caption>{escape(facts.caption)}</caption>\n<tbody>\n{rows}\n</tbody>\n</table>'


def _table(table: Table, anchor: str) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    rows = "\n".join(
        f'<tr><th scope="row">{_cell(first)}</th>{"".join(f"<td>{_cell(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in table.rows
    )
    return (
        # A keyboard can reach, and so scroll, what is wider than the screen (WCAG 2.1.1).
        f'<div class="wide" role="region" aria-labelledby="{anchor}" tabindex="0">\n<table>\n'
        f'<caption id="{anchor}">{escape(table.caption)}</caption>\n<thead>\n<tr>{head}</tr>\n</thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _bullets(items: tuple[Cell, ...]) -> str:
    lines = ("; ".join(map(_piece, item)) if isinstance(item, tuple) else _piece(item) for item in items)
    return "<ul>\n{}\n</ul>".format("\n".join(f"<li>{line}</li>" for line in lines))


def _cell(cell: Cell) -> str:
    if not isinstance(cell, tuple):
        return _piece(cell)
    if len(cell) > 1:
        return "<ul>{}</ul>".format("".join(f"<li>{_piece(piece)}</li>" for piece in cell))
    return _piece(cell[0]) if cell else NOTHING


def _piece(piece: Piece) -> str:
    if isinstance(piece, Mark):
        return f'<strong class="{piece.tone}">{escape(piece.text) or NOTHING}</strong>'
    if isinstance(piece, Link):
        tone = f' class="{piece.tone}"' if piece.tone else ""
        return f'<a{tone} href="#{escape(piece.anchor)}">{escape(piece.text) or NOTHING}</a>'
    return escape(piece) or NOTHING
