# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML page stands up to strict parsers, to hostile text, to a screen reader, a small screen and a printer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit import audit
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit_document import document
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents import (
    Bullets,
    Document,
    Facts,
    Link,
    Mark,
    Paragraph,
    Section,
    Table,
    plain,
    slugs,
)
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_html import STYLE, page
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_markdown import markdown
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from .audit_samples import TODAY, evidence, plan
from .html_checks import contrast, read, words
from .test_audit_text import LOCKDOWN

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b|c",
    "x\n\n# heading",
    "--- | ---",
    "`code` *b* **c** _d_ ~~e~~",
    "[link](javascript:alert(1))",
    "![img](http://evil.test/x.png)",
    "http://evil.test www.evil.test",
    "&lt;b&gt; &amp; &#60;",
    "\" onmouseover='x'",
    "]]> --> <!-- <![CDATA[",
    "\u202eevil\u2066",
    "\x00\x1b[31m",
    "\ud800",
    "{{ 7 * 7 }} {% raw %}",
    "\\| \\\\|",
    "<br/>",
    "<https://evil.test>",
    "1. one",
    "> quote",
    "$x$ @all #1",
]
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30), st.text("\\`*_[]<>|~&$#!:/.w \n-+1", max_size=20))


def sample(text: str) -> Document:
    """A document with *text* in every place that takes some."""
    cells = (text, Mark(text, "bad"), Link(text, "one"), (text, Mark(text, "good")), ())
    blocks = (
        Paragraph(text),
        Bullets((text, (text, text))),
        Table("caption " + text, ("head", text, "c", "d", "e"), (("row " + text, *cells[1:]), ("second", *cells[1:]))),
        Facts("facts " + text, (("name " + text, text), ("other", cells[3]))),
    )
    sections = (Section("part " + text, "one", blocks), Section("below " + text, "two", blocks, level=3))
    return Document("title " + text, "lead " + text, sections, "footer " + text)


def full() -> Document:
    """An audit with something in every part."""

    def change(raw: Any) -> None:
        raw["lockdown"] = [LOCKDOWN]
        raw["lan_gateways"][0].pop("owner")
        raw["paths"][0]["review_by"] = "2026-12-01"

    made = plan(change)
    proof = {"vault1": {"passed": True}, "vault2": {"msg": "<nft> & missing"}}
    return document(audit(made, [evidence(made, at="2026-11-20"), evidence(made, proof=proof)], TODAY))


@pytest.mark.parametrize("given_evidence", [False, True])
def test_audit_is_a_page_that_strict_parsers_take(given_evidence) -> None:
    root = read(page(full() if given_evidence else document(audit(plan(), None, TODAY))))
    assert words(root.find("body/header/h1")) == "SMTP policy audit, 2026-11-23"
    titles = [words(e) for e in root.iter("h2")]
    assert titles == [words(e) for e in root.findall("body/nav/ul/li")]
    assert {"Rules", "Hosts", "Sentinels", "Zones", "Evidence"} <= set(titles)


@given(texts)
def test_any_text_is_shown_and_never_obeyed(text: str) -> None:
    root = read(page(sample(text)))
    shown = " ".join(plain(text).split())
    assert words(root.find("body/header/h1")) == f"title {shown}".strip()
    assert words(root.find("body/main/section/p")) == shown
    assert words(root.find("body/main/section/table/tbody/tr/td")) == shown or not shown


def markdown_parts(text: str) -> tuple[list[str], list[str]]:
    """The tags of a Markdown document as a renderer sees them, and its cells and lines as text."""
    parser = MarkdownIt("gfm-like", {"linkify": False})
    tokens = parser.parse(markdown(sample(text)))
    tags = [f"{t.type}:{t.tag}" for t in tokens if t.nesting == 1 or t.type == "hr"]
    inline = [t for t in tokens if t.type == "inline"]
    for token in inline:
        for child in token.children or []:
            assert child.type in ("text", "strong_open", "strong_close", "text_special"), (child.type, token.content)
    lines = ["".join(c.content for c in t.children or []) for t in inline]
    return tags, lines


