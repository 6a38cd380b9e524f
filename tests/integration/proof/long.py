# SPDX-License-Identifier: GPL-3.0-or-later
"""The long test of the proof: many random rulesets and points, the kernel decides, the evaluator must agree.

    python tests/integration/proof/long.py --points 100000 --seed 1

Ends with status 1 when they disagree anywhere, after printing each disagreement with the smallest ruleset. With
--mistakes it then makes that many small random changes to the evaluator, and lists those that the first cases do not
notice: a hole in the rulesets, or a change that changes nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse

from tests.integration.proof import mutants
from tests.integration.proof.box import box
from tests.integration.proof.cases import PER_RULESET, Case, record
from tests.integration.proof.compare import Disagreement, Tally, check, shrink

# What decides; the rest words, explains or gathers.
DECIDING = [
    *("addresses.py", "facts.py", "fold.py", "grid.py", "hooks.py", "mentions.py", "nat.py", "read.py", "route.py"),
    *("iptables_match.py", "iptables_read.py", "iptables_target.py", "nft_keys.py", "nft_match.py", "nft_nat.py"),
    *("flow.py", "nft_read.py", "runs.py", "spans.py", "state.py", "units.py", "walk.py"),
]
CASES_FOR_MISTAKES = 80


def make_mistakes(cases: list[Case], number: int, seed: int) -> None:
    """Print which of so many random mistakes go unnoticed."""
    rng, noticed = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(number):
            what, changed = mutants.random_mistake(rng, DECIDING)
            try:
                with mutants.built(Path(folder), changed) as mutant:
                    caught = mutants.caught_by(cases, mutant)
            except Exception as error:  # noqa: BLE001 - it does not even load
                caught = str(error) or "error"
            noticed += bool(caught)
            if not caught:
                print(f"  unnoticed: {what}", flush=True)
    print(f"{noticed} of {number} random mistakes noticed in {len(cases)} rulesets")


def run(points: int, seed: int, per_ruleset: int, seconds: float, keep: int, mistakes: int) -> int:
    start = shown = time.monotonic()
    tally, found = Tally(), Counter[str]()
    kept: list[Disagreement] = []
    first: list[Case] = []
    with box() as host:
        for case in record(host, seed, points, per_ruleset):
            tally.add(case)
            wrong = check(case, analyse)
            if not wrong and len(first) < CASES_FOR_MISTAKES:
                first.append(case)
            found.update(one.what for one in wrong)
            for one in wrong[:1]:
                if len(kept) < keep:
                    kept.append(shrink(host, one, analyse))
                    print(f"--- disagreement\n{kept[-1]}", flush=True)
            now = time.monotonic()
            if now - shown > 10:
                print(f"{now - start:6.0f} s  {tally.points} points, {found.total()} disagreements", flush=True)
                shown = now
            if now - start > seconds:
                print(f"stopped after {seconds:g} s")
                break
    print(f"seed {seed}: {tally}; {time.monotonic() - start:.0f} s")
    print(f"{found.total()} disagreements" + "".join(f"\n  {number} {what}" for what, number in found.most_common()))
    if mistakes:
        make_mistakes(first, mistakes, seed)
    return 1 if found or tally.points < points else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-ruleset", type=int, default=PER_RULESET)
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after this time, and fail")
    parser.add_argument("--keep", type=int, default=5, help="how many disagreements to shrink and print")
    parser.add_argument("--mistakes", type=int, default=0, help="random changes to make to the evaluator afterwards")
    options = parser.parse_args()
    return run(options.points, options.seed, options.per_ruleset, options.seconds, options.keep, options.mistakes)


if __name__ == "__main__":
    sys.exit(main())
