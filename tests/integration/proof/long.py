# SPDX-License-Identifier: GPL-3.0-or-later
"""The long test of the proof: many random rulesets and points, the kernel decides, the evaluator must agree.

    python tests/integration/proof/long.py --points 100000 --seed 1

Ends with status 1 when they disagree anywhere, after printing each disagreement with the smallest ruleset.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse

from tests.integration.proof.box import box
from tests.integration.proof.cases import PER_RULESET, record
from tests.integration.proof.compare import Disagreement, Tally, check, shrink


def run(points: int, seed: int, per_ruleset: int, seconds: float, keep: int) -> int:
    start = shown = time.monotonic()
    tally, found = Tally(), Counter[str]()
    kept: list[Disagreement] = []
    with box() as host:
        for case in record(host, seed, points, per_ruleset):
            tally.add(case)
            wrong = check(case, analyse)
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
    return 1 if found or tally.points < points else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-ruleset", type=int, default=PER_RULESET)
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after this time, and fail")
    parser.add_argument("--keep", type=int, default=5, help="how many disagreements to shrink and print")
    options = parser.parse_args()
    return run(options.points, options.seed, options.per_ruleset, options.seconds, options.keep)


if __name__ == "__main__":
    sys.exit(main())
