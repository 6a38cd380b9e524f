# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather an audit from a plan and from evidence. Pure: same plan, evidence and day, same audit."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..report.rules_table import findings as rule_findings
from . import documents_plan as plans
from .audit_carriers import Carriers
from .audit_model import (
    Audit,
    AuditHost,
    AuditLockdown,
    AuditRule,
    AuditSentinel,
    Enforcer,
    Review,
    ReviewState,
)
from .audit_proof import Body, bodies, probe_key, rule_proof, shown

_SOON = datetime.timedelta(days=30)
_DIRECTIONS = ("egress", "ingress", "forward")
_MOST = 5


def audit(plan: Any, evidence: Any, today: datetime.date, times: Any = None) -> Audit:
    """Return the audit of *plan* (docs/plan.md) as of *today*.

    *evidence* and *times* are those of audit_proof.bodies. Raises NotAPlan and NotEvidence.
    """
    ways = plans.ways(plan)
    hosts = plans.hosts(plan)
    carriers = Carriers(ways)
    found = bodies(evidence, times)
    enforcers = _enforcers(hosts, carriers)
    probes = _allowed(hosts, carriers)
    rules = tuple(
        AuditRule(
            way,
            review(way.review_by, today),
            enforcers.get(number, ()),
            rule_proof(number, probes.get(number, ()), enforcers.get(number, ()), found, carriers),
        )
        for number, way in enumerate(ways)
    )
    latest = found[-1] if found else None
    return Audit(
        today=today.isoformat(),
        digest=plans.digest(plan),
        ports=tuple(plan.get("ports") or ()),
        findings=tuple(plans.entries(plan, "findings")),
        rules=rules,
        lockdown=tuple(_lockdown(entry, today) for entry in plan.get("lockdown") or ()),
        hosts=tuple(_host(name, hosts[name], latest) for name in sorted(hosts)),
        sentinels=tuple(_sentinels(plans.entries(plan, "sentinels"), hosts, latest)),
        zones=tuple(plans.entries(plan, "zones")),
        evidence=tuple(shown(body, plans.digest(plan)) for body in found),
    )


def review(review_by: datetime.date | None, today: datetime.date) -> Review:
    """Return how much time is left until *review_by*. What is due within 30 days is `soon`, as the compiler warns."""
    if review_by is None:
        return Review(None, None, "missing")
    state: ReviewState = "overdue" if review_by < today else "soon" if review_by - today <= _SOON else "ok"
    return Review(review_by.isoformat(), (review_by - today).days, state)


def _enforcers(hosts: Mapping[str, Any], carriers: Carriers) -> dict[int, tuple[Enforcer, ...]]:
    """The hosts that enforce each way, by its place."""
    found: dict[int, dict[str, list[str]]] = {}
    for name in sorted(hosts):
        firewall = hosts[name].get("firewall") or {}
        for direction in _DIRECTIONS if hosts[name].get("enforces") else ():
            for number in carriers.sort(firewall.get(direction) or ()):
                found.setdefault(number, {}).setdefault(name, []).append(direction)
    return {
        number: tuple(Enforcer(name, tuple(directions)) for name, directions in by_host.items())
        for number, by_host in found.items()
    }


def _allowed(hosts: Mapping[str, Any], carriers: Carriers) -> dict[int, list[tuple[str, Mapping[str, Any]]]]:
    """The probes that must find each way open, by its place."""
    found: dict[int, list[tuple[str, Mapping[str, Any]]]] = {}
    for name, probe in _probes(hosts):
        for number in carriers.of(probe) if probe["expect"] == "allowed" else ():
            found.setdefault(number, []).append((name, probe))
    return found


def _probes(hosts: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in sorted(hosts):
        for probe in hosts[name].get("probes") or ():
            yield name, probe


def _lockdown(entry: Mapping[str, Any], today: datetime.date) -> AuditLockdown:
    due = plans.day(entry.get("review_by"), "lockdown.review_by")
    return AuditLockdown(
        hosts=str(entry["hosts"]),
        owner=entry.get("owner"),
        approved_by=entry.get("approved_by"),
        reason=entry.get("reason"),
        review=review(due, today),
        allow=tuple(entry.get("allow") or ()),
    )


def _host(name: str, host: Mapping[str, Any], latest: Body | None) -> AuditHost:
    drift = next((item for item in (latest.report.drift if latest else None) or () if item.host == name), None)
    proof = next((item for item in (latest.report.proof if latest else None) or () if item.host == name), None)
    notes = [] if proof is None else rule_findings(name, proof.found or {})
    reasons = {item.reason for item in (drift, proof) if item is not None and item.state == "unknown"}
    return AuditHost(
        name=name,
        addresses=tuple(map(str, host.get("addresses") or ())),
        enforces=tuple(map(str, host.get("enforces") or ())),
        lockdown=bool((host.get("firewall") or {}).get("lockdown")),
        drift=drift.state if drift else None,
        proof=proof.state if proof else None,
        notes=_first([*sorted(reasons), *notes]),
    )


def _sentinels(
    entries: Sequence[Mapping[str, Any]], hosts: Mapping[str, Any], latest: Body | None
) -> Iterator[AuditSentinel]:
    planned: dict[str, list[tuple[str, Mapping[str, Any]]]] = {str(a): [] for e in entries for a in e["addresses"]}
    for name, probe in _probes(hosts):
        if probe["expect"] == "blocked" and probe["destination"] in planned:
            planned[probe["destination"]].append((name, probe))
    for entry in entries:
        yield _sentinel(entry, [item for address in entry["addresses"] for item in planned[str(address)]], latest)


def _sentinel(
    entry: Mapping[str, Any], planned: Sequence[tuple[str, Mapping[str, Any]]], latest: Body | None
) -> AuditSentinel:
    rows = [(name, latest.rows.get(probe_key(name, probe)) if latest else None) for name, probe in planned]
    return AuditSentinel(
        name=str(entry["name"]),
        addresses=tuple(map(str, entry["addresses"])),
        probes=len(planned),
        blocked=sum(row is not None and row["verdict"] == "pass" for _host_name, row in rows),
        against=_first(
            [f"{name}: {row['reason']}" for name, row in rows if row is not None and row["verdict"] != "pass"]
        ),
    )


def _first(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - _MOST
    return (*lines[:_MOST], f"and {rest:,} more") if rest > 0 else tuple(lines)
