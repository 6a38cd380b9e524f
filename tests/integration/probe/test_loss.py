# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost packets make no wrong row: 5 % of all packets vanish at the router, in each direction."""

from __future__ import annotations

from collections import Counter

from .conftest import NAME, World
from .network import Network

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
