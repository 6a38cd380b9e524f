# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as a document for a reader: what differs and what to do first, then everything else. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ..outputs.documents import Bullets, Cell, Document, Facts, Mark, Paragraph, Section, Table, count
from ..outputs.documents_plan import Way
from . import page_matrix, page_paths, page_rules
from .evidence import Report, Seen
from .history import History, changes
from .page_words import bounded, place_of, way_of

_MOST_REMEDIES = 20
_MOST_EXAMPLES = 4
_SOON = 30  # days


def document(report: Report, ways: Sequence[Way], history: History, at: str, digest: str, title: str) -> Document:
    """Return *report* as a document. *ways* are the plan's paths, *history* ends with this run."""
    anchors = page_matrix.anchors(report)
    sections = (
        _summary(report, at, digest),
        *page_matrix.matrix(report, ways, anchors),
        *page_matrix.differences(report, ways, anchors),
        *page_paths.paths(report, ways, at[:10]),
        *page_rules.disagreements(report),
        *page_rules.rules(report),
        _certificates(report),
        *_history(history),
    )
    return Document(title, _lead(report), sections, f"Made from plan {digest or 'unknown'} and what was seen at {at}.")


def _lead(report: Report) -> str:
    if report.passed:
        return f"Everything is as declared: {count(len(report.rows), 'row')} from {count(report.hosts, 'host')}."
    parts = [f"{len(report.differences)} of {count(len(report.rows), 'row')} not as declared"]
    if report.gaps:
        parts.append(f"no full evidence from {count(len(report.gaps), 'host')}")
    if report.astray:
        parts.append(f"rules not as declared or not proven on {count(len(report.astray), 'host')}")
    return "; ".join(parts) + "."


def _summary(report: Report, at: str, digest: str) -> Section:
    verdict = Mark("everything is as declared", "good") if report.passed else Mark("not as declared", "bad")
    facts = Facts(
        "This run",
        (
            ("Verdict", verdict),
            ("When", at or "unknown"),
            ("Plan", digest or "unknown"),
            ("Seen", f"{count(len(report.rows), 'row')} from {count(report.hosts, 'host')}"),
            ("Differ", count(len(report.differences), "row")),
            ("No evidence", tuple(f"{gap.host}: {bounded(gap.reason)}" for gap in report.gaps)),
            ("Rules", tuple(sorted(report.astray))),
        ),
    )
    first = tuple(_first(report))
    todo = Bullets(first) if first else Paragraph("There is nothing to do.")
    return Section("Summary", "summary", (facts, Paragraph("What to do, the most frequent first:"), todo))


def _first(report: Report) -> Iterator[Cell]:
    """What to do, each thing once, with the rows it would mend."""
    found: dict[str, list[Seen]] = defaultdict(list)
    for seen in report.differences:
        found[bounded(seen.remedy)].append(seen)
    for gap in report.gaps:
        yield f"{gap.host} gave no full evidence: {bounded(gap.reason)}"
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    for remedy, rows in ordered[:_MOST_REMEDIES]:
        examples = ", ".join(dict.fromkeys(map(way_of, rows[:_MOST_EXAMPLES])))
        more = f" and {len(rows) - _MOST_EXAMPLES} more" if len(rows) > _MOST_EXAMPLES else ""
        yield f"{count(len(rows), 'row')} ({examples}{more}): {remedy}"
    if len(ordered) > _MOST_REMEDIES:
        yield f"and {len(ordered) - _MOST_REMEDIES} other things: see the differences"
    for moved in report.moved:
        yield (
            f"{moved.name} leads to {', '.join(moved.resolved)} and the policy pins {', '.join(moved.pinned)}: "
            "ask its owner which is right"
        )


def _certificates(report: Report) -> Section:
    """The certificates that were seen, those that end first at the top."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for seen in report.rows:
        evidence = seen.row.get("evidence") or {}
        days = evidence.get("days_left")
        if isinstance(days, (int, float)):
            server = (place_of(seen), int(seen.row["port"]))
            if server not in found or days < found[server]["days_left"]:
                found[server] = dict(evidence)
    if not found:
        return Section("Certificates", "certificates", (Paragraph("No certificate was seen."),))
    rows = []
    for (place, port), evidence in sorted(found.items(), key=lambda item: (item[1]["days_left"], item[0])):
        names = ", ".join(map(str, evidence.get("certificate_names") or ()))
        versions = str(evidence.get("tls_version") or "unknown")
        rows.append((f"{place} port {port}", _days(int(evidence["days_left"])), bounded(names), versions))
    return Section(
        "Certificates", "certificates", (Table("When they end", ("server", "ends", "names", "TLS"), tuple(rows)),)
    )


def _days(days: int) -> Mark:
    if days < 0:
        return Mark(f"ended {count(-days, 'day')} ago", "bad")
    return Mark(
        f"in {count(days, 'day')}{': renew it now' if days <= _SOON else ''}", "warn" if days <= _SOON else "good"
    )


def _history(history: History) -> Iterator[Section]:
    blocks: list[Any] = [Paragraph(f"Earlier runs are missing: {history.problem}.")] if history.problem else []
    rows = []
    for number, item in enumerate(history.runs):
        come, gone = changes(history.runs[number - 1] if number else None, item)
        verdict = Mark("as declared", "good") if item.passed else Mark("not as declared", "bad")
        rows.append((item.at, verdict, str(item.rows), str(item.differing), _named(come), _named(gone)))
    if rows:
        head = ("when", "verdict", "rows", "differ", "differ since then", "mended since the run before")
        blocks.append(Table(f"The last {count(len(rows), 'run')}, the newest first", head, tuple(reversed(rows))))
    if blocks:
        yield Section("History", "history", tuple(blocks))


def _named(names: Sequence[str]) -> Cell:
    more = len(names) - _MOST_EXAMPLES
    shown = tuple(map(bounded, names[:_MOST_EXAMPLES]))
    return (*shown, f"and {more} more") if more > 0 else shown
