# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as a document: what a person reads who must approve it, or prove it to somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import audit_rules_text as words
from .audit_model import Audit, AuditEvidence, AuditHost, AuditLockdown, AuditSentinel
from .documents import Bullets, Cell, Document, Facts, Mark, Paragraph, Section, Table, count, listed

_LEAD = (
    "Every way by which SMTP may pass, who answers for it, until when it is approved, which hosts enforce it, "
    "and what proves it. Whatever is not listed is blocked on the ports below, on every host that enforces the policy."
)
_PROOFS = {"proven": "proven", "disproved": "disproved", "unknown": "could not be read", "left_out": "not governed"}
_DRIFTS = {"same": "as declared", "differs": "differs", "unknown": "could not be read", "left_out": "not governed"}
_READING = (
    "Proven: every probe that the plan has for the rule was as declared, and so were the loaded rules that were read.",
    "Proven by rules alone: no probe of the plan can show it, but the loaded rules of every host that enforces it do.",
    "Incomplete: something was not found out, so nothing is proven.",
    "Disproved: a probe or the loaded rules of a host say otherwise.",
    "Not probed: the plan has no probe that could show it, and not all loaded rules were read.",
    "Evidence is judged by the plan named below: what was proven for an older plan counts as far as it still holds.",
)


def document(audit: Audit) -> Document:
    """Return *audit* as a document."""
    return Document(
        title=f"SMTP policy audit, {audit.today}",
        lead=_LEAD,
        sections=(
            _summary(audit),
            _attention(audit),
            _findings(audit.findings),
            *words.rules(audit),
            *_lockdowns(audit),
            _hosts(audit.hosts),
            _sentinels(audit.sentinels, bool(audit.evidence)),
            _zones(audit.zones),
            _evidence(audit.evidence),
            Section("How to read this", "reading", (Bullets(_READING),)),
        ),
        footer=f"Made by alertpath.smtp on {audit.today} from the plan {audit.digest}.",
    )


def _summary(audit: Audit) -> Section:
    overdue = sum(rule.review.state == "overdue" for rule in audit.rules)
    soon = sum(rule.review.state == "soon" for rule in audit.rules)
    proven = sum(rule.proof.state in ("proven", "by_rules") for rule in audit.rules)
    latest = audit.evidence[-1] if audit.evidence else None
    rows: tuple[tuple[str, Cell], ...] = (
        ("As of", audit.today),
        ("Plan", audit.digest),
        ("SMTP ports", listed(audit.ports)),
        ("Rules", f"{len(audit.rules):,}"),
        (
            "Reviews",
            Mark(f"{overdue:,} OVERDUE, {soon:,} due soon", "bad") if overdue else f"none overdue, {soon:,} due soon",
        ),
        ("Proven", f"{proven:,} of {len(audit.rules):,}"),
        ("Enforced by", count(sum(bool(host.enforces) for host in audit.hosts), "host")),
        ("Newest evidence", _age(latest)),
    )
    return Section("Summary", "summary", (Facts("The policy at a glance", rows),))


def _age(latest: AuditEvidence | None) -> Cell:
    if latest is None:
        return Mark("none was given: nothing here is proven", "warn")
    return latest.at or "given, but it does not say when it was gathered"


def _attention(audit: Audit) -> Section:
    items: list[Cell] = [item for number, rule in enumerate(audit.rules) for item in words.complaints(number, rule)]
    items += [
        (f"Lockdown of {lock.hosts}", words.review(lock.review))
        for lock in audit.lockdown
        if lock.review.state in ("overdue", "soon")
    ]
    items += [
        Mark(f"{host.name}: rules not as declared, see Hosts", "bad")
        for host in audit.hosts
        if host.proof in ("disproved", "unknown") or host.drift in ("differs", "unknown")
    ]
    items += [(Mark(f"Sentinel {s.name} was reached", "bad"), *s.against) for s in audit.sentinels if s.against]
    if not audit.evidence:
        items.append(Mark("No evidence was given: nothing here is proven", "warn"))
    blocks = (Bullets(tuple(items)),) if items else (Paragraph("Nothing."),)
    return Section("Needs attention", "attention", blocks)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Section:
    if not findings:
        return Section("Warnings of the compiler", "findings", (Paragraph("None."),))
    head = ("Place", "Field", "Value", "What", "What to do", "File")
    rows = tuple(
        tuple(str(item.get(key) or "") for key in ("path", "field", "value", "message", "remedy", "file"))
        for item in findings
    )
    return Section("Warnings of the compiler", "findings", (Table("What a person should look at", head, rows),))


