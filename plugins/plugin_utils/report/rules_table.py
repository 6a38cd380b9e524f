# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift and proof of the hosts' rules as lines for a reader, each with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .rules import DISPROVED, FINDINGS, LEFT_OUT, PROVEN, SAME, UNKNOWN, Drift, Proof

_DRIFTED = {
    (True, False): (
        "the loaded rules are not as declared, the boot file is; apply the policy, and find out who changed them"
    ),
    (False, True): (
        "a restart would bring other rules than declared, the loaded ones are as declared; apply the policy, "
        "and find out who changed the boot file or the unit"
    ),
    (True, True): "neither the loaded rules nor what a restart would bring are as declared; apply the policy",
}
_FOUND = {
    "excess": "open, not declared",
    "missing": "declared, blocked",
    "intercepted": "led elsewhere",
}
_REMEDY = {
    ("excess", "must"): "apply the policy; if it is applied, have the owner of the rule named here close it",
    ("missing", "must"): "have the owner of the rule named here let it pass, or take the path out of the policy",
    ("intercepted", "must"): "have the owner of the rule named here remove it, or except these addresses from it",
    ("excess", "may"): "apply the policy, or have the owner of the rule named here write it so that it can be decided",
    ("missing", "may"): "have the owner let the path pass before the rule named here, which cannot be decided",
    ("intercepted", "may"): "have the owner except these addresses from the rule named here, which cannot be decided",
}
CERTAINTIES = ("must", "may")
_WORDS = {"must": "DISPROVED", "may": "UNPROVEN"}
_MOST_DIFFERENCES = 6
_MOST_FINDINGS = 20
_MOST_ANOMALIES = 3


def lines(drift: Sequence[Drift] | None, proof: Sequence[Proof] | None) -> list[str]:
    """Return everything a reader should know of the rules; None where it was not asked for."""
    return [
        *_summary(drift, proof),
        *_unknown([*(drift or ()), *(proof or ())]),
        *(line for item in drift or () for line in _drifted(item)),
        *(line for item in proof or () if item.state == DISPROVED for line in findings(item.host, item.found or {})),
        *(line for item in proof or () for line in _notes(item)),
    ]


def _summary(drift: Sequence[Drift] | None, proof: Sequence[Proof] | None) -> list[str]:
    if drift is None and proof is None:
        return []
    parts = []
    if drift is not None:
        same = sum(item.state == SAME for item in drift)
        parts.append(f"{same} of {_governed(drift)} hosts have the declared rules, loaded and for the next start")
    if proof is not None:
        proven = sum(item.state == PROVEN for item in proof)
        parts.append(f"{proven} of {_governed(proof)} are proven to let pass what is declared and nothing else")
    left = [item.host for item in (proof if drift is None else drift) or () if item.state == LEFT_OUT]
    return ["RULES " + ", ".join(parts), *([f"RULES not governed by the policy on {', '.join(left)}"] if left else [])]


def _governed(items: Sequence[Drift | Proof]) -> int:
    return sum(item.state != LEFT_OUT for item in items)


def _unknown(items: Iterable[Drift | Proof]) -> list[str]:
    """Hosts whose rules nobody could read; once, when drift and proof say the same."""
    said = {(item.host, item.reason) for item in items if item.state == UNKNOWN}
    return [f"NO EVIDENCE of the rules of {host}, {reason}" for host, reason in sorted(said)]


def _drifted(drift: Drift) -> list[str]:
    if not (drift.live or drift.boot):
        return []
    found = [f"DRIFT on {drift.host}, {_DRIFTED[drift.live, drift.boot]}"]
    for difference in drift.differences:
        shown = difference.lines[:_MOST_DIFFERENCES]
        found += [f"on {drift.host}, in {difference.what}, {line}" for line in shown]
        rest = len(difference.lines) - len(shown)
        if rest:
            found.append(f"on {drift.host}, in {difference.what}, and {rest} lines more")
    return found


def findings(
    host: str, found: Mapping[str, Any], names: Iterable[str] = FINDINGS, certainties: Sequence[str] = CERTAINTIES
) -> list[str]:
    """Return what smtp_firewall_info *found* on *host* under *names*, as certain as one of *certainties*: a line with
    the remedy, then each finding with the rule that decides it."""
    shown: list[str] = []
    for name in names:
        entries = list(found.get(name) or ())
        more = int((found.get("left_out") or {}).get(name) or 0)
        for certainty, word in ((item, _WORDS[item]) for item in certainties):
            kind = [entry for entry in entries if entry.get("certainty", "must") == certainty]
            if kind:
                shown.append(f"{word} on {host}, {len(kind)} {_FOUND[name]}; {_REMEDY[name, certainty]}")
                shown += [f"on {host}, {_point(entry)}, {_by(entry)}" for entry in kind[:_MOST_FINDINGS]]
                more += len(kind[_MOST_FINDINGS:])
        if more:
            shown.append(f"on {host}, and {more} more {_FOUND[name]}")
    return shown


def _point(entry: Mapping[str, Any]) -> str:
    paths = [str(name) for name in entry.get("paths") or ([entry["path"]] if entry.get("path") else ())]
    named = f"{' '.join(paths)}, " if paths else ""
    perhaps = "perhaps " if entry.get("certainty") == "may" else ""
    return f"{named}{perhaps}{entry['direction']} from {entry['source']} to {entry['destination']} port {entry['port']}"


def _by(entry: Mapping[str, Any]) -> str:
    rules = "; ".join(rule(item) for item in entry.get("by") or ())
    return f"by {rules}" if rules else "by no rule, but the kernel's default"


def rule(by: Mapping[str, Any]) -> str:
    """Return where a rule stands, and what it says."""
    legacy = " of iptables-legacy" if by.get("source") == "iptables-legacy" else ""
    place = [f"table {by['family']} {by['table']}{legacy}", f"chain {by['chain']}"]
    if by.get("handle") is not None:
        place.append(f"handle {by['handle']}")
    text = str(by.get("rule") or "")
    return " ".join(place) + (f" ({text})" if text else "")


def _notes(proof: Proof) -> list[str]:
    """What is worth knowing though it proves or disproves nothing."""
    found = []
    unmodelled = [f"{rule(item)} looks at {item['what']}" for item in proof.listed("unmodelled")]
    if unmodelled:
        found.append(f"UNMODELLED on {proof.host}, counted as open and never as proof, {_few(unmodelled)}")
    for item in proof.listed("anomalies")[:_MOST_ANOMALIES]:
        others = "; ".join(rule(other) for other in item.get("others") or ())
        found.append(f"ANOMALY on {proof.host}, {rule(item['rule'])} {item['what']}{f', {others}' if others else ''}")
    rest = len(proof.listed("anomalies")) - _MOST_ANOMALIES
    if rest > 0:
        found.append(f"ANOMALY on {proof.host}, and {rest} more")
    return found


def _few(texts: Sequence[str]) -> str:
    return "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")
