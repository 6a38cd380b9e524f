# SPDX-License-Identifier: GPL-3.0-or-later
"""50 paths on one host: one task of ours beside 50 runs of ansible.builtin.iptables, over pipelined ssh.

Whole plays on a host of the lab, in turns; medians of the rounds, less what an empty play takes. First run and
unchanged run apart. Exits with 1 when ours is less than 8 times faster in either.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
LAB = f"bench{os.getpid() % 100000}"
PATHS = 50
ROUNDS = 3
LEAST = 8.0


def rules() -> list[dict[str, Any]]:
    return [
        {"path": f"path-{n}", "source": "10.88.0.11", "destination": f"10.99.{n}.25", "port": (25, 465, 587)[n % 3]}
        for n in range(PATHS)
    ]


def plays() -> dict[str, list[dict[str, Any]]]:
    """The tasks of each play."""
    one = {"name": "Ours", "alertpath.smtp.smtp_firewall": {"ports": [25, 465, 587], "egress": rules()}}
    many = [
        {
            "name": f"Rule {rule['path']}",
            "ansible.builtin.iptables": {
                **{"chain": "OUTPUT", "protocol": "tcp", "jump": "ACCEPT", "source": rule["source"]},
                **{"destination": rule["destination"], "destination_port": str(rule["port"])},
            },
        }
        for rule in rules()
    ]
    return {"empty": [], "ours": [one], "iptables": many}


def lab(*words: str) -> None:
    subprocess.run([str(ROOT / "lab" / "lab"), *words], check=True, stdout=subprocess.DEVNULL)


def topology(folder: Path) -> Path:
    shipped = yaml.safe_load((ROOT / "lab" / "topology.yml").read_text())
    found = {
        **{"domain": "corp.test", "base": shipped["base"], "segments": {"mgmt": {"ipv4": "10.88.0.0/24"}}},
        "controller": {"interfaces": {"mgmt": ["10.88.0.10"]}},
        "hosts": {"vault": {"groups": ["vaults"], "interfaces": {"mgmt": ["10.88.0.11"]}}},
    }
    path = folder / "topology.yml"
    path.write_text(yaml.safe_dump(found))
    return path


def seconds(inventory: Path, play: Path, changed: bool | None) -> float:
    """Run *play*; fail unless it changed as said."""
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(play)]
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    took = time.perf_counter() - start
    if done.returncode or (changed is not None and ("changed=0" in done.stdout) == changed):
        sys.exit(done.stdout + done.stderr)
    return took


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory = folder / "inventory"
        inventory.mkdir()
        try:
            lab("up", "--name", LAB, "--topology", str(topology(folder)), "--inventory", str(inventory))
            return measure(folder, inventory)
        finally:
            lab("down", "--name", LAB)


def measure(folder: Path, inventory: Path) -> int:
    files = {}
    for name, tasks in plays().items():
        files[name] = folder / f"{name}.yml"
        files[name].write_text(yaml.safe_dump([{"hosts": "vault", "gather_facts": False, "tasks": tasks}]))
    seconds(inventory, files["empty"], None)
    found: dict[tuple[str, str], list[float]] = {}
    for _round in range(ROUNDS):
        lab("exec", "--name", LAB, "vault", "--", "nft", "flush", "ruleset")
        lab("exec", "--name", LAB, "vault", "--", "rm", "-rf", "/etc/alertpath")
        for name in ("ours", "iptables"):
            empty = seconds(inventory, files["empty"], None)
            found.setdefault((name, "first"), []).append(seconds(inventory, files[name], True) - empty)
            found.setdefault((name, "unchanged"), []).append(seconds(inventory, files[name], False) - empty)
    good = True
    for run in ("first", "unchanged"):
        ours, theirs = (statistics.median(found[name, run]) for name in ("ours", "iptables"))
        spread = " ".join(f"{value:.2f}" for value in found["ours", run])
        ratio = theirs / ours
        print(f"{run:10} one task {ours:6.2f} s ({spread}), {PATHS} iptables tasks {theirs:6.2f} s: {ratio:5.1f} x")
        good = good and ratio >= LEAST
    print("within" if good else "beyond", f"{LEAST:g} times faster over an empty play")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