def _lockdowns(audit: Audit) -> list[Section]:
    if not audit.lockdown:
        return []
    found = [Section("Lockdown", "lockdown", (Paragraph("Hosts that deny everything else, in both directions."),))]
    for number, lock in enumerate(audit.lockdown):
        blocks = (_lock_facts(lock), _lock_table(lock))
        found.append(Section(f"Lockdown of {lock.hosts}", f"lockdown-{number}", blocks, level=3))
    return found


def _lock_facts(lock: AuditLockdown) -> Facts:
    rows: tuple[tuple[str, Cell], ...] = (
        ("Owner", lock.owner or words.NOT_DECLARED),
        ("Approved by", lock.approved_by or words.NOT_DECLARED),
        ("Reason", lock.reason or words.NOT_DECLARED),
        ("Review", words.review(lock.review)),
        ("Enforced by", f"the hosts of group {lock.hosts}; Hosts shows which are in lockdown"),
    )
    return Facts(f"Lockdown of {lock.hosts}", rows)


def _lock_table(lock: AuditLockdown) -> Table:
    rows = tuple(
        (
            str(item["id"]),
            "the hosts open" if item["direction"] == "egress" else "the hosts accept",
            (str(item["peer"]), *map(str, item.get("peers") or ())),
            str(item["protocol"]),
            listed(item.get("ports") or ()) or "echo request",
        )
        for item in lock.allow
    )
    return Table("What passes besides SMTP", ("Connection", "Direction", "Other end", "Protocol", "Ports"), rows)


def _hosts(hosts: Sequence[AuditHost]) -> Section:
    head = ("Host", "Addresses", "Enforces", "Loaded rules", "Drift", "Notes")
    rows = tuple(
        (
            host.name,
            host.addresses,
            (*(host.enforces or ("nothing",)), *(("lockdown",) if host.lockdown else ())),
            _state(host.proof, _PROOFS),
            _state(host.drift, _DRIFTS),
            host.notes,
        )
        for host in hosts
    )
    return Section("Hosts", "hosts", (Table("Hosts of the plan, and what the newest evidence says", head, rows),))


def _state(state: str | None, names: Mapping[str, str]) -> Cell:
    if state is None:
        return "not asked for"
    text = names.get(state, state)
    return Mark(text.upper(), "bad") if state in ("disproved", "differs", "unknown") else text


def _sentinels(sentinels: Sequence[AuditSentinel], looked: bool) -> Section:
    if not sentinels:
        return Section("Sentinels", "sentinels", (Paragraph("None is declared."),))
    rows = tuple((sentinel.name, sentinel.addresses, _reach(sentinel, looked)) for sentinel in sentinels)
    table = Table("Destinations that must be unreachable", ("Sentinel", "Addresses", "Newest evidence"), rows)
    return Section("Sentinels", "sentinels", (table,))


def _reach(sentinel: AuditSentinel, looked: bool) -> Cell:
    if not sentinel.probes:
        return "no probe of the plan leads there"
    if not looked:
        return f"no evidence; {count(sentinel.probes, 'probe')} of the plan must find it blocked"
    text = f"{sentinel.blocked:,} of {count(sentinel.probes, 'probe')} found it blocked"
    if sentinel.against:
        return (Mark(f"REACHED OR UNPROVEN: {text}", "bad"), *sentinel.against)
    return text if sentinel.blocked == sentinel.probes else Mark(f"INCOMPLETE: {text}", "warn")


def _zones(zones: Sequence[Mapping[str, Any]]) -> Section:
    rows = tuple(
        (
            str(zone["name"]),
            str(zone.get("group") or "none"),
            "managed" if zone.get("group") and zone.get("managed") else "not managed",
            tuple(map(str, (*(zone.get("addresses") or ()), *(zone.get("networks") or ())))),
            str(zone.get("server_name") or "none"),
        )
        for zone in zones
    )
    head = ("Zone", "Group", "Hosts", "Addresses and networks", "Name of its server")
    return Section("Zones", words.ZONES, (Table("What each zone stands for", head, rows),))


def _evidence(evidence: Sequence[AuditEvidence]) -> Section:
    if not evidence:
        text = "None was given. Role path_verification gathers it, and keeps it where path_verification_report says."
        return Section("Evidence", "evidence", (Paragraph(text),))
    plan = {True: "this one", False: "another one", None: "not told"}
    rows = tuple(
        (
            body.at or "time not told",
            "all as declared" if body.passed else Mark("NOT ALL AS DECLARED", "bad"),
            f"{body.hosts:,}",
            f"{body.passing:,} of {body.rows:,}",
            plan[body.same_plan],
            body.missing,
        )
        for body in reversed(evidence)
    )
    head = ("Gathered", "Result", "Hosts", "Rows as declared", "Plan", "No evidence from")
    return Section("Evidence", "evidence", (Table("Newest first", head, rows),))
