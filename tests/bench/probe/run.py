# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a matrix takes, how right it is and how much memory it needs, beside nmap, `wait_for` tasks and `nc -z`.

200 destinations x 3 ports, half of them silent; 50 ms round trip, 450 ms for each fourth destination; no loss and 5 %
each way. `nc` and `wait_for` take minutes, so they get a sample (each fortieth target) and the table says so. Then one
task in a play beside an empty play, and 10,000 silent targets. Run as root; nmap and nc are left out where they are
not installed. Exits with 1 when a promise of the table's last column is broken.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.integration.probe.slow_network import SlowNetwork

PORTS = (25, 465, 587)
HOSTS = [f"10.93.0.{n}" for n in range(200)]
ONE_WAY, SLOW_ONE_WAY, EVERY = 0.025, 0.225, 4
SILENT = """table inet t { chain c { type filter hook input priority 0
tcp dport 587 drop
tcp dport 465 ip daddr 10.93.0.100-10.93.0.199 drop
tcp dport 9000-65535 drop
}
}"""
ROUNDS = 5
PEER_ROUNDS = 3
SAMPLE = 40
LISTEN = ROOT / "tests" / "integration" / "locate" / "listen.py"


def is_open(host: str, port: int) -> bool:
    return port == 25 or (port == 465 and int(host.rpartition(".")[2]) < 100)


MATRIX = [(host, port) for host in HOSTS for port in PORTS]


class Result(NamedTuple):
    """Seconds of the whole matrix, how many rows of all rounds are wrong, of how many, and how it was measured."""

    seconds: float
    wrong: int
    rows: int
    note: str = ""


