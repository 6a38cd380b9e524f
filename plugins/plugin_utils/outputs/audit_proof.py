# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What evidence says of each rule and each sentinel. Pure.

Evidence is what the filter matrix_evidence returns and role path_verification keeps as path_verification_report. A rule
is judged by the plan of today: by the probes that the plan has for it now, each against the row of the same host,
source, destination, port and expectation. So evidence of an older plan proves what still holds, and no more.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..report.evidence import Report, from_data
from ..report.rules import PROVEN, UNKNOWN
from .audit_carriers import Carriers
from .audit_model import AuditEvidence, Enforcer, ProofState, RuleProof
from .documents import count, listed

_IDENTITY = ("source", "destination", "port", "expect")
_READ = ("verdict", "reason", "outcome")
_EXAMPLES, _MOST = 3, 10


class NotEvidence(ValueError):
    """What was given as evidence is none; the message says what to give."""


@dataclass(frozen=True)
class Body:
    """One body of evidence: when it was gathered, from which plan, and its rows by probe."""

    at: datetime.datetime | None
    digest: str | None
    report: Report
    rows: Mapping[tuple[Any, ...], Mapping[str, Any]]

    @property
    def when(self) -> str | None:
        """The time for a reader and for other tools, in UTC."""
        return None if self.at is None else self.at.strftime("%Y-%m-%dT%H:%M:%SZ")


def bodies(evidence: Any, times: Any = None) -> tuple[Body, ...]:
    """Return *evidence* (nothing, one result of matrix_evidence, its JSON text, or a list of such), oldest first.

    Each may carry `at` (ISO 8601, in UTC where it names no zone, or seconds since 1970) and `digest` (of its plan);
    *times* has the time of each that does not say itself. What has no time counts as older than what has one. Raises
    NotEvidence.
    """
    if evidence is None or evidence == "":
        return ()
    many = evidence if isinstance(evidence, (list, tuple)) else [evidence]
    known = [None] * len(many) if times is None else list(times) if isinstance(times, (list, tuple)) else [times]
    if len(known) != len(many):
        raise NotEvidence(f"times has {len(known)} entries for {len(many)} of evidence; give one for each")
    found = [_body(_parsed(item), time) for item, time in zip(many, known, strict=True)]
    oldest = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return tuple(sorted(found, key=lambda body: body.at or oldest))


def _parsed(item: Any) -> Any:
    try:
        return json.loads(item) if isinstance(item, str) else item
    except ValueError as wrong:
        raise NotEvidence(f"evidence is not JSON ({wrong}); give what path_verification_report holds") from None


def _body(item: Any, time: Any) -> Body:
    if not isinstance(item, Mapping):
        raise NotEvidence("evidence is not a dictionary; give what path_verification_report holds, or a list of such")
    try:
        report = from_data(item)
        rows = {probe_key(seen.probe_host, seen.row): seen.row for seen in report.rows}
        missing = [name for row in rows.values() for name in _READ if name not in row]
        if missing:
            raise KeyError(missing[0])
    except (KeyError, TypeError, AttributeError) as wrong:
        raise NotEvidence(f"evidence has no {wrong}; give what path_verification_report holds") from None
    digest, at = item.get("digest"), item.get("at")
    return Body(_time(time if at is None else at), None if digest is None else str(digest), report, rows)


def _time(value: Any) -> datetime.datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.datetime.fromtimestamp(value, datetime.UTC)
        found = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise NotEvidence(f"evidence.at {value!r} is not a time; write it as 2026-11-30T06:00:00Z") from None
    return found.replace(tzinfo=datetime.UTC) if found.tzinfo is None else found.astimezone(datetime.UTC)


