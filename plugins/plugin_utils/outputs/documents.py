# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document as data: what it says, before any markup. One document is rendered to Markdown and to HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

NOTHING = "none"
"""Stands where there is nothing to say: an empty cell would leave a reader in doubt."""

Tone = Literal["good", "warn", "bad"]


@dataclass(frozen=True)
class Mark:
    """Text that stands out. The words alone say what is meant; the tone only helps the eye."""

    text: str
    tone: Tone


@dataclass(frozen=True)
class Link:
    """Text that leads to a section of the same document, where the form of the document can do that."""

    text: str
    anchor: str
    tone: Tone | None = None


Piece = str | Mark | Link
Cell = Piece | tuple[Piece, ...]
"""One piece of text, or a list of them."""


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Rows under a head. The first cell of a row names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    caption: str
    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Node:
    """One station of a way: a host, a network, a device. `tone` bad is where the way ends."""

    text: str
    note: str = ""
    tone: Tone | None = None


@dataclass(frozen=True)
class Picture:
    """A way from its first node to its last. `text` says in words what it shows, and stands where nothing is drawn."""

    title: str
    text: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Folded:
    """Blocks behind a line that a reader unfolds, where the form of the document can do that."""

    summary: Mark | str
    blocks: tuple[Block, ...]
    open: bool = False


Block = Paragraph | Bullets | Table | Facts | Picture | Folded


@dataclass(frozen=True)
class Section:
    """A part of a document. Level 2 stands in the contents, level 3 belongs to the section before it."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]
    level: Literal[2, 3] = 2


@dataclass(frozen=True)
class Document:
    """A title, an opening paragraph, sections, and a last line that says what it was made from."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    footer: str


def plain(value: object) -> str:
    """Return *value* as one line that prints: runs of white space become a blank, what does not print a U+FFFD.

    What does not print includes the characters that turn the direction of text (Unicode TR 36), with which a reason
    could read otherwise than it is.
    """
    line = " ".join(str(value).split())
    return "".join(char if char.isprintable() else "\ufffd" for char in line)


def as_plain(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return *mapping* as JSON has it: dictionaries and lists, whatever kind of mapping and sequence they were."""
    return {str(key): _as_plain(item) for key, item in mapping.items()}


def _as_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return as_plain(value)
    return [_as_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def count(number: int, noun: str) -> str:
    """Return *number* with *noun*, in the plural where that is right."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: Iterable[object]) -> str:
    """Return *items* as words in a sentence."""
    return ", ".join(map(str, items))


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return for each of *names* the part of a file's name that stands for it: safe in every file system, each once."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(names)):
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80] or "unnamed"
        slug, number = stem, 2
        while slug.lower() in taken:
            slug, number = f"{stem}-{number}", number + 1
        taken.add(slug.lower())
        found[name] = slug
    return found
