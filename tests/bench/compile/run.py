# SPDX-License-Identifier: GPL-3.0-or-later
"""How long large policies take to compile, and how that grows: n, 2n and 4n hosts with 100 paths.

Each measurement runs in a process of its own, for its memory, and counts its processor time, which a busy machine does
not add to; sizes take turns, and the best of the rounds counts. Exits with 1 when 1,000 hosts x 100 paths take longer
than the limit, in the library or in a play, or when four times the hosts cost more than n log n allows. Where groups
speak to groups, and in a full matrix, the result itself grows with the square of the hosts: there, the time for one
entry of the result is held to the same law.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import worlds
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import Plan, compile_policy

SIZES = (250, 500, 1000)
ROUNDS = 5
LIMIT = 10.0
# What n log n allows beyond its own growth before it counts: caches that no longer hold everything.
ROOM = 1.5


class Taken(NamedTuple):
    """What one compilation took, and how many rules and probes came out."""

    seconds: float
    megabytes: float
    entries: int


def entries(plan: Plan) -> int:
    """How many rules, listeners' clients, next hops and probes *plan* holds."""
    return sum(
        sum(len(host["firewall"][way]) for way in ("egress", "ingress", "forward"))
        + sum(len(listener["clients"]) for listener in host["listeners"])
        + len(host["next_hops"])
        + len(host["probes"])
        for host in plan.hosts.values()
    )


def compiled(world: worlds.World, probes: bool) -> Taken:
    """Compile in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        plan = compile_policy(world.policy, world.hosts, worlds.TODAY, probes_for=None if probes else ())
        seconds = time.process_time() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        os.write(write, json.dumps([seconds, grown, entries(plan)]).encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="ascii") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        sys.exit("the compilation failed")
    return Taken(*json.loads(text))


def growth(name: str, make: Any, probes: bool, rounds: int = ROUNDS, squared: bool = False) -> tuple[float, bool]:
    """Print what each size takes; return the seconds of the largest, and whether growth stayed in bounds."""
    made = [make(size) for size in SIZES]
    found: list[list[Taken]] = [[] for _size in SIZES]
    for _round in range(rounds):
        for at, world in enumerate(made):
            found[at].append(compiled(world, probes))
    best = [min(taken) for taken in found]
    costs = [taken.seconds / taken.entries if squared else taken.seconds for taken in best]
    for size, taken, cost in zip(SIZES, best, costs, strict=True):
        print(
            f"{name:34} {size:>5} hosts {taken.seconds:7.3f} s {taken.megabytes:6.0f} MB, {taken.entries:>9,} entries"
            f"{' each ' if squared else '      '}{cost / costs[0]:5.2f} x of the first",
            flush=True,
        )
    most = math.log(SIZES[-1]) / math.log(SIZES[0]) * ROOM * (1 if squared else SIZES[-1] / SIZES[0])
    return best[-1].seconds, costs[-1] / costs[0] <= most


def play(folder: Path) -> float:
    """Print and return what the task adds to a play over 1,000 hosts, in seconds."""
    inventory = folder / "inventory"
    worlds.write_inventory(worlds.groups_to_gateways(SIZES[-1]), inventory)
    task = {"name": "Compile", "alertpath.smtp.smtp_plan": {"probes_for": ["none"]}, "run_once": True}
    plays = {}
    for name, tasks in (("empty", []), ("ours", [task])):
        plays[name] = folder / f"{name}.yml"
        plays[name].write_text(json.dumps([{"hosts": "h0", "gather_facts": False, "tasks": tasks}]))
    differences = []
    for _round in range(3):
        took = {}
        for name, path in plays.items():
            argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(path)]
            start = time.perf_counter()
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
            took[name] = time.perf_counter() - start
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
        differences.append(took["ours"] - took["empty"])
    seconds = statistics.median(differences)
    print(
        f"smtp_plan in a play with {SIZES[-1]} hosts: {seconds:.2f} s more than an empty play ({took['empty']:.1f} s)"
    )
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matrix", action="store_true", help="compile full matrices too; this needs 6 GB of memory")
    asked = parser.parse_args()
    law = "n log n"
    rows = [
        ("groups to gateways", worlds.groups_to_gateways, False, law),
        ("the same in both IP versions", worlds.both_versions, False, law),
        ("through 10 routers", worlds.through_routers, False, law),
        ("groups to groups", worlds.groups_to_groups, True, f"{law} for each entry"),
    ]
    limits = []
    for name, make, squared, growing in rows:
        seconds, good = growth(name, make, probes=False, rounds=2 if squared else ROUNDS, squared=squared)
        limits += [(seconds <= LIMIT, f"{name}: {LIMIT:g} s"), (good, f"{name}: {growing}")]
    if asked.matrix:
        _seconds, good = growth("a full matrix of probes", worlds.groups_to_gateways, True, 1, squared=True)
        limits.append((good, f"a full matrix of probes: {law} for each entry"))
    with tempfile.TemporaryDirectory() as folder:
        limits.append((play(Path(folder)) <= LIMIT, f"in a play: {LIMIT:g} s"))
    for good, what in limits:
        print("within" if good else "beyond", what)
    return 0 if all(good for good, _what in limits) else 1


if __name__ == "__main__":
    sys.exit(main())
