# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost packets make no wrong row: 5 % of all packets vanish at the router, in each direction."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

from .conftest import NAME, World
from .network import Network
from .slow_network import SlowNetwork

LISTEN = Path(__file__).parents[1] / "locate" / "listen.py"

LOSS = """table inet loss { chain c { type filter hook forward priority 0
numgen random mod 100 < 5 drop
}
}"""
DROP = """table inet t { chain c { type filter hook input priority 0
tcp dport 3000-3999 drop
}
}"""


def test_no_wrong_row_at_five_percent_loss(network: Network, world: World) -> None:
    network.nft("router", LOSS)
    network.nft("server", DROP)
    targets = []
    for version in (4, 6):
        destination = network.server[version]
        good = {"encryption": "starttls", "name": NAME, "port": world.ports["good"]}
        targets += [{"destination": destination, **good}] * 60
        targets += [{"destination": destination, "port": 3000 + n, "expect": "blocked"} for n in range(300)]
        targets += [{"destination": destination, "port": world.ports["silent"], "expect": "blocked"}] * 300
        targets += [{"destination": destination, "port": 4000 + n, "expect": "blocked"} for n in range(300)]
    try:
        rows = network.probe(targets, ca_pem=world.ca.pem)["rows"]
    finally:
        network.nft("router", "")
        network.nft("server", "")
    seen = Counter((row["expect"], row["outcome"], row["verdict"]) for row in rows)
    assert seen == {
        ("allowed", "open", "pass"): 120,
        ("blocked", "filtered", "pass"): 600,
        ("blocked", "open", "fail"): 600,
        ("blocked", "refused", "pass"): 600,
    }


ROWS = int(os.environ.get("ALERTPATH_LOSS_ROWS", "1200"))
"""Rows of the slow path; 10000 for the long run."""
SLOW_SERVER = """table inet t { chain c { type filter hook input priority 0
tcp dport 587 drop
tcp dport 2525 reject with icmpx admin-prohibited
}
}"""


def test_loss_and_delay_give_no_wrong_row() -> None:
    """Each way 5 % of the packets vanish and the rest take 50 ms. A quarter each: open, silent, refused, to be open."""
    network = SlowNetwork(f"apprbl{os.getpid()}")
    kinds = [("allowed", 25), ("blocked", 587), ("blocked", 465), ("blocked", 25)]
    wanted = {
        ("allowed", 25): ("open", "pass"),
        ("blocked", 587): ("filtered", "pass"),
        ("blocked", 465): ("refused", "pass"),
        ("blocked", 25): ("open", "fail"),
    }
    targets = []
    for n in range(ROWS):
        expect, port = kinds[n % 4]
        net, host = divmod(n // 4, 200)
        address = f"10.93.{net}.{host}" if host % 2 else f"fd93::{net:x}:{host:x}"
        targets.append({"destination": address, "port": port, "expect": expect})
    try:
        network.up()
        network.nft("server", SLOW_SERVER)
        network.start(sys.executable, str(LISTEN), "25", says=b"listening")
        network.slow(loss=0.05, seconds=0.05)
        result = network.probe(targets, depth="connect")
    finally:
        network.down()
    wrong = [
        (row["destination"], row["port"], row["expect"], row["outcome"], row["verdict"])
        for row in result["rows"]
        if (row["outcome"], row["verdict"]) != wanted[row["expect"], row["port"]]
    ]
    print(f"\n{ROWS} rows in {result['seconds']:.1f} s, {len(wrong)} wrong, peak {result['peak_mb']:.0f} MB")
    assert len(result["rows"]) == ROWS
    assert not wrong, wrong
    assert result["peak_mb"] < 60
