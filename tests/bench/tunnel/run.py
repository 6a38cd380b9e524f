# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tunnel costs: smtp-source -> candidate -> smtp-sink, beside no candidate and beside Postfix's proxy filter.

All in one run, in rounds; medians. Generator, candidate and sink share the machine, so the ratios count, not the rates.
Needs root, and postfix with its smtp-source and smtp-sink.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tunnel" / "tests"))

from harness import Client, Tunnel, free_port

SOURCE, SINK, MASTER = "/usr/sbin/smtp-source", "/usr/sbin/smtp-sink", "/usr/lib/postfix/sbin/master"
# Octets, sessions, messages of one measurement.
CASES = [
    (1_000, 1, 400), (1_000, 10, 1500), (1_000, 100, 1500), (20_000, 1, 300), (20_000, 10, 800), (20_000, 100, 800),
    (1_000_000, 1, 20), (1_000_000, 10, 40),
]  # fmt: skip
MAIN_CF = """compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file =
syslog_name = bench
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_relay_restrictions =
mydestination =
local_recipient_maps =
alias_maps =
message_size_limit = 20000000
"""
MASTER_CF = """127.0.0.1:{port} inet n - n - 200 smtpd
  -o smtpd_proxy_filter=127.0.0.1:{sink} -o smtpd_proxy_options=speed_adjust
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
"""


@dataclass(frozen=True)
class Candidate:
    name: str
    port: int
    pid: int | None  # of the process whose processor time is counted, with its children's


def await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            Client(port).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")


@contextmanager
def process(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def candidates() -> Iterator[list[Candidate]]:
    # Postfix's own user must be able to enter every folder above.
    home = Path(tempfile.mkdtemp(prefix="alertpath-bench-", dir="/var/tmp"))
    home.chmod(0o755)
    try:
        with ExitStack() as stack:
            sink, port = free_port(), free_port()
            stack.enter_context(process(SINK, "-u", "nobody", f"127.0.0.1:{sink}", "1024"))
            for name in ("etc", "queue", "data"):
                (home / name).mkdir()
            shutil.chown(home / "data", "postfix")
            (home / "etc" / "main.cf").write_text(MAIN_CF.format(home=home))
            (home / "etc" / "master.cf").write_text(MASTER_CF.format(port=port, sink=sink))
            subprocess.run(["postfix", "-c", str(home / "etc"), "check"], check=True, capture_output=True)
            stack.enter_context(process(MASTER, "-c", str(home / "etc"), "-d"))
            tunnel = Tunnel(home, sink)
            tunnel.service["profiles"] = []
            tunnel.config["limits"] = {"connections_per_client": 500}
            stack.enter_context(tunnel.running())
            for waited in (sink, port):
                await_port(waited)
            yield [
                Candidate("direct", sink, None),
                Candidate("tunnel", tunnel.port, tunnel.process.pid),
                Candidate("Postfix proxy filter", port, None),
            ]
    finally:
        shutil.rmtree(home)


def processor_time(pid: int) -> float:
    """Return the seconds of processor time that a process and its children, the workers, have used."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    used = 0.0
    for process in (pid, *children):
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def measure(candidate: Candidate, octets: int, sessions: int, messages: int) -> tuple[float, float]:
    """Return messages a second, and milliseconds of processor time for each."""
    argv = [SOURCE, "-s", str(sessions), "-m", str(messages), "-l", str(octets)]
    argv += ["-f", "a@bench.example", "-t", "b@bench.example", f"127.0.0.1:{candidate.port}"]
    used = processor_time(candidate.pid) if candidate.pid else 0.0
    began = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    seconds = time.monotonic() - began
    if done.returncode or done.stderr:
        raise SystemExit(f"{candidate.name}: {done.stderr.strip() or done.returncode}")
    used = processor_time(candidate.pid) - used if candidate.pid else 0.0
    return messages / seconds, 1000 * used / messages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of messages")
    options = parser.parse_args()
    print("| octets | sessions | candidate | messages/s | of direct | spread | CPU ms/message |")
    print("|---|---|---|---|---|---|---|")
    with candidates() as found:
        for octets, sessions, messages in CASES:
            count = max(int(messages * options.scale), sessions)
            rounds = [[measure(each, octets, sessions, count) for each in found] for _ in range(options.rounds)]
            direct = statistics.median(row[0][0] for row in rounds)
            for index, candidate in enumerate(found):
                rates = [row[index][0] for row in rounds]
                rate = statistics.median(rates)
                spread = (max(rates) - min(rates)) / rate
                cpu = f"{statistics.median(row[index][1] for row in rounds):.2f}" if candidate.pid else ""
                row = [octets, sessions, candidate.name, f"{rate:.0f}", f"{rate / direct:.2f}", f"{spread:.0%}", cpu]
                print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


if __name__ == "__main__":
    main()
