# SPDX-License-Identifier: GPL-3.0-or-later
"""How long smtp_firewall_info takes to prove a host, beside the time the kernel needs to dump the same rules.

Every ruleset is loaded in a network namespace of its own, listed by `nft -j list ruleset`, and proved from that text as
the module does it; listing and proof take turns, so that a busy machine slows both. Each proof runs in a process of its
own, for its memory. Exits with 1 when a limit is passed, or a proof comes to the wrong end.

Rules that name one port each are listed so fast that reading the listing's JSON alone takes a third of it, so they are
shown beside the limit for rules with a set of ports each, but not held to it.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import rulesets
from ansible_collections.alertpath.smtp.plugins.module_utils.proof import gather, report

ROUNDS = 5
SHARE_OF_DUMP, OF_SET, OF_ROUTER, OF_STRIPS = 0.5, 0.3, 1.0, 20.0
MOST_MB = 1000


def in_child(loaded: object, options: dict[str, object]) -> tuple[float, float, bool]:
    """Prove in a process of its own; return the seconds, the megabytes it grew by, and whether it passed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        result = report.prove(loaded, options)
        seconds = time.perf_counter() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        os.write(write, json.dumps([seconds, grown, result["passed"]]).encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="ascii") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        sys.exit("the proof failed")
    seconds, grown, passed = json.loads(text)
    return seconds, grown, passed


def measure(case: rulesets.Case, rounds: int = ROUNDS) -> tuple[float, float]:
    """Print and return the medians of the proof in seconds, and of its ratio to the dump of the same round."""
    subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{case.text}", text=True, check=True)
    loaded = gather.gather()
    dumps, proofs, ratios, grown = [], [], [], 0.0
    for _round in range(rounds):
        start = time.perf_counter()
        subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, check=True)
        dumps.append(time.perf_counter() - start)
        seconds, megabytes, passed = in_child(loaded, case.options)
        if passed != case.passes:
            sys.exit(f"{case.name}: the proof {'passed' if passed else 'did not pass'}")
        proofs.append(seconds)
        ratios.append(seconds / dumps[-1])
        grown = max(grown, megabytes)
    proof, ratio = statistics.median(proofs), statistics.median(ratios)
    print(
        f"{case.name:44} proof {proof:7.3f} s ({min(proofs):.3f} to {max(proofs):.3f}), dump"
        f" {statistics.median(dumps):6.3f} s: {ratio:5.2f} of it, {grown:4.0f} MB",
        flush=True,
    )
    return (proof, ratio) if grown < MOST_MB else (float("inf"), ratio)


def main() -> int:
    for case in (rulesets.linear(10_000), rulesets.addresses(10_000)):
        measure(case)
    listed = [rulesets.several_ports(10_000)]
    sets = [rulesets.own(10_000), rulesets.plain_set(10_000)]
    routers = [rulesets.router(10_000, False), rulesets.router(10_000, True), rulesets.own(10_000, "forward")]
    limits = [(measure(case)[1] <= SHARE_OF_DUMP, f"{case.name}: {SHARE_OF_DUMP} of the dump") for case in listed]
    limits += [(measure(case)[0] <= OF_SET, f"{case.name}: {OF_SET} s") for case in sets]
    limits += [(measure(case)[0] <= OF_ROUTER, f"{case.name}: {OF_ROUTER} s") for case in routers]
    before = 0.0
    for case in map(rulesets.strips, (500, 1000, 2000, 4000)):
        seconds = measure(case, 1)[0]
        if before:
            print(f"{'':44} {seconds / before:5.2f} x that of half as many")
        before = seconds
    limits.append((before <= OF_STRIPS, f"{case.name}: {OF_STRIPS} s and {MOST_MB} MB"))
    for good, what in limits:
        print("within" if good else "beyond", what)
    return 0 if all(good for good, _what in limits) else 1


if __name__ == "__main__":
    if os.environ.get("ALERTPATH_BENCH") != "inside":
        words = ["unshare", "--net", sys.executable, __file__]
        os.execvpe("unshare", words, {**os.environ, "ALERTPATH_BENCH": "inside"})
    sys.exit(main())
