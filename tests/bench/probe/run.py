# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a matrix takes, and how much memory: in two network namespaces, beside nmap and bash where they are.

200 destinations x 3 ports, half of them silent and half closed; then 10,000 silent targets. Run as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.integration.probe.network import Network, sh

SILENT = """table inet t { chain c { type filter hook input priority 0
tcp dport { 465, 587 } ip daddr 10.93.0.0-10.93.0.149 drop
tcp dport 9000-65535 drop
}
}"""
PORTS = (25, 465, 587)


def addresses(count: int) -> list[str]:
    return [f"10.93.{n // 250}.{n % 250}" for n in range(count)]


def show(name: str, seconds: float, ours: float, note: str = "") -> None:
    print(f"{name:<46} {seconds:8.2f} s  {seconds / ours:6.1f} x  {note}", flush=True)


def timed(network: Network, *argv: str) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(
        ["ip", "netns", "exec", network.names["client"], *argv], capture_output=True, text=True, check=False
    )
    return time.monotonic() - began, done.stdout


def main() -> None:
    network = Network(f"apprbb{os.getpid()}")
    try:
        network.up()
        network.route("client", "add", "10.93.0.0/16", "via", "10.91.1.1")
        network.route("router", "add", "10.93.0.0/16", "via", "10.91.2.10")
        sh("ip", "-n", network.names["server"], "route", "add", "local", "10.93.0.0/16", "dev", "lo")
        network.nft("server", SILENT)
        measure(network)
    finally:
        network.down()


def measure(network: Network) -> None:
    targets: list[dict[str, Any]] = [
        {"destination": address, "port": port, "expect": "blocked"} for address in addresses(200) for port in PORTS
    ]
    result = network.probe(targets)
    seen = [row["outcome"] for row in result["rows"]]
    wrong = 600 - seen.count("filtered") - seen.count("refused")
    assert seen.count("filtered") == 300, seen.count("filtered")
    ours = result["seconds"]
    show("smtp_probe: 600 targets, half silent", ours, ours, f"{wrong} wrong, peak {result['peak_mb']:.0f} MB")

    if shutil.which("nmap"):
        seconds, _ = timed(network, "nmap", "-n", "-Pn", "-sT", "-p", ",".join(map(str, PORTS)), "10.93.0.0-199")
        show("nmap -sT: the same", seconds, ours)
    script = 'for h in $0; do for p in 25 465 587; do timeout 1.5 bash -c "</dev/tcp/$h/$p" 2>/dev/null; done; done'
    seconds, _ = timed(network, "bash", "-c", script, " ".join(addresses(200)[::25]))
    show("a loop of 1.5 s each (24 targets, times 25)", seconds * 25, ours)

    many = [
        {"destination": address, "port": 9000 + n, "expect": "blocked"} for n in range(50) for address in addresses(200)
    ]
    result = network.probe(many)
    assert {row["outcome"] for row in result["rows"]} == {"filtered"}
    show("smtp_probe: 10,000 targets, all silent", result["seconds"], ours, f"peak {result['peak_mb']:.0f} MB")
    result = network.probe(many, files=1024)
    assert {row["outcome"] for row in result["rows"]} == {"filtered"}
    show("the same on 1,024 descriptors", result["seconds"], ours, f"peak {result['peak_mb']:.0f} MB")


if __name__ == "__main__":
    main()