def probe_key(host: str, probe: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a probe, or its row, from all others."""
    return (host, *(probe[name] for name in _IDENTITY))


def shown(body: Body, digest: str) -> AuditEvidence:
    """Return what a reader should know of *body*, read beside the plan with *digest*."""
    report = body.report
    return AuditEvidence(
        at=body.when,
        passed=report.passed,
        hosts=report.hosts,
        rows=len(report.rows),
        passing=len(report.rows) - len(report.differences),
        missing=tuple(f"{gap.host}: {gap.reason}" for gap in report.gaps),
        same_plan=None if body.digest is None else body.digest == digest,
    )


def rule_proof(
    number: int,
    probes: Sequence[tuple[str, Mapping[str, Any]]],
    enforcers: Sequence[Enforcer],
    evidence: Sequence[Body],
    carriers: Carriers,
) -> RuleProof:
    """Return what *evidence*, oldest first, says of the rule at *number*.

    *probes* are the plan's probes that must find it open, each with the host it starts at; *enforcers* the hosts whose
    loaded rules let it pass.
    """
    if not evidence:
        return RuleProof("unknown", None, False, (), ())
    judged = [_judge(number, probes, enforcers, body, carriers) for body in evidence]
    latest = judged[-1]
    proving = [body for body, proof in zip(evidence, judged, strict=True) if proof.state in ("proven", "by_rules")]
    last = proving[-1].when if proving else None
    return RuleProof(latest.state, last, bool(proving), latest.how, latest.against)


def _judge(
    number: int,
    probes: Sequence[tuple[str, Mapping[str, Any]]],
    enforcers: Sequence[Enforcer],
    body: Body,
    carriers: Carriers,
) -> RuleProof:
    rows = [(host, body.rows.get(probe_key(host, probe)), probe) for host, probe in probes]
    passing = [(host, row) for host, row, _probe in rows if row is not None and row["verdict"] == "pass"]
    failing = [(host, row) for host, row, _probe in rows if row is not None and row["verdict"] == "fail"]
    unclear = [(host, row) for host, row, _probe in rows if row is not None and row["verdict"] not in ("pass", "fail")]
    absent = [(host, probe) for host, row, probe in rows if row is None]
    by_rules, read = _rules(number, enforcers, body, carriers), _read(enforcers, body)
    how = [*_probed(len(probes), passing), *([] if not read else [_loaded(read)])]
    against = [
        *(f"{_way(host, row)}: {row['reason']}" for host, row in [*failing, *unclear]),
        *(f"{_way(host, probe)}: no row" for host, probe in absent),
        *(text for _certain, text in by_rules),
    ]
    state: ProofState
    if failing or any(certain for certain, _text in by_rules):
        state = "disproved"
    elif against:
        state = "incomplete"
    elif probes:
        state = "proven"
    elif enforcers and len(read) == len(enforcers):
        state = "by_rules"
    else:
        state = "unprobed"
    return RuleProof(state, None, False, tuple(how), _cut(against))


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    rest = len(lines) - _MOST
    return (*lines[:_MOST], f"and {rest:,} more") if rest > 0 else tuple(lines)


def _probed(planned: int, passing: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    if not planned:
        return ["no probe of the plan starts at a host of one end and leads to a pinned address of the other"]
    found = [f"probed: {len(passing):,} of {planned:,} as declared"]
    found += [f"{_way(host, row)}: {row['reason']}{_session(row)}" for host, row in passing[:_EXAMPLES]]
    if len(passing) > _EXAMPLES:
        found.append(f"and {len(passing) - _EXAMPLES:,} more")
    return found


def _way(host: str, probe: Mapping[str, Any]) -> str:
    return f"{host} to {probe['destination']} port {probe['port']}"


def _session(row: Mapping[str, Any]) -> str:
    evidence = row.get("evidence")
    version = evidence.get("tls_version") if isinstance(evidence, Mapping) else None
    return f" ({version})" if version else ""


def _proofs(enforcers: Iterable[Enforcer], body: Body) -> list[Any]:
    names = {enforcer.host for enforcer in enforcers}
    return [proof for proof in body.report.proof or () if proof.host in names]


def _read(enforcers: Iterable[Enforcer], body: Body) -> list[str]:
    """The enforcing hosts whose loaded rules were read."""
    return [proof.host for proof in _proofs(enforcers, body) if proof.state == PROVEN or proof.found is not None]


def _loaded(hosts: Sequence[str]) -> str:
    return f"read: the loaded rules of {count(len(hosts), 'host')} that enforce it ({listed(sorted(hosts))})"


def _rules(number: int, enforcers: Sequence[Enforcer], body: Body, carriers: Carriers) -> list[tuple[bool, str]]:
    """What the loaded rules of the enforcing hosts say against the rule: whether it is certain, and in words."""
    found: list[tuple[bool, str]] = []
    for proof in _proofs(enforcers, body):
        if proof.state == UNKNOWN:
            found.append((False, f"{proof.host}: its rules could not be read, {proof.reason}"))
        for name, words in (("missing", "block it"), ("intercepted", "lead it elsewhere")):
            hits = [item for item in proof.listed(name) if number in _touched(item, carriers)]
            certain = any(item.get("certainty") != "may" for item in hits)
            if hits:
                loaded = "the loaded rules" if certain else "the loaded rules perhaps"
                found.append((certain, f"{proof.host}: {loaded} {words} ({count(len(hits), 'finding')})"))
    return found


def _touched(item: Mapping[str, Any], carriers: Carriers) -> set[int]:
    paths = item.get("paths") or ([item["path"]] if item.get("path") else [])
    return {number for path in paths for number in carriers.touched(str(path), item)}