@given(texts)
def test_any_text_in_markdown_keeps_the_document_as_it_is(text: str) -> None:
    text = text.strip() or "x"
    wanted, _lines = markdown_parts("harmless")
    tags, lines = markdown_parts(text)
    assert tags == wanted
    shown = plain(text)
    assert lines[0] == f"title {shown}"
    assert lines[1] == f"lead {shown}"
    assert f"row {shown}" in lines


def test_nothing_in_markdown_becomes_a_link_of_its_own_accord() -> None:
    shown = markdown(sample("see http://evil.test/x and www.evil.test or HTTPS://x.test"))
    assert not re.search(r"(?<!\\)://", shown)
    assert not re.search(r"www\.", shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_reason_and_owner_stay_text_in_an_audit(text) -> None:
    made = plan()
    made["paths"][1] |= {"owner": text, "reason": text, "approved_by": text, "id": f"tunnel {text}"}
    made["findings"] = [{"path": text, "field": text, "value": text, "message": text, "remedy": text, "file": text}]
    made["zones"][0]["server_name"] = text
    made["sentinels"][0]["name"] = text
    made["hosts"][text] = made["hosts"].pop("client")
    found = document(audit(made, evidence(made), TODAY))
    root = read(page(found))
    facts = {words(row[0]): words(row[1]) for row in root.iter("tr") if len(row) == 2}
    assert plain(text) in {words(e).removeprefix("tunnel ") for e in root.iter("h3")}
    assert facts["Owner"] is not None
    assert any(words(row[1]) == plain(text) for row in root.iter("tr") if words(row[0]) == "Owner")
    tags = [t.tag for t in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown(found))]
    benign = document(audit(plan(), None, TODAY))
    assert {"script", "img", "a"}.isdisjoint(tags)
    assert set(tags) <= {t.tag for t in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown(benign))} | {"table"}


def test_page_loads_nothing_and_runs_nothing() -> None:
    shown = page(full())
    assert "default-src 'none'; style-src 'unsafe-inline'" in shown
    for word in ("<script", "<img", "<link", "javascript", "http://", "https://", "onclick"):
        assert word not in shown


def test_page_fits_a_small_screen_and_paper() -> None:
    root = read(page(full()))
    metas = {m.get("name"): m.get("content") for m in root.iter("meta")}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    for div in root.iter("div"):
        assert (div.get("role"), div.get("tabindex"), div.get("class")) == ("region", "0", "wide")
    wide = {id(table) for div in root.iter("div") for table in div.iter("table")}
    assert all(table.get("class") == "facts" for table in root.iter("table") if id(table) not in wide)
    assert "@media print" in STYLE


def test_colours_can_be_told_from_their_ground() -> None:
    palettes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", found)) for found in STYLE.split(":root")[1:]]
    assert len(palettes) >= 3, "light, dark and on paper"
    for palette in palettes:
        for ink in ("ink", "link", "good", "warn", "bad"):
            for ground in ("paper", "head"):
                assert contrast(palette[ink], palette[ground]) >= 7, (ink, ground)
        for line in ("line", "rule"):
            assert contrast(palette[line], palette["paper"]) >= 3
    assert not re.search(r"(?<!-)color: #", STYLE), "every colour is one of a palette"
    assert round(contrast("#000000", "#ffffff"), 3) == 21


def test_colour_is_never_the_only_sign() -> None:
    """What stands out has words of its own: the same words never stand there in another tone, or without one."""
    root = read(page(full()))
    tones: dict[str, set[str | None]] = {}
    for element in root.iter("strong"):
        tones.setdefault(words(element), set()).add(element.get("class"))
    assert tones
    assert all(len(kinds) == 1 for kinds in tones.values())


def test_names_of_files_are_safe_and_each_their_own() -> None:
    found = slugs(["a", "A", "a b", "a/b", "../../etc/passwd", "", "ü", "x" * 300])
    assert len({name.lower() for name in found.values()}) == 8
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,90}", name) for name in found.values())
    assert slugs(reversed(list(found))) == found
