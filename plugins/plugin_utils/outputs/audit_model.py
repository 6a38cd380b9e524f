# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit says, as typed data: every rule with who answers for it, who enforces it, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .documents import as_plain
from .documents_plan import Way

ReviewState = Literal["ok", "soon", "overdue", "missing"]
ProofState = Literal["proven", "by_rules", "incomplete", "disproved", "unprobed", "unknown"]


@dataclass(frozen=True)
class Review:
    """Until when something is approved. *days* is how many are left, negative when the date has passed."""

    review_by: str | None
    days: int | None
    state: ReviewState


@dataclass(frozen=True)
class Enforcer:
    """A host that lets a rule's connections pass and nothing else; as what: `egress`, `ingress`, `forward`."""

    host: str
    directions: tuple[str, ...]


@dataclass(frozen=True)
class RuleProof:
    """What evidence says of one rule.

    *state*: `proven` (every probe and all loaded rules that were read are as declared), `by_rules` (no probe of the
    plan can show it, but the loaded rules of every host that enforces it do), `incomplete` (something was not found
    out), `disproved`, `unprobed` (nothing of the plan could show it), or `unknown` (there is no evidence).
    *last_proven* is the time of the newest evidence that proved it, None when there is none or when its time is not
    known; *ever_proven* tells these apart.
    """

    state: ProofState
    last_proven: str | None
    ever_proven: bool
    how: tuple[str, ...]
    against: tuple[str, ...]


@dataclass(frozen=True)
class AuditRule:
    """One entry of the plan's paths, with what an auditor asks of it."""

    way: Way
    review: Review
    enforced_by: tuple[Enforcer, ...]
    proof: RuleProof


@dataclass(frozen=True)
class AuditLockdown:
    """Hosts that deny everything else, and what they let pass besides SMTP."""

    hosts: str
    owner: str | None
    approved_by: str | None
    reason: str | None
    review: Review
    allow: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class AuditHost:
    """One host of the plan, and what the newest evidence says of its rules. States as in evidence, None without it."""

    name: str
    addresses: tuple[str, ...]
    enforces: tuple[str, ...]
    lockdown: bool
    drift: str | None
    proof: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AuditSentinel:
    """A destination that must be unreachable: how many probes of the plan are to show it, and how many did."""

    name: str
    addresses: tuple[str, ...]
    probes: int
    blocked: int
    against: tuple[str, ...]


@dataclass(frozen=True)
class AuditEvidence:
    """One body of evidence: when, how much, and what is missing. *same_plan* is None where the evidence does not say
    which plan it was made from."""

    at: str | None
    passed: bool
    hosts: int
    rows: int
    passing: int
    missing: tuple[str, ...]
    same_plan: bool | None


@dataclass(frozen=True)
class Audit:
    """All of it, as of *today*."""

    today: str
    digest: str
    ports: tuple[int, ...]
    findings: tuple[Mapping[str, Any], ...]
    rules: tuple[AuditRule, ...]
    lockdown: tuple[AuditLockdown, ...]
    hosts: tuple[AuditHost, ...]
    sentinels: tuple[AuditSentinel, ...]
    zones: tuple[Mapping[str, Any], ...]
    evidence: tuple[AuditEvidence, ...]

    def as_dict(self) -> dict[str, Any]:
        """The audit as plain data: what policy_audit returns for `data`."""
        rules = []
        for rule in self.rules:
            way = asdict(rule.way)
            gateway = way.pop("gateway")
            ends = {"from": way.pop("source_zone"), "to": way.pop("destination_zone")}
            due = {"review_by": rule.review.review_by, "review": asdict(rule.review)}
            others = {"enforced_by": [asdict(host) for host in rule.enforced_by], "proof": asdict(rule.proof)}
            rules.append({"kind": "lan_gateway" if gateway else "path", **ends, **way, **due, **others})
        return as_plain({**asdict(self), "rules": rules})
