# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what each host's probe returned to one body of evidence about the whole plan. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .presence import doubted, present, rejecting
from .rules import Drift, Proof, drift_data, drift_from, drifts, proof_data, proof_from, proofs

PASSED = "pass"
VERDICTS = (PASSED, "fail", "error", "unproven")
_IDENTITY = ("source", "destination", "port", "expect")


@dataclass(frozen=True)
class Gap:
    """A host from which there is no evidence, or not all of it."""

    host: str
    reason: str


@dataclass(frozen=True)
class Moved:
    """A server's name that leads elsewhere than to the addresses that the policy pins."""

    name: str
    pinned: tuple[str, ...]
    resolved: tuple[str, ...]
    hosts: tuple[str, ...]
    """Where it was looked up."""


@dataclass(frozen=True)
class Seen:
    """One row of a probe, and the host it was made from."""

    probe_host: str
    row: Mapping[str, Any]

    @property
    def destination_host(self) -> str:
        """The destination's name for a reader."""
        return str(self.row.get("host") or self.row["destination"])

    @property
    def address(self) -> str:
        """The address that was probed, else what was to be probed."""
        return str(self.row.get("address") or self.row["destination"])

    @property
    def family(self) -> str:
        """`v4`, `v6`, or an empty string for a name without an address."""
        try:
            return f"v{ipaddress.ip_address(self.address.partition('%')[0]).version}"
        except ValueError:
            return ""

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return str(self.row.get("remedy") or "read the row's evidence")

    @property
    def passed(self) -> bool:
        """Whether the row is as declared."""
        return bool(self.row["verdict"] == PASSED)


@dataclass(frozen=True)
class Report:
    """Every row of every host, the hosts whose rows are missing, and what is known of the hosts' rules."""

    rows: tuple[Seen, ...]
    gaps: tuple[Gap, ...]
    hosts: int
    moved: tuple[Moved, ...] = ()
    drift: tuple[Drift, ...] | None = None
    """None when rules were not compared."""
    proof: tuple[Proof, ...] | None = None
    """None when rules were not read."""

    @property
    def by_host(self) -> Mapping[str, Sequence[Seen]]:
        """The rows by the host that they were probed from."""
        found: dict[str, list[Seen]] = {}
        for seen in self.rows:
            found.setdefault(seen.probe_host, []).append(seen)
        return found

    @property
    def differences(self) -> tuple[Seen, ...]:
        """The rows that are not as declared."""
        return tuple(seen for seen in self.rows if not seen.passed)

    @property
    def passed(self) -> bool:
        """Whether there is evidence, all of it, and all as declared."""
        return bool(self.rows) and not self.gaps and not self.differences and not self.astray

    @property
    def astray(self) -> frozenset[str]:
        """The hosts whose rules drifted, were disproved, or could not be read."""
        return frozenset(
            [item.host for item in self.drift or () if not item.passed]
            + [item.host for item in self.proof or () if not item.passed]
        )


def gather(
    planned: Mapping[str, Any],
    results: Mapping[str, Any],
    drift: Mapping[str, Any] | None = None,
    proof: Mapping[str, Any] | None = None,
    require_answer: bool = True,
) -> Report:
    """Put together the *results* of smtp_probe by host, against the plan's hosts that were to probe.

    *planned* maps each host to its entry in the plan (docs/plan.md), *results* to what the module's task registered
    (nothing when the task never ran), *drift* to what a check of smtp_firewall registered, *proof* to what
    smtp_firewall_info did; None where that was not asked for. A planned probe without a row makes a gap, and a host
    that enforces without a result is unknown: nothing vanishes in silence. With *require_answer* a block proves
    something only where the address is known to be somebody's, see presence.py.
    """
    rows: list[Seen] = []
    gaps: list[Gap] = []
    for host in sorted(planned):
        result = results.get(host) or {}
        found = list(result.get("rows") or ())
        rows.extend(Seen(host, row) for row in found)
        reason = _missing(planned[host].get("probes") or (), result, found)
        if reason:
            gaps.append(Gap(host, reason))
    if require_answer:
        there, named = present(seen.row for seen in rows), rejecting(seen.row for seen in rows)
        rows = [Seen(seen.probe_host, doubted(seen.row, there, named)) for seen in rows]
    return Report(
        tuple(rows),
        tuple(gaps),
        len(planned),
        _moved(results),
        None if drift is None else drifts(planned, drift),
        None if proof is None else proofs(planned, proof),
    )


def _moved(results: Mapping[str, Any]) -> tuple[Moved, ...]:
    found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for host in sorted(results):
        for item in (results[host] or {}).get("moved_names", ()):
            found.setdefault((item["name"], tuple(item["pinned"]), tuple(item["resolved"])), []).append(host)
    return tuple(Moved(*key, tuple(hosts)) for key, hosts in sorted(found.items()))


def _missing(probes: Sequence[Mapping[str, Any]], result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    said = " ".join(str(result.get("msg", "")).split())
    if result.get("unreachable"):
        return f"unreachable, so nothing was probed from it ({said})"
    if result.get("failed") and not rows:
        return f"the probe failed ({said})"
    if not result and probes:
        return "no result: the host was unreachable or failed before the probe"
    answered = {_identity(row) for row in rows}
    missing = sum(1 for probe in probes if _identity(probe) not in answered)
    if missing:
        return f"{missing} of {len(probes)} planned probes have no row"
    return ""


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(field) for field in _IDENTITY)


def as_data(report: Report) -> dict[str, Any]:
    """Return the report as plain data: what is written to a file, and what `from_data` reads."""
    counts = {verdict: sum(1 for seen in report.rows if seen.row["verdict"] == verdict) for verdict in VERDICTS}
    return {
        "passed": report.passed,
        "summary": {"hosts": report.hosts, "rows": len(report.rows), **counts},
        "missing": [{"host": gap.host, "reason": gap.reason} for gap in report.gaps],
        "moved_names": [
            {"name": m.name, "pinned": list(m.pinned), "resolved": list(m.resolved), "hosts": list(m.hosts)}
            for m in report.moved
        ],
        "rows": [{"probe_host": seen.probe_host, **seen.row} for seen in report.rows],
        "drift": None if report.drift is None else {item.host: drift_data(item) for item in report.drift},
        "proof": None if report.proof is None else {item.host: proof_data(item) for item in report.proof},
    }


def from_data(data: Mapping[str, Any]) -> Report:
    """Return the report that `as_data` wrote. Raises KeyError for anything else."""
    rows = tuple(
        Seen(row["probe_host"], {key: value for key, value in row.items() if key != "probe_host"})
        for row in data["rows"]
    )
    gaps = tuple(Gap(gap["host"], gap["reason"]) for gap in data["missing"])
    names = tuple(
        Moved(m["name"], tuple(m["pinned"]), tuple(m["resolved"]), tuple(m["hosts"])) for m in data["moved_names"]
    )
    drift, proof = data.get("drift"), data.get("proof")
    return Report(
        rows,
        gaps,
        data["summary"]["hosts"],
        names,
        None if drift is None else tuple(drift_from(host, drift[host]) for host in sorted(drift)),
        None if proof is None else tuple(proof_from(host, proof[host]) for host in sorted(proof)),
    )
