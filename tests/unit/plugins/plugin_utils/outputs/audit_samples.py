# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans as the compiler makes them, and evidence as probes and proofs leave it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather

from ..policy.conftest import BASE, HOSTS, TODAY, make_host

__all__ = ["BASE", "HOSTS", "TODAY", "evidence", "make_host", "plan"]

Row = dict[str, Any]


def plan(change: Callable[[Any], object] | None = None, hosts: Any = HOSTS) -> dict[str, Any]:
    """The plan of BASE after *change*, as a task registers it."""
    raw = copy.deepcopy(BASE)
    if change:
        change(raw)
    compiled = compile_policy(raw, hosts, TODAY)
    return json.loads(json.dumps({"changed": False, "failed": False, **compiled.as_dict()}))


def _row(probe: Row) -> Row:
    allowed = probe["expect"] == "allowed"
    return {
        **probe,
        "address": probe["destination"],
        "outcome": "open" if allowed else "refused",
        "evidence": {"text": "", **({"tls_version": "TLSv1.3"} if allowed else {})},
        "attempts": 1,
        "seconds": 0.01,
        "control": None if allowed else "destination",
        "verdict": "pass",
        "reason": f"{probe['name']} answers, proved by its certificate" if allowed else "a reset answered",
    }


def evidence(
    made_from: dict[str, Any],
    seen: Callable[[str, Row], Row | None] = lambda _host, row: row,
    proof: dict[str, Any] | None = None,
    drift: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """What path_verification_report holds when everything is as declared but for what *seen* makes of a row (None takes
    it away); *proof* and *drift* by host; *more* besides."""
    hosts = made_from["hosts"]
    results = {
        name: {"rows": [row for probe in host["probes"] if (row := seen(name, _row(probe)))]}
        for name, host in hosts.items()
    }
    return json.loads(json.dumps({**as_data(gather(hosts, results, drift, proof)), **more}))
