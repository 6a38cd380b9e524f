# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `molecule test` over every scenario, on a lab of its own, from a clean state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    scenarios = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    subprocess.run([str(ROOT / "lab" / "lab"), "down", "--name", "molecule"], check=True)
    # A state file left by a run that was cut off would make Molecule skip the raising of hosts.
    subprocess.run(["molecule", "reset"], cwd=ROOT, check=True)
    try:
        return subprocess.run(
            ["molecule", "test", *(word for name in scenarios for word in ("-s", name))], cwd=ROOT, check=False
        ).returncode
    finally:
        subprocess.run([str(ROOT / "lab" / "lab"), "down", "--name", "molecule"], check=True)


if __name__ == "__main__":
    sys.exit(main())
