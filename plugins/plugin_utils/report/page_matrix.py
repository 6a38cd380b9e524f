# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix as a reader sees it, source by source, and each difference by itself. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..outputs.documents import Cell, Facts, Folded, Link, Mark, Node, Paragraph, Picture, Section, Table, count
from ..outputs.documents_plan import Way
from .evidence import Report, Seen
from .page_words import bounded, device_of, named, place_of, state, way_of

MOST = 200
"""Differences that are told one by one."""
_ANSWERED = frozenset({"not_smtp", "greeting_refused", "tls_missing", "tls_failed", "wrong_server", "banner_timeout"})
_NOT_DECLARED = "nothing opens it"


def anchors(report: Report) -> Mapping[int, str]:
    """Return by the identity of each row that differs the anchor of its section."""
    return {id(seen): f"difference-{number}" for number, seen in enumerate(report.differences[:MOST], 1)}


def path_anchors(ways: Sequence[Way]) -> Mapping[str, str]:
    """Return the anchor of each path's section by its id."""
    return {way.id: f"path-{number}" for number, way in enumerate(ways, 1)}


def matrix(report: Report, ways: Sequence[Way], told: Mapping[int, str]) -> Iterator[Section]:
    """One table for each host that probed; those with differences stand open."""
    links = path_anchors(ways)
    blocks = [_source(host, rows, links, told) for host, rows in sorted(report.by_host.items())]
    text = Paragraph("Each cell is one port. What is not as declared says what it must be, and leads to its details.")
    yield Section("Matrix", "matrix", (text, *blocks) if blocks else (Paragraph("No host gave any row."),))


def _source(host: str, rows: Sequence[Seen], links: Mapping[str, str], told: Mapping[int, str]) -> Folded:
    ports = sorted({int(seen.row["port"]) for seen in rows})
    lines: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    for seen in rows:
        lines[seen.destination_host, seen.address, str(seen.row["source"])].append(seen)
    table = []
    for (_destination, _address, source), found in sorted(lines.items()):
        by_port: dict[int, list[Seen]] = defaultdict(list)
        for seen in found:
            by_port[int(seen.row["port"])].append(seen)
        cells = (tuple(_cell(seen, told) for seen in by_port.get(port, ())) or ("not probed",) for port in ports)
        table.append(
            (
                place_of(found[0]),
                source,
                *(cell[0] if len(cell) == 1 else cell for cell in cells),
                _declared(found, links),
            )
        )
    wrong = sum(not seen.passed for seen in rows)
    line = f"{host}: {count(len(rows), 'row')}, {f'{wrong} not as declared' if wrong else 'all as declared'}"
    head = ("to", "from address", *map(str, ports), "declared by")
    summary = Mark(line, "bad") if wrong else line
    return Folded(summary, (Table(f"From {host}", head, tuple(table)),), bool(wrong))


def _cell(seen: Seen, told: Mapping[int, str]) -> Mark | Link | str:
    text, tone = state(seen)
    if id(seen) in told:
        return Link(text, told[id(seen)], tone)
    return Mark(text, tone) if tone else text


def _declared(rows: Sequence[Seen], links: Mapping[str, str]) -> Cell:
    paths = sorted({str(seen.row["path"]) for seen in rows if seen.row.get("path")})
    cells = tuple(Link(named(path), anchor) if (anchor := links.get(path)) else named(path) for path in paths)
    return cells or _NOT_DECLARED


def differences(report: Report, ways: Sequence[Way], told: Mapping[int, str]) -> Iterator[Section]:
    """Each difference with all that is known of it."""
    if not report.differences:
        return
    rest = len(report.differences) - MOST
    text = "What was declared, what was seen, where the way ends, and what to do."
    more = f" The first {MOST} are told here; {rest} more stand in the matrix and in the evidence." if rest > 0 else ""
    yield Section("Differences", "differences", (Paragraph(text + more),))
    by_id, links = {way.id: way for way in ways}, path_anchors(ways)
    for seen in report.differences[:MOST]:
        way = by_id.get(str(seen.row.get("path")))
        yield Section(way_of(seen), told[id(seen)], tuple(_told(seen, way, links)), 3)


def _told(seen: Seen, way: Way | None, links: Mapping[str, str]) -> Iterator[Facts | Picture]:
    row = seen.row
    evidence, where = row.get("evidence") or {}, row.get("where") or {}
    text, tone = state(seen)
    open_left = tuple(map(bounded, row.get("cannot_tell") or ()))
    facts: list[tuple[str, Cell]] = [
        ("Verdict", Mark(text, tone) if tone else text),
        ("Why", bounded(row.get("reason") or "")),
        ("What to do", bounded(seen.remedy)),
        ("Seen", bounded(evidence.get("text") or row["outcome"])),
        ("From, to", f"{row['source']} to {seen.address} port {row['port']}"),
    ]
    if row.get("via"):
        facts.append(("Probed", f"over SSH, from {bounded(str(row['via']))}"))
    if where.get("text"):
        facts.append(("Where it ends", bounded(where["text"])))
    if open_left:
        facts.append(("Cannot tell", open_left))
    if way:
        facts.append(
            (
                "Declared by",
                (Link(named(way.id), links[way.id]), f"owner {way.owner or 'unknown'}", bounded(way.reason or "")),
            )
        )
    else:
        facts.append(("Declared by", _NOT_DECLARED))
    yield Facts("What is known", tuple(facts))
    yield picture(seen)


def picture(seen: Seen) -> Picture:
    """Draw the way of one row, with who ends it if that is known."""
    row, where = seen.row, seen.row.get("where") or {}
    start = Node(f"{seen.probe_host} ({row['source']})")
    end = Node(f"{place_of(seen)} port {row['port']}")
    text = str(where.get("text") or row.get("reason") or "")
    return Picture("The way", bounded(text), tuple(_stations(seen, start, end, where, bounded(text))))


def _stations(seen: Seen, start: Node, end: Node, where: Mapping[str, Any], text: str) -> Iterator[Node]:
    device, how = where.get("device") or {}, str(where.get("how") or "ends it")
    role = device.get("role")
    if seen.row["expect"] == "blocked" and state(seen)[1] == "bad":
        yield start
        yield Node(end.text, "answers, and must not be reached", "bad")
    elif seen.row["outcome"] in _ANSWERED and not where.get("device"):
        yield start
        yield Node(end.text, "what answers is not what was declared", "bad")
    elif where.get("answer") == "exact" and role == "own host":
        yield Node(start.text, f"it {how}", "bad")
        yield end
    elif where.get("answer") == "exact" and role == "destination":
        yield start
        yield Node(end.text, f"it {how}", "bad")
    elif where.get("answer") == "exact":
        yield start
        yield Node(_device(device), f"it {how}", "bad")
        yield end
    elif where.get("answer") == "between":
        first, second = (*(where.get("neighbours") or ()), {}, {})[:2]
        yield start
        yield Node(f"{_device(first)} or {_device(second)}", f"one of the two {how}", "bad")
        yield end
    else:
        yield start
        yield Node("somewhere on the way", text or "it is not known where", "warn")
        yield end


def _device(device: Mapping[str, Any]) -> str:
    hop = device.get("hop")
    return device_of(device) if hop is None else f"{device_of(device)}, hop {hop}"
