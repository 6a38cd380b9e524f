# SPDX-License-Identifier: GPL-3.0-or-later
"""What 10,000 allowed pairs cost a packet, and connections, beside no rules at all and beside a list of rules.

Segments are sent by a raw socket in a namespace of their own, through the output hook into a device that drops them.
Rulesets take turns, so that a busy machine slows all; medians of the differences to the round's own empty ruleset.
Connections are real ones between two namespaces. Exits with 1 beyond 200 ns a packet, or below 0.95 of connections.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render

PAIRS = 10_000
PORT = 587
BATCH = 1000
PACKETS = 200_000
ROUNDS = 15
CONNECTS = 4000
CONNECT_ROUNDS = 9
MOST_NS, LEAST_SHARE = 200.0, 0.95
SERVER = "10.94.255.2"
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    _fields_ = [
        *(("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32)),
        *(("vector", ctypes.POINTER(_Iovec)), ("count", ctypes.c_size_t)),
        *(("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int)),
    ]


class _Many(ctypes.Structure):
    _fields_ = [("header", _Message), ("sent", ctypes.c_uint)]


class Sender:
    """Sends segments of given pairs of IPv4 addresses, a batch with one call of the kernel (sendmmsg)."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self._kept: list[object] = []
        self._many = (_Many * BATCH)()
        for many, (source, destination) in zip(self._many, pairs, strict=True):
            segment = struct.pack("!HHIIBBHHH", 40000, PORT, 1, 0, 5 << 4, 2, 1000, 0, 0)
            ends = socket.inet_aton(source) + socket.inet_aton(destination)
            data = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + ends + segment
            buffer = ctypes.create_string_buffer(data, len(data))
            name = ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + bytes(2) + ends[4:] + bytes(8), 16)
            vector = _Iovec(ctypes.addressof(buffer), len(data))
            self._kept += [buffer, name, vector]
            many.header = _Message(ctypes.addressof(name), 16, ctypes.pointer(vector), 1, None, 0, 0)

    def nanoseconds(self, packets: int) -> float:
        """Send that many and return what one took."""
        start = time.perf_counter_ns()
        for _round in range(packets // BATCH):
            if _LIBC.sendmmsg(self._socket.fileno(), self._many, BATCH, 0) != BATCH:
                raise OSError(ctypes.get_errno(), "sendmmsg stopped early")
        return (time.perf_counter_ns() - start) / packets


def address(number: int, net: int) -> str:
    return f"10.{net + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def ours(kind: str) -> str:
    """Our rules with 10,000 pairs of single addresses, or with /30 networks as sources."""
    rules = []
    for number in range(PAIRS):
        source = address(number * 4, 1) + ("/30" if kind == "networks" else "")
        rules.append({"source": source, "destination": address(number, 90), "port": PORT})
    rules.append({"source": "10.94.255.1", "destination": SERVER, "port": PORT})
    return render.render(model.from_options({"ports": [25, 465, 587], "egress": rules})).text


def linear(count: int) -> str:
    """The same as a list of rules, of which the last ones are hit."""
    lines = [
        f"ip saddr {address(number * 4, 1)} ip daddr {address(number, 90)} tcp dport {PORT} accept"
        for number in range(PAIRS - count, PAIRS)
    ]
    body = "\n".join(lines)
    return f"table inet t {{ chain c {{ type filter hook output priority 0\n{body}\n}}\n}}\n"


def load(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=f"flush ruleset\n{text}", text=True, check=True)


def drain(name: str) -> int:
    """Make a device that drops what is sent into it, because nobody reads it (tun(4)); return its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0001 | 0x1000))
    return descriptor


def packets() -> bool:
    """Print what a packet costs under each ruleset, over the empty one."""
    device = drain("drop0")
    subprocess.run(["ip", "link", "set", "drop0", "up"], check=True)
    subprocess.run(["ip", "route", "add", "default", "dev", "drop0"], check=True)
    chosen = random.Random(1).sample(range(PAIRS - 100, PAIRS), 100) * (BATCH // 200)
    chosen += random.Random(2).sample(range(PAIRS), BATCH - len(chosen))
    sender = Sender([(address(number * 4, 1), address(number, 90)) for number in chosen])
    kinds = {"addresses": ours("addresses"), "networks": ours("networks")}
    costs: dict[str, list[float]] = {name: [] for name in kinds}
    empties = []
    sender.nanoseconds(PACKETS)
    for _round in range(ROUNDS):
        for name, text in kinds.items():
            load("")
            before = sender.nanoseconds(PACKETS)
            load(text)
            with_rules = sender.nanoseconds(PACKETS)
            load("")
            after = sender.nanoseconds(PACKETS)
            empties += [before, after]
            costs[name].append(with_rules - (before + after) / 2)
    base = statistics.median(empties)
    noise = statistics.quantiles(empties, n=4)
    print(f"a packet without rules: {base:.0f} ns (half of the rounds {noise[0]:.0f} to {noise[2]:.0f})")
    for name, values in costs.items():
        print(
            f"  {PAIRS} {name:10} {statistics.median(values):+8.0f} ns  {1 + statistics.median(values) / base:7.2f} x"
        )
    for count in (100, 10_000):
        load(linear(count))
        cost = sender.nanoseconds(max(BATCH * 4, PACKETS * 20 // count)) - base
        print(f"  {count:>5} as a list {cost:+8.0f} ns  {1 + cost / base:7.2f} x")
    load("")
    os.close(device)
    return statistics.median(costs["addresses"]) <= MOST_NS


def connections() -> bool:
    """Print how many connections are made in a second, with our rules and without any."""
    name = f"apbench{os.getpid()}"
    commands = [
        f"ip netns add {name}",
        f"ip link add near type veth peer name far netns {name}",
        "ip addr add 10.94.255.1/30 dev near",
        "ip link set near up",
        f"ip -n {name} addr add {SERVER}/30 dev far",
        f"ip -n {name} link set far up",
    ]
    for command in commands:
        subprocess.run(command.split(), check=True)
    try:
        serving = serve(name)
        text = ours("addresses")
        rates: dict[str, list[float]] = {"none": [], "ours": []}
        connect(500)
        for _round in range(CONNECT_ROUNDS):
            for kind, rules in (("none", ""), ("ours", text)):
                load(rules)
                rates[kind].append(connect(CONNECTS))
        serving.close()
    finally:
        load("")
        subprocess.run(["ip", "netns", "del", name], check=True)
    none, with_rules = (statistics.median(rates[kind]) for kind in ("none", "ours"))
    share = statistics.median(b / a for a, b in zip(rates["none"], rates["ours"], strict=True))
    print(f"connections a second: {none:.0f} without rules, {with_rules:.0f} with ours: {share:.2f} of it")
    return share >= LEAST_SHARE


def serve(netns: str) -> socket.socket:
    """Accept connections in the namespace *netns*, and close them."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{netns}") as there:
        _LIBC.setns(there.fileno(), 0x40000000)
        server = socket.create_server((SERVER, PORT), backlog=1024)
        _LIBC.setns(home.fileno(), 0x40000000)

    def accept() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    return server


def connect(count: int) -> float:
    """Make *count* connections, one after the other; return how many a second that was."""
    start = time.perf_counter()
    for _number in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.connect((SERVER, PORT))
        client.close()
    return count / (time.perf_counter() - start)


def main() -> int:
    cheap = packets()
    fast = connections()
    print("within" if cheap else "beyond", f"{MOST_NS:.0f} ns a packet for {PAIRS} pairs")
    print("within" if fast else "beyond", f"{LEAST_SHARE} of the connections a second")
    return 0 if cheap and fast else 1


if __name__ == "__main__":
    if os.environ.get("ALERTPATH_BENCH") != "inside":
        words = ["unshare", "--net", "--mount", sys.executable, __file__]
        os.execvpe("unshare", words, {**os.environ, "ALERTPATH_BENCH": "inside"})
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    sys.exit(main())
