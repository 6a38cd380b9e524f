# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the hosts' rules, beside what was seen from the hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..outputs.documents import Cell, Mark, Paragraph, Section, Table, Tone, count
from .evidence import Report, Seen
from .page_words import bounded, way_of
from .rules import DISPROVED, LEFT_OUT, PROVEN, SAME, UNKNOWN, Drift, Proof
from .rules_table import findings, lines

_MOST = 5
_TONES: dict[str, Tone] = {PROVEN: "good", DISPROVED: "bad"}
_MEANS = {
    PROVEN: "this host's rules are right: what ends the way is another device, the server, or a rule beyond our sight",
    DISPROVED: "the rules are wrong where no probe went, or another device hides it: mend the rules, not the probe",
    UNKNOWN: "the rules could not be read: what was seen is all that is known",
}


def disagreements(report: Report) -> Iterator[Section]:
    """Where the proof of a host's rules and the probes from it say different things, side by side."""
    rows = [row for item in report.proof or () if (row := _beside(item, report.by_host.get(item.host, ()))) is not None]
    if not rows:
        return
    text = "A proof reads the loaded rules, a probe tries the way. Where they differ, both are worth a look."
    head = ("host", "the rules", "the probes from it", "what that means")
    table = Table("Proof and probe, where they disagree", head, tuple(rows))
    yield Section("Proof and probe", "proof", (Paragraph(text), table))


def _beside(proof: Proof, rows: Sequence[Seen]) -> tuple[Cell, ...] | None:
    wrong = [seen for seen in rows if not seen.passed]
    agree = {PROVEN: not wrong, DISPROVED: bool(wrong), UNKNOWN: False}.get(proof.state, True)
    if agree:
        return None
    said = findings(proof.host, proof.found or {}) if proof.state == DISPROVED else [proof.reason or proof.summary]
    tone = _TONES.get(proof.state, "warn")
    seen: Cell = (
        _some(list(map(way_of, wrong))) if wrong else Mark(f"all {count(len(rows), 'row')} as declared", "good")
    )
    return proof.host, (Mark(proof.state, tone), *_some(said)), seen, _MEANS[proof.state]


def rules(report: Report) -> Iterator[Section]:
    """Drift and proof of every host that enforces."""
    if report.drift is None and report.proof is None:
        return
    drift = {item.host: item for item in report.drift or ()}
    proof = {item.host: item for item in report.proof or ()}
    rows = []
    for host in sorted({*drift, *proof}):
        parts: list[Drift | Proof] = [item for item in (drift.get(host), proof.get(host)) if item]
        if all(item.state == LEFT_OUT for item in parts):
            continue
        told = lines([drift[host]] if host in drift else None, [proof[host]] if host in proof else None)
        notes = [line for line in told if not line.startswith("RULES ")]
        rows.append((host, _drift(drift.get(host)), _proof(proof.get(host)), _some(notes, 12)))
    head = ("host", "as declared", "proof", "notes")
    table = Table("Rules of the hosts", head, tuple(rows))
    yield Section("Rules", "rules", (table,) if rows else (Paragraph("No host of the plan enforces anything."),))


def _drift(item: Drift | None) -> Cell:
    if item is None:
        return "not compared"
    if item.state == SAME:
        return Mark("loaded and for the next start", "good")
    if item.state == UNKNOWN:
        return Mark(f"not found out: {bounded(item.reason)}", "warn")
    places = [
        name for name, differs in (("the loaded rules", item.live), ("those of the next start", item.boot)) if differs
    ]
    return Mark(f"not {' nor '.join(places)}", "bad")


def _proof(item: Proof | None) -> Cell:
    if item is None:
        return "not asked for"
    if item.state == PROVEN:
        return Mark("proven", "good")
    return Mark("disproved", "bad") if item.state == DISPROVED else Mark(f"unknown: {bounded(item.reason)}", "warn")


def _some(texts: Sequence[str], most: int = _MOST) -> tuple[str, ...]:
    more = len(texts) - most
    return (*map(bounded, texts[:most]), *([f"and {more} more"] if more > 0 else []))
