# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of each host's rules besides what probes see: whether they drifted, and what they prove. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEFT_OUT = "left_out"
UNKNOWN = "unknown"
SAME, DIFFERS = "same", "differs"
PROVEN, DISPROVED = "proven", "disproved"
FINDINGS = ("excess", "missing", "intercepted")
_NOTES = ("unmodelled", "out_of_sight", "anomalies")
_LEFT_OUT = "left_out"
_NOT_GOVERNED = "the policy does not govern this host"
_NO_RESULT = "no result: the host was unreachable or failed before"
# What a reader needs to see of a change; whole tables are read on the host.
_MOST_LINES = 200
_LONG = 4000


@dataclass(frozen=True)
class Difference:
    """One thing that is not as declared: its name, and lines that begin with `-` (is there) or `+` (declared)."""

    what: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """Declared, loaded and boot rules of one host. *state* is `same`, `differs`, `unknown` or `left_out`.

    *live* and *boot* say whether the loaded rules, and what a restart would bring, differ from what is declared.
    """

    host: str
    state: str
    reason: str = ""
    live: bool = False
    boot: bool = False
    differences: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against this host."""
        return self.state in (SAME, LEFT_OUT)


@dataclass(frozen=True)
class Proof:
    """What the loaded rules of one host prove. *state* is `proven`, `disproved`, `unknown` or `left_out`.

    *found* has what smtp_firewall_info returned under the names in FINDINGS, and its notes.
    """

    host: str
    state: str
    reason: str = ""
    summary: str = ""
    found: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against this host."""
        return self.state in (PROVEN, LEFT_OUT)

    def listed(self, name: str) -> list[Any]:
        """The entries under *name*, none when there is nothing."""
        return list((self.found or {}).get(name) or ())


def drifts(planned: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[Drift, ...]:
    """Return the drift of each host in *planned* (docs/plan.md), from *results*: what a check of smtp_firewall, with
    its diff, registered for it. A host that should enforce and has no result is unknown, and does not pass."""
    return tuple(_drift(host, planned[host], results.get(host) or {}) for host in sorted(planned))


def proofs(planned: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[Proof, ...]:
    """Return the proof of each host in *planned*, from *results*: what smtp_firewall_info registered for it."""
    return tuple(_proof(host, planned[host], results.get(host) or {}) for host in sorted(planned))


def _drift(host: str, plan: Mapping[str, Any], result: Mapping[str, Any]) -> Drift:
    if not plan.get("enforces"):
        return Drift(host, LEFT_OUT, _NOT_GOVERNED)
    drift = result.get("drift")
    if not isinstance(drift, Mapping):
        return Drift(host, UNKNOWN, _said(result))
    live, boot = bool(drift["live"]), bool(drift["boot"])
    found = tuple(_difference(part) for part in result.get("diff") or ())
    return Drift(host, DIFFERS if live or boot else SAME, "", live, boot, found)


def _difference(part: Mapping[str, Any]) -> Difference:
    before, after = (str(part.get(side) or "").expandtabs(4).splitlines() for side in ("before", "after"))
    lines = [f"{line[0]} {line[1:].strip()}" for line in _changed(before, after) if line[1:].strip()]
    rest = len(lines) - _MOST_LINES
    more = [f"and {rest} more"] if rest > 0 else []
    return Difference(str(part.get("before_header") or ""), (*lines[:_MOST_LINES], *more))


def _changed(before: Sequence[str], after: Sequence[str]) -> list[str]:
    if len(before) + len(after) > _LONG:
        # difflib needs the square of the length; among thousands of elements their order says nothing.
        gone, come = Counter(before) - Counter(after), Counter(after) - Counter(before)
        return [f"-{line}" for line in gone.elements()] + [f"+{line}" for line in come.elements()]
    found = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return [line for line in found if not line.startswith("@@")]


def _proof(host: str, plan: Mapping[str, Any], result: Mapping[str, Any]) -> Proof:
    if not plan.get("enforces"):
        return Proof(host, LEFT_OUT, _NOT_GOVERNED)
    if "passed" not in result:
        return Proof(host, UNKNOWN, _said(result))
    found: dict[str, Any] = {name: list(result.get(name) or ()) for name in (*FINDINGS, *_NOTES)}
    found[_LEFT_OUT] = dict(result.get(_LEFT_OUT) or {})
    return Proof(host, PROVEN if result["passed"] else DISPROVED, "", str(result.get("summary") or ""), found)


def _said(result: Mapping[str, Any]) -> str:
    return " ".join(str(result.get("msg") or _NO_RESULT).split())


def drift_data(drift: Drift) -> dict[str, Any]:
    """Return *drift* as plain data, without its host."""
    differences = [{"what": item.what, "lines": list(item.lines)} for item in drift.differences]
    known = drift.state in (SAME, DIFFERS)
    return {
        "state": drift.state,
        "reason": drift.reason,
        "live": drift.live if known else None,
        "boot": drift.boot if known else None,
        "differences": differences,
    }


def proof_data(proof: Proof) -> dict[str, Any]:
    """Return *proof* as plain data, without its host."""
    found: dict[str, Any] = {name: proof.listed(name) for name in (*FINDINGS, *_NOTES)}
    found[_LEFT_OUT] = dict((proof.found or {}).get(_LEFT_OUT) or {})
    return {"state": proof.state, "reason": proof.reason, "summary": proof.summary, **found}


def drift_from(host: str, data: Mapping[str, Any]) -> Drift:
    """Return the Drift that drift_data wrote."""
    differences = tuple(Difference(item["what"], tuple(item["lines"])) for item in data["differences"])
    return Drift(host, data["state"], data["reason"], bool(data["live"]), bool(data["boot"]), differences)


def proof_from(host: str, data: Mapping[str, Any]) -> Proof:
    """Return the Proof that proof_data wrote."""
    known = data["state"] in (PROVEN, DISPROVED)
    found = {**{name: list(data[name]) for name in (*FINDINGS, *_NOTES)}, _LEFT_OUT: dict(data[_LEFT_OUT])}
    return Proof(host, data["state"], data["reason"], data["summary"], found if known else None)
