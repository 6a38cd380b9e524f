# SPDX-License-Identifier: GPL-3.0-or-later
"""What 10,000 allowed pairs cost a packet and a connection, beside no rules at all and beside a list of rules.

Each ruleset has a network namespace of its own, where a raw socket sends TCP segments through the output hook into a
device that drops them. The namespaces take turns, a thousand segments at a time, so that whatever else the machine
does slows all alike; processor time counts, and each turn is compared with the empty ruleset's beside it. Connections
are real ones over veth pairs.

A chain without rules is the base of the limit, for the kernel asks for that much as soon as any rules are there; one
rule with nothing but a verdict map of the same pairs shows how little is left to gain. Exits with 1 beyond 200 ns a
packet of a connection over that chain, or below 0.95 of the connections.
"""

from __future__ import annotations

import os
import random
import socket
import statistics
import struct
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render
from rooms import BATCH, Room, Sender

PAIRS = 10_000
PORT, OTHER_PORT = 587, 443
ROUNDS = 150
CONNECTS, CONNECT_ROUNDS = 100, 300
MOST_NS, LEAST_SHARE = 200.0, 0.95
CLIENT, SERVER = "10.94.255.1", "10.94.255.2"


def pair(number: int, version: int, prefix: str = "") -> tuple[str, str]:
    """The pair with that number; *prefix* makes the source a network."""
    if version == 6:
        return f"2001:db8:1::{number * 4:x}{prefix}", f"2001:db8:2::{number:x}"
    high, low = number >> 8, number & 255
    return f"10.{1 + (high >> 6)}.{high * 4 + (low >> 6) & 255}.{low * 4 & 255}{prefix}", f"10.90.{high}.{low}"


def ours(version: int, prefix: str = "") -> str:
    rules = [
        {"source": source, "destination": destination, "port": PORT}
        for source, destination in (pair(number, version, prefix) for number in range(PAIRS))
    ]
    rules.append({"source": CLIENT, "destination": SERVER, "port": PORT})
    return render.render(model.from_options({"ports": [25, 465, 587], "egress": rules})).text


def chain(lines: str = "") -> str:
    return f"table inet t {{\nchain c {{\ntype filter hook output priority 0;\n{lines}\n}}\n}}\n"


def as_list(count: int) -> str:
    """The last *count* pairs as a list of rules."""
    return chain(
        "\n".join(
            f"ip saddr {source} ip daddr {destination} tcp dport {PORT} accept"
            for source, destination in (pair(number, 4) for number in range(PAIRS - count, PAIRS))
        )
    )


def as_map() -> str:
    """The same pairs in one verdict map, with one rule and nothing else."""
    elements = ",\n".join(
        f"{source} . {destination} . {PORT} : accept"
        for source, destination in (pair(number, 4) for number in range(PAIRS))
    )
    verdicts = f"map m {{\ntype ipv4_addr . ipv4_addr . inet_service : verdict\nelements = {{ {elements} }}\n}}\n"
    return chain("ip saddr . ip daddr . tcp dport vmap @m").replace("chain c", f"{verdicts}chain c")


class Case:
    """One ruleset and one kind of traffic, beside the empty ruleset with the same traffic."""

    def __init__(
        self, name: str, room: Room, empty: Room, pairs: list[tuple[str, str]], port: int, batches: int
    ) -> None:
        self.name, self._batches = name, batches
        self._with, self._without = (Sender(where, pairs, port) for where in (room, empty))
        self.costs: list[float] = []
        self.bases: list[float] = []

    def take_turn(self) -> None:
        for sender in (self._with, self._without):
            sender.nanoseconds(1)  # what the one before it left in the caches is not its cost
        before = self._without.nanoseconds(self._batches)
        cost = self._with.nanoseconds(self._batches)
        after = self._without.nanoseconds(self._batches)
        self.bases += [before, after]
        self.costs.append(cost - (before + after) / 2)

    def show(self) -> float:
        """Print the medians; return that of the cost."""
        cost, base = statistics.median(self.costs), statistics.median(self.bases)
        low, _middle, high = statistics.quantiles(self.costs, n=4)
        print(f"  {self.name:48} {cost:+8.0f} ns  ({low:+.0f} to {high:+.0f})  {1 + cost / base:6.2f} x", flush=True)
        return cost


