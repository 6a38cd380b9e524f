# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An InstaGate worksheet as a document that a person works through with the appliance's screens open."""

from __future__ import annotations

from .documents import Block, Bullets, Cell, Document, Facts, Mark, Paragraph, Section, Table
from .instagate import GATEWAY, INTERNAL, Declared, Limit, Step, Worksheet

_TITLES = {INTERNAL: "internal mail server", GATEWAY: "gateway mail server", None: "no configuration"}
_STAGES = {
    "scanning": "First: scanning",
    "rule": "The firewall's rules",
    "order": "Their order",
    "clients": "The clients",
    "verify": "Verification",
}
_LEAD = (
    "Work through the steps in their order. A field that is not named is not named in the vendor's guide either. "
    "For the InstaGate only: the ThreatWall line has no firewall."
)
_BLOCKED = "There are no steps: whatever could be set would open or close more than the policy declares."


def document(worksheet: Worksheet) -> Document:
    """Return *worksheet* as a document."""
    sections = [_section_of_entries(worksheet)]
    for stage, title in _STAGES.items():
        steps = [step for step in worksheet.steps if step.stage == stage]
        if steps:
            blocks = tuple(block for step in steps for block in _blocks(step))
            sections.append(Section(title, stage, _checks(steps) if stage == "verify" else blocks))
    sections.append(_section_of_limits(worksheet))
    return Document(
        title=f"InstaGate worksheet: {worksheet.group}, {_TITLES.get(worksheet.mode, worksheet.mode)}",
        lead=_LEAD if worksheet.usable else _BLOCKED,
        sections=tuple(sections),
        footer=f"Made by alertpath.smtp from the plan {worksheet.digest}.",
    )


def _section_of_entries(worksheet: Worksheet) -> Section:
    return Section("What the policy declares", "declared", tuple(_facts(entry) for entry in worksheet.declared))


def _facts(entry: Declared) -> Facts:
    missing = Mark("not declared", "warn")
    rows: tuple[tuple[str, Cell], ...] = (
        ("Rule", entry.id),
        ("Mail server", f"{entry.mail_server} ({', '.join(entry.addresses)})"),
        ("Owner", entry.owner or missing),
        ("Approved by", entry.approved_by or missing),
        ("Reason", entry.reason or missing),
        ("Review by", entry.review_by or missing),
    )
    return Facts(entry.id, rows)


def _blocks(step: Step) -> list[Block]:
    rows = tuple((field.field, field.value) for field in step.fields)
    table = Table(f"Step {step.number}, {step.screen}: {step.action}", ("Field", "Value"), rows)
    note = [Paragraph(step.note)] if step.note else []
    return [Paragraph(f"Step {step.number}, {step.screen}: {step.action}."), table, *note]


def _checks(steps: list[Step]) -> tuple[Block, ...]:
    rows = tuple((f"Step {step.number}", step.screen, step.action, step.fields[0].value) for step in steps)
    return (Table("What must be found", ("Step", "From", "Do this", "Expected"), rows),)


def _section_of_limits(worksheet: Worksheet) -> Section:
    return Section("What this does not do", "limits", (Bullets(tuple(map(_limit, worksheet.limits))),))


def _limit(limit: Limit) -> Cell:
    text = f"{limit.what[:1].upper()}{limit.what[1:]}. What to do: {limit.remedy}."
    return Mark(f"No worksheet: {text}", "bad") if limit.blocks_use else text
