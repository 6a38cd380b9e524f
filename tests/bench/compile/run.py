# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a large policy takes to compile, and how that grows: n, 2n and 4n hosts with 100 paths."""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.addresses import Block
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.model import Host

PATHS = 100
TODAY = datetime.date(2026, 11, 23)
WORDS = {"owner": "o", "approved_by": "c", "reason": "r", "review_by": "2027-06-30", "encryption": "starttls"}


def world(hosts: int) -> tuple[dict[str, Any], list[Host]]:
    """*hosts* hosts in as many groups as there are paths, each group with a path to a gateway of its own."""
    inventory = [
        Host(f"h{n}", frozenset({f"g{n % PATHS}"}), (Block(4, (10 << 24) + n, (10 << 24) + n),)) for n in range(hosts)
    ]
    zones: dict[str, Any] = {f"g{n}": {"group": f"g{n}"} for n in range(PATHS)}
    zones |= {f"gw{n}": {"addresses": [f"192.0.2.{n + 1}"], "name": f"gw{n}.test"} for n in range(PATHS)}
    paths = [{"id": f"p{n}", "from": f"g{n}", "to": f"gw{n}", "port": 587, **WORDS} for n in range(PATHS)]
    return {"zones": zones, "paths": paths}, inventory


def main() -> None:
    first = None
    for hosts in (250, 500, 1000):
        policy, inventory = world(hosts)
        start = time.perf_counter()
        plan = compile_policy(policy, inventory, TODAY, probes_for=())
        rules = time.perf_counter() - start
        start = time.perf_counter()
        compile_policy(policy, inventory, TODAY, probes_for=[f"h{n}" for n in range(10)])
        probes = time.perf_counter() - start - rules
        first = first or rules
        print(
            f"{hosts:>5} hosts x {PATHS} paths: rules {rules:6.2f} s (ratio to the first {rules / first:5.2f}),"
            f" probes of 10 hosts {probes:6.2f} s, {len(plan.hosts)} hosts in the plan"
        )


if __name__ == "__main__":
    main()