def packets(rulesets: dict[str, str]) -> float:
    """Print what a packet costs under each ruleset over the empty one.

    Returns the cost in a connection of one pair, over that of a chain without rules.
    """
    rooms = {}
    for name, text in {"empty": "", **rulesets}.items():
        rooms[name] = Room()
        rooms[name].drain()
        rooms[name].load(text)
    chosen = random.Random(1).choices(range(PAIRS), k=BATCH)
    one, last = [pair(PAIRS // 2, 4)] * BATCH, [pair(PAIRS - 1, 4)] * BATCH
    some, some6 = ([pair(number, version) for number in chosen] for version in (4, 6))
    empty = rooms["empty"]
    connection = Case("10,000 pairs, a connection of one", rooms["pairs"], empty, one, PORT, 2)
    hook = Case("a chain without rules", rooms["chain"], empty, one, PORT, 2)
    often = [
        hook,
        Case("a bare verdict map of 10,000 pairs", rooms["map"], empty, one, PORT, 2),
        connection,
        Case("10,000 pairs, at random", rooms["pairs"], empty, some, PORT, 2),
        Case("10,000 pairs of IPv6, a connection of one", rooms["pairs6"], empty, some6[:1] * BATCH, PORT, 2),
        Case("10,000 pairs of IPv6, at random", rooms["pairs6"], empty, some6, PORT, 2),
        Case("10,000 pairs with networks, a connection of one", rooms["networks"], empty, one, PORT, 2),
        Case("10,000 pairs with networks, at random", rooms["networks"], empty, some, PORT, 2),
        Case("10,000 pairs, a packet of another service", rooms["pairs"], empty, some, OTHER_PORT, 2),
        Case("a list of 100 rules, its last one", rooms["list of 100"], empty, last, PORT, 2),
    ]
    seldom = [Case("a list of 10,000 rules, its last one", rooms["list of 10,000"], empty, last, PORT, 1)]
    for number in range(ROUNDS):
        for case in often if number % 30 else often + seldom:
            case.take_turn()
    print(f"a packet without any rules takes {statistics.median(connection.bases):.0f} ns; over that, of each round,")
    for case in often + seldom:
        case.show()
    return statistics.median(connection.costs) - statistics.median(hook.costs)


class Line:
    """Two namespaces with a cable between them; a server listens in the far one."""

    def __init__(self, rules: str) -> None:
        self._near, self._far = Room(), Room()
        self._near.connect("near", self._far, "far")
        for room, device, address in ((self._near, "near", CLIENT), (self._far, "far", SERVER)):
            room.run(f"ip addr add {address}/30 dev {device}", f"ip link set {device} up")
        self._near.load(rules)
        with self._far.inside():
            self._server = socket.create_server((SERVER, PORT), backlog=2 * CONNECTS)

    def rate(self) -> float:
        """Make connections one after the other, take them up, and end them; return how many a second that was."""
        with self._near.inside():
            start = time.perf_counter()
            for _number in range(CONNECTS):
                client = socket.socket()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.connect((SERVER, PORT))
                client.close()
            for _number in range(CONNECTS):
                self._server.accept()[0].close()
            return CONNECTS / (time.perf_counter() - start)


def connections(rules: str) -> float:
    """Print how many connections a second are made with our rules and with none; return the share."""
    none, ours_line = Line(""), Line(rules)
    rates: list[tuple[float, float]] = []
    for _round in range(CONNECT_ROUNDS):
        before, with_rules, after = none.rate(), ours_line.rate(), none.rate()
        rates.append(((before + after) / 2, with_rules))
    share = statistics.median(with_rules / without for without, with_rules in rates)
    low, _middle, high = statistics.quantiles([b / a for a, b in rates], n=4)
    without, with_rules = (statistics.median(column) for column in zip(*rates, strict=True))
    print(
        f"connections a second: {without:.0f} without rules, {with_rules:.0f} with 10,000 pairs:"
        f" {share:.3f} of it ({low:.3f} to {high:.3f})"
    )
    return share


def main() -> int:
    pairs = ours(4)
    others = {f"list of {count:,}": as_list(count) for count in (100, PAIRS)}
    cost = packets(
        {"chain": chain(), "map": as_map(), "pairs": pairs, "pairs6": ours(6), "networks": ours(4, "/30"), **others}
    )
    share = connections(pairs)
    cheap, fast = cost <= MOST_NS, share >= LEAST_SHARE
    print("within" if cheap else "beyond", f"{MOST_NS:.0f} ns a packet over a chain without rules: {cost:.0f} ns")
    print("within" if fast else "beyond", f"{LEAST_SHARE} of the connections a second")
    return 0 if cheap and fast else 1


if __name__ == "__main__":
    if os.environ.get("ALERTPATH_BENCH") != "inside":
        words = ["unshare", "--net", "--mount", sys.executable, __file__]
        os.execvpe("unshare", words, {**os.environ, "ALERTPATH_BENCH": "inside"})
    sys.exit(main())
