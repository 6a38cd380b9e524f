# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of every HTML page: read by a strict XML parser, and again by the standard library's HTML parser."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "link", "input"}
# Elements with nothing in them but text, lists and what marks text.
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "footer", "h1", "h2", "h3"),
    *("p", "ul", "li", "a", "strong", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "figure", "figcaption", "svg", "desc", "rect", "line", "text"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "href", "id", "class", "scope", "role", "tabindex"),
    *("aria-label", "aria-labelledby", "aria-describedby", "open", "text-anchor"),
    *("viewbox", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "rx"),  # of drawings; parsers of HTML fold case
}


class Balance(HTMLParser):
    """Fails when tags do not nest, or a comment or an instruction stands there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in KNOWN, tag
        assert len({name for name, _value in attrs}) == len(attrs)
        assert all(name in ATTRIBUTES and value is not None for name, value in attrs), attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


def words(element: ET.Element) -> str:
    """The text of *element*, as one line."""
    return " ".join("".join(element.itertext()).split())


def read(page: str) -> ET.Element:
    """Check *page* and return its root."""
    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    root = ET.fromstring(page)
    assert root.get("lang") == "en"
    assert "".join(root.itertext()).split() == "".join(balance.text).split()
    _references(root)
    _tables(root)
    levels = [int(e.tag[1]) for e in root.iter() if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    return root


def _references(root: ET.Element) -> None:
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        href = element.get("href")
        assert href is None or (href[0] == "#" and href[1:] in ids), href
        assert (element.get("aria-labelledby") or ids[0]) in ids
    style = "".join(root.find("head/style").itertext())
    assert "url(" not in style
    assert "@import" not in style


def _tables(root: ET.Element) -> None:
    for table in root.iter("table"):
        caption = table.find("caption")
        assert caption is not None
        assert words(caption)
        heads = [cell.get("scope") for row in table.findall("thead/tr") for cell in row]
        assert set(heads) <= {"col"}
        for row in table.findall("tbody/tr"):
            cells = list(row)
            assert cells[0].tag == "th"
            assert cells[0].get("scope") == "row"
            assert all(cell.tag == "td" for cell in cells[1:])
            assert len(cells) == (len(heads) or 2)
            assert all(words(cell) for cell in cells)


def _channel(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def contrast(one: str, two: str) -> float:
    """The contrast of two colours (WCAG 2.2, relative luminance)."""
    lights = []
    for colour in (one, two):
        red, green, blue = (_channel(int(colour[n : n + 2], 16)) for n in (1, 3, 5))
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(lights) + 0.05) / (min(lights) + 0.05)
