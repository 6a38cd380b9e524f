# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared paths with who answers for them, and how each of them fares. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ..outputs.documents import Cell, Facts, Folded, Mark, Node, Paragraph, Picture, Section, count
from ..outputs.documents_plan import Way
from .evidence import Report, Seen
from .page_words import bounded, device_of, named

_MOST_ADDRESSES = 8
_MOST_BLOCKERS = 3


def paths(report: Report, ways: Sequence[Way], today: str) -> Iterator[Section]:
    """One section for each of *ways*; *today* is the day of the run, as ISO text."""
    if not ways:
        return
    rows: dict[str, list[Seen]] = defaultdict(list)
    for seen in report.rows:
        if seen.row.get("path"):
            rows[str(seen.row["path"])].append(seen)
    text = "What the policy opens, why, and who answers for it. Everything else on the ports of SMTP is to be blocked."
    yield Section("Paths", "paths", (Paragraph(text),))
    for number, way in enumerate(ways, 1):
        found = rows.get(way.id, [])
        blocks = (_facts(way, found, today), Folded("The way as a picture", (_picture(way, found),), _wrong(found) > 0))
        yield Section(named(way.id), f"path-{number}", blocks, 3)


def _wrong(rows: Sequence[Seen]) -> int:
    return sum(not seen.passed for seen in rows)


def _facts(way: Way, rows: Sequence[Seen], today: str) -> Facts:
    due = way.review_by.isoformat() if way.review_by else "none set"
    late = bool(way.review_by) and due < today
    facts: list[tuple[str, Cell]] = [
        ("State", _state(rows)),
        ("From, to", f"{way.source_zone} to {way.destination_zone}"),
        ("Ports", f"{', '.join(map(str, way.ports))}, {_tls(way)}"),
        ("Reason", bounded(way.reason or "")),
        ("Owner", bounded(way.owner or "")),
        ("Approved by", bounded(way.approved_by or "")),
        ("Review by", Mark(f"{due}: overdue", "bad") if late else due),
    ]
    for name, value in (("Clear text", way.cleartext_reason), ("Whole network", way.wide_reason)):
        if value:
            facts.append((name, bounded(value)))
    return Facts("Policy", tuple(facts))


def _state(rows: Sequence[Seen]) -> Cell:
    if not rows:
        return Mark("no probe follows this path", "warn")
    wrong = _wrong(rows)
    told = f"{len(rows) - wrong} of {count(len(rows), 'row')} as declared"
    return Mark(told, "bad" if wrong else "good")


def _tls(way: Way) -> str:
    return {None: "as the client asks", "none": "clear text", "implicit": "TLS from the start"}.get(
        way.encryption, str(way.encryption)
    )


def _picture(way: Way, rows: Sequence[Seen]) -> Picture:
    blockers = list(dict.fromkeys(filter(None, (_blocker(seen) for seen in rows if not seen.passed))))
    middle = [Node(text, "ends the way", "bad") for text in blockers[:_MOST_BLOCKERS]]
    if _wrong(rows) and not middle:
        middle = [Node("somewhere on the way", f"{count(_wrong(rows), 'row')} not as declared", "warn")]
    ports = f"ports {', '.join(map(str, way.ports))}" if len(way.ports) != 1 else f"port {way.ports[0]}"
    start = Node(f"{way.source_zone}: {_some(way.sources)}")
    end = Node(
        f"{way.destination_zone}: {_some(way.destinations)}", ports, None if _wrong(rows) or not rows else "good"
    )
    told = f"From {start.text} to {end.text}, {ports}"
    return Picture(
        f"{way.source_zone} to {way.destination_zone}",
        f"{told}; {'; '.join(f'{node.text} {node.note}' for node in middle) or 'nothing is in the way'}.",
        (start, *middle, end),
    )


def _blocker(seen: Seen) -> str:
    where = seen.row.get("where") or {}
    devices = [where["device"]] if where.get("device") else list(where.get("neighbours") or ())
    return bounded(" or ".join(map(device_of, devices)))


def _some(addresses: Sequence[str]) -> str:
    more = len(addresses) - _MOST_ADDRESSES
    return ", ".join(addresses[:_MOST_ADDRESSES]) + (f" and {more} more" if more > 0 else "")