def timed(network: SlowNetwork, *argv: str, env: dict[str, str] | None = None) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(
        ["ip", "netns", "exec", network.names["client"], *argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return time.monotonic() - began, done.stdout


def targets() -> list[dict[str, Any]]:
    return [
        {"destination": host, "port": port, "expect": "allowed" if is_open(host, port) else "blocked"}
        for host, port in MATRIX
    ]


def ours(network: SlowNetwork) -> Result:
    seconds, wrong, peaks = [], 0, []
    for _round in range(ROUNDS):
        result = network.probe(targets(), depth="connect")
        seconds.append(result["seconds"])
        peaks.append(result["peak_mb"])
        wrong += sum(row["verdict"] != "pass" for row in result["rows"])
    note = f"{ROUNDS} rounds, worst {max(seconds):.2f} s, peak {max(peaks):.0f} MB"
    return Result(statistics.median(seconds), wrong, ROUNDS * len(MATRIX), note)


def nmap(network: SlowNetwork) -> Result:
    seconds, wrong = [], 0
    for _round in range(PEER_ROUNDS):
        ports = ",".join(map(str, PORTS))
        taken, said = timed(network, "nmap", "-n", "-Pn", "-sT", "-oG", "-", "-p", ports, "10.93.0.0-199")
        found = {
            (host, int(port))
            for host, rest in re.findall(r"Host: (\S+) \(\)\tPorts: (.*)", said)
            for port in re.findall(r"(\d+)/open/", rest)
        }
        seconds.append(taken)
        wrong += sum(((host, port) in found) != is_open(host, port) for host, port in MATRIX)
    return Result(
        statistics.median(seconds),
        wrong,
        PEER_ROUNDS * len(MATRIX),
        f"{PEER_ROUNDS} rounds, worst {max(seconds):.2f} s",
    )


def sample() -> list[tuple[str, int]]:
    """Each of the silent and open, fast and slow ones in its share."""
    return [
        pair
        for kind in (True, False)
        for slow in (True, False)
        for pair in [p for p in MATRIX if (is_open(*p), _slow(p)) == (kind, slow)][::SAMPLE]
    ]


def _slow(pair: tuple[str, int]) -> bool:
    return int(pair[0].rpartition(".")[2]) % EVERY == EVERY - 1


def nc(network: SlowNetwork) -> Result:
    chosen = sample()
    began = time.monotonic()
    wrong = 0
    for host, port in chosen:
        _seconds, said = timed(network, "sh", "-c", f"nc -z -w 1 {host} {port} && echo open")
        wrong += ("open" in said) != is_open(host, port)
    return _scaled(time.monotonic() - began, wrong, chosen)


def _scaled(seconds: float, wrong: int, chosen: list[tuple[str, int]]) -> Result:
    factor = len(MATRIX) / len(chosen)
    return Result(seconds * factor, wrong, len(chosen), f"{len(chosen)} targets in {seconds:.1f} s, times {factor:.1f}")


def play(tasks: list[dict[str, Any]], folder: Path, network: SlowNetwork) -> float:
    file = folder / "play.json"
    # Every play has the matrix, for to read it in is not the task's work.
    variables = {"ansible_python_interpreter": sys.executable, "matrix": targets()}
    settings = {"connection": "local", "gather_facts": False, "vars": variables}
    file.write_text(json.dumps([{"hosts": "localhost", **settings, "tasks": tasks}]))
    env = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_LOCALHOST_WARNING": "False"}
    seconds, said = timed(network, "ansible-playbook", "-i", "localhost,", str(file), env=env)
    assert "failed=0" in said or not tasks, said
    return seconds


def task(module: str, **options: Any) -> dict[str, Any]:
    return {"name": "Probe", module: options}


def wait_for(network: SlowNetwork, folder: Path) -> Result:
    """One task for each target, as a play that checks a matrix has them."""
    chosen = sample()
    tasks = [
        {
            **task("ansible.builtin.wait_for", host=host, port=port, timeout=2, connect_timeout=2),
            "register": f"seen{number}",
            "failed_when": f"(seen{number}.failed | default(false)) == {is_open(host, port)}",
        }
        for number, (host, port) in enumerate(chosen)
    ]
    empty = statistics.median(play([], folder, network) for _round in range(3))
    return _scaled(play(tasks, folder, network) - empty, 0, chosen)


def one_task(network: SlowNetwork, folder: Path) -> tuple[float, float]:
    """Seconds of an empty play and of one with the matrix as one task; medians of rounds in turns."""
    probe = task("alertpath.smtp.smtp_probe", targets="{{ matrix }}", depth="connect")
    rounds = [(play([], folder, network), play([probe], folder, network)) for _round in range(ROUNDS)]
    return statistics.median(empty for empty, _with in rounds), statistics.median(full for _empty, full in rounds)


broken: list[str] = []


def show(name: str, result: Result, mine: Result, promise: str, kept: bool | None) -> None:
    mark = "" if kept is None else "kept" if kept else "BROKEN"
    if kept is False:
        broken.append(name)
    ratio = f"{result.seconds / mine.seconds:.1f}"
    print(
        f"| {name} | {result.seconds:.2f} | {ratio} | {result.wrong} | {result.note} | {promise} {mark} |", flush=True
    )


def table(network: SlowNetwork, loss: float, folder: Path) -> None:
    network.slow(loss, ONE_WAY, SLOW_ONE_WAY, EVERY)
    percent = f"{loss:.0%} loss"
    mine = ours(network)
    kept = mine.seconds <= 1.6 and not mine.wrong
    show(f"smtp_probe, {percent}", mine, mine, "at most 1.6 s, none wrong:", kept)
    peers: list[tuple[str, str, Callable[[], Result], float]] = [
        ("nmap -sT", "nmap", lambda: nmap(network), 3.0 if loss else 0.0),
        ("nc -z -w 1, a loop", "nc", lambda: nc(network), 150.0),
        ("wait_for, a task each", "ansible-playbook", lambda: wait_for(network, folder), 150.0),
    ]
    for name, program, measure, least in peers:
        if shutil.which(program) is None:
            print(f"| {name}, {percent} | not installed | | | | |")
            continue
        peer = measure()
        promise = f"at least {least:g} times:" if least else ""
        show(f"{name}, {percent}", peer, mine, promise, peer.seconds / mine.seconds >= least if least else None)


def many(network: SlowNetwork) -> None:
    network.slow(0.0, 0.0)
    asked = [{"destination": host, "port": 9000 + n, "expect": "blocked"} for n in range(50) for host in HOSTS]
    for files in (0, 1024):
        result = network.probe(asked, files=files, control_ports=[25])
        wrong = sum((row["outcome"], row["verdict"]) != ("filtered", "pass") for row in result["rows"])
        name = "10,000 silent targets" + (f" on {files:,} descriptors" if files else "")
        found = Result(result["seconds"], wrong, len(asked), f"peak {result['peak_mb']:.0f} MB")
        show(name, found, found, "under 60 MB, none wrong:", result["peak_mb"] < 60 and not wrong)


def in_a_play(network: SlowNetwork, folder: Path) -> None:
    network.slow(0.05, ONE_WAY, SLOW_ONE_WAY, EVERY)
    empty, full = one_task(network, folder)
    added = Result(full - empty, 0, ROUNDS * len(MATRIX), f"{full:.2f} s, an empty play {empty:.2f} s")
    show("one task in a play, 5% loss", added, added, "at most 2 s over an empty play:", added.seconds <= 2.0)


PARTS: dict[str, Callable[[SlowNetwork, Path], None]] = {
    "clean": lambda network, folder: table(network, 0.0, folder),
    "lossy": lambda network, folder: table(network, 0.05, folder),
    "play": in_a_play,
    "many": lambda network, _folder: many(network),
}
"""What may be measured by itself, named as arguments."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that nothing is left behind
    network = SlowNetwork(f"apprbb{os.getpid()}")
    try:
        network.up()
        network.nft("server", SILENT)
        network.start(sys.executable, str(LISTEN), "25", "465", says=b"listening")
        print("| 600 paths, half silent, 50 and 450 ms | seconds | ratio | wrong | how | promise |")
        print("|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            for part in sys.argv[1:] or PARTS:
                PARTS[part](network, Path(folder))
    finally:
        network.down()
    if broken:
        sys.exit(f"broken: {', '.join(broken)}")


if __name__ == "__main__":
    main()
