# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of one host as plain data. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ..firewall import model as firewall
from ..firewall.nets import Rule
from . import anomalies
from .analyse import Analysis
from .compare import FINDINGS, Comparison, Declared, compare
from .model import DIRECTIONS, Loaded
from .pause import no_collection
from .routes import Routes

OUT_OF_SIGHT = (
    "other hosts, and what lies between: only this host's own rules were read",
    "packets that a program with CAP_NET_RAW or CAP_NET_ADMIN builds, marks or hands to a device itself",
    "programs of BPF: cgroup, socket, tc and XDP filters and redirects",
    "connections that were established before these rules were loaded",
    "where the target of DNAT, a redirect or TPROXY leads",
    "frames that a bridge passes on without routing them",
    "fragments, packets with extension headers of IPv6, and packets whose first part carries other flags than SYN",
    "other network namespaces, containers and virtual machines, but for what this host routes for them",
)
_MANY_RULES = "some anomalies: there are too many rules to hold each against each other"
_WORDS = {
    "excess": "open but not declared",
    "missing": "declared but blocked",
    "intercepted": "led elsewhere",
}


def declared_from(options: Mapping[str, Any]) -> Dict[str, List[Declared]]:
    """Return what is declared in the *options* of the module: those of smtp_firewall of the same names.

    Raises ValueError with every problem found.
    """
    ruleset = firewall.from_options({**options, "log": False})
    return {name: [_declared(rule) for rule in getattr(ruleset, name)] for name in DIRECTIONS}


def _declared(rule: Rule) -> Declared:
    source, destination = rule.source, rule.destination
    return Declared(
        source.version,
        (source.first, source.last),
        (destination.first, destination.last),
        rule.port,
        rule.path,
    )


def prove(loaded: Loaded, options: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what *loaded* proves of the declared *options* (ports, egress, ingress, forward, router), as docs/proof.md
    describes. Raises ValueError for options that are refused, and for a listing that cannot be read."""
    with no_collection():
        return _proved(loaded, options)


def _proved(loaded: Loaded, options: Mapping[str, Any]) -> Dict[str, Any]:
    declared = declared_from(options)
    directions = DIRECTIONS if options.get("router") else DIRECTIONS[:2]
    ports = sorted({int(port) for port in options["ports"]})
    analysis = Analysis(loaded, ports, directions)
    comparison = compare(analysis, declared, Routes(loaded))
    odd = anomalies.search(analysis)
    result: Dict[str, Any] = {name: [item.data() for item in comparison.found[name]] for name in FINDINGS}
    result["left_out"] = {**comparison.left_out, "anomalies": odd.more}
    result["unmodelled"] = [item.data() for item in analysis.unmodelled]
    result["out_of_sight"] = [*OUT_OF_SIGHT, *(() if odd.complete else (_MANY_RULES,))]
    result["anomalies"] = [item.data() for item in odd.shown]
    result["directions"] = list(directions)
    result["passed"] = comparison.passed
    result["summary"] = summary(comparison, ports, directions)
    analysis.close()
    return result


def summary(comparison: Comparison, ports: Sequence[int], directions: Sequence[str]) -> str:
    """Return the outcome in one line: what is wrong, the first case of it, and whose rule it is."""
    where = f"TCP ports {', '.join(map(str, ports))}, {', '.join(directions)}"
    if comparison.passed:
        return f"proved: exactly the declared paths are open ({where})"
    parts = []
    for name in FINDINGS:
        items = comparison.found[name]
        if items:
            total = len(items) + comparison.left_out[name]
            parts.append(f"{total} {_WORDS[name]}, such as {_case(items[0].data())}")
    return f"not proved: {'; '.join(parts)} ({where})"


def _case(item: Mapping[str, Any]) -> str:
    perhaps = "perhaps " if item["certainty"] == "may" else ""
    paths = f" (path {', '.join(item['paths'])})" if item["paths"] else ""
    rules = item["by"][:2]
    by = f" by {' and '.join(place(rule) for rule in rules)}" if rules else " as no rule says otherwise"
    return f"{perhaps}{item['direction']} from {item['source']} to {item['destination']} port {item['port']}{paths}{by}"


def place(ref: Mapping[str, Any]) -> str:
    """Return where a rule stands, for a reader."""
    handle = f" handle {ref['handle']}" if ref["handle"] is not None else ""
    rule = f" ({ref['rule']})" if ref["rule"] else ""
    legacy = " of iptables-legacy" if ref["source"] == "iptables-legacy" else ""
    return f"table {ref['family']} {ref['table']}{legacy} chain {ref['chain']}{handle}{rule}"


def remedy(result: Mapping[str, Any]) -> str:
    """Return what to do about a result that did not pass."""
    words = []
    if result["excess"]:
        words.append("close what is open without being declared: apply the policy, or change the rules named")
    if result["missing"]:
        words.append("let the declared paths pass in the tables named, or take them out of the policy")
    if result["intercepted"]:
        words.append("remove the rules that lead connections elsewhere, or except these addresses from them")
    return "; ".join(words)
