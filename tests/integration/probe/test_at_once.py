# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at the same time on one host: neither takes the other's packets for its own."""

from __future__ import annotations

import threading
from typing import Any

from .conftest import World
from .network import Network

OWN = """table inet alertpath { counter blocked_egress { }
chain c { type filter hook output priority 0
tcp dport 3301-3306 counter name blocked_egress reject with tcp reset
}
}"""


def test_own_rule_of_one_run_is_not_blamed_for_what_another_run_sees(network: Network, world: World) -> None:
    """The router refuses on its closed ports; this host's own rule refuses on others. Counters count both runs."""
    own = [{"destination": network.router[4], "port": 3301 + n, "expect": "blocked"} for n in range(6)]
    closed = [{"destination": network.router[4], "port": 3401 + n, "expect": "blocked"} for n in range(6)]
    found: dict[str, list[dict[str, Any]]] = {}

    def run(name: str, targets: list[dict[str, Any]]) -> None:
        found[name] = network.probe(targets, locate="all", locate_budget=120.0, require_answer=False)["rows"]

    network.nft("client", OWN)
    try:
        runs = [threading.Thread(target=run, args=item) for item in (("own", own), ("closed", closed))]
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join()
    finally:
        network.nft("client", "")
    for row in found["closed"]:
        assert row["where"]["own_rule"] is None, row["where"]
        device = row["where"]["device"]
        assert device is None or device["role"] != "own host", row["where"]
        assert row["class"] != "own_rule"
    for row in found["own"]:
        assert row["where"]["own_rule"] == "blocked_egress in table inet alertpath", row["where"]
        assert row["class"] == "own_rule"
