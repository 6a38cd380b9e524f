# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and routers as network namespaces, joined as a description says, with IPv4 and IPv6."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# The oldest Python that the library runs on, where the machine has it.
OLD = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.8*/bin/python"))
ABSENT = 99
"""The host number of an address that nobody has."""


@dataclass(frozen=True)
class Topology:
    """Links in order (a network each: 10.BASE.N.0/24 and fdBASE:N::/64, the first end is .1, the second .2)."""

    base: int
    links: Sequence[tuple[str, str]]
    path: Sequence[str]
    """The nodes from the source to the destination."""
    via: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(node, towards) → next node, where that is not the shortest way."""
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Node → sysctl settings; under "*" those of every node."""

    @property
    def nodes(self) -> list[str]:
        return list(dict.fromkeys(node for link in self.links for node in link))

    def address(self, version: int, link: int, host: int) -> str:
        return f"10.{self.base}.{link}.{host}" if version == 4 else f"fd{self.base}:{link}::{host:x}"

    def network(self, version: int, link: int) -> str:
        text = self.address(version, link, 0) + ("/24" if version == 4 else "/64")
        return str(ipaddress.ip_network(text))

    def addresses(self, version: int, node: str) -> dict[int, str]:
        """Link number → the node's address on it."""
        return {
            number: self.address(version, number, 1 + link.index(node))
            for number, link in enumerate(self.links, 1)
            if node in link
        }

    def link_between(self, first: str, second: str) -> int:
        return next(n for n, link in enumerate(self.links, 1) if set(link) == {first, second})

    def facing(self, version: int, node: str, neighbour: str) -> str:
        """The node's address towards a neighbour."""
        return self.addresses(version, node)[self.link_between(node, neighbour)]

    def towards(self, node: str, target: str) -> str:
        """The next node from one to another."""
        if (node, target) in self.via:
            return self.via[node, target]
        before = {target: target}
        waiting = deque([target])
        while waiting:
            at = waiting.popleft()
            for link in self.links:
                if at in link:
                    other = link[1 - link.index(at)]
                    if other not in before:
                        before[other] = at
                        waiting.append(other)
        return before[node]

    def owner(self, address: str) -> str | None:
        """The node that has an address."""
        for version in (4, 6):
            for node in self.nodes:
                if address in self.addresses(version, node).values():
                    return node
        return None


def sh(*argv: str, text: str | None = None) -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


class World:
    """The namespaces of a topology."""

    def __init__(self, topology: Topology, prefix: str) -> None:
        self.topology = topology
        self._prefix = prefix
        self._processes: list[subprocess.Popen[bytes]] = []

    def name(self, node: str) -> str:
        return f"{self._prefix}-{node}"

    def inside(self, node: str, *argv: str, text: str | None = None) -> str:
        return sh("ip", "netns", "exec", self.name(node), *argv, text=text)

    def up(self) -> None:
        top = self.topology
        sh("ip", "-batch", "-", text="".join(f"netns add {self.name(node)}\n" for node in top.nodes))
        for node in top.nodes:
            wanted = [
                "net.ipv6.conf.all.accept_dad=0",
                "net.ipv6.conf.default.accept_dad=0",
                "net.ipv4.conf.all.rp_filter=0",
                "net.ipv4.conf.default.rp_filter=0",
                *top.settings.get("*", ()),
                *top.settings.get(node, ()),
            ]
            if node.startswith("r"):
                wanted += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
            self.inside(node, "sysctl", "-qw", *wanted)
        for number, (first, second) in enumerate(top.links, 1):
            lines = [f"link add l{number} type veth peer name l{number} netns {self.name(second)}"]
            sh("ip", "-n", self.name(first), "-batch", "-", text="\n".join(lines) + "\n")
        for node in top.nodes:
            lines = list(self._configuration(node))
            for option in ("-4", "-6"):
                mine = [line for line in lines if (" fd" in line) == (option == "-6")]
                sh("ip", option, "-n", self.name(node), "-batch", "-", text="\n".join(mine) + "\n")

    def _configuration(self, node: str) -> Iterable[str]:
        top = self.topology
        yield "link set lo up"
        own = top.addresses(4, node)
        for number in own:
            for version, bits in ((4, 24), (6, 64)):
                yield f"address add {top.addresses(version, node)[number]}/{bits} dev l{number}"
            yield f"link set l{number} up"
        for number, ends in enumerate(top.links, 1):
            if number in own:
                continue
            # A network is where its nearer end is, as the nodes further along the path see it.
            steps = {end: self._length(node, end) for end in ends}
            following = top.towards(node, min(ends, key=lambda end: steps[end]))
            for version in (4, 6):
                yield (f"route add {top.network(version, number)} via {top.facing(version, following, node)}")

    def _length(self, node: str, target: str) -> int:
        steps = 0
        while node != target:
            node = self.topology.towards(node, target)
            steps += 1
        return steps

    def route(self, node: str, *words: str) -> None:
        version = ["-6"] if any(":" in word for word in words) else []
        sh("ip", "-n", self.name(node), *version, "route", *words)

    def address(self, node: str, neighbour: str, address: str) -> None:
        """Give a node another address towards a neighbour."""
        device = f"l{self.topology.link_between(node, neighbour)}"
        sh("ip", "-n", self.name(node), "address", "add", address + ("/64" if ":" in address else "/24"), "dev", device)

    def nft(self, node: str, rules: str) -> None:
        self.inside(node, "nft", "-f", "-", text=rules)

    def listen(self, node: str, ports: Iterable[int]) -> None:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name(node), sys.executable, str(HERE / "listen.py"), *map(str, ports)],
            stdout=subprocess.PIPE,
        )
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"

    def locate(
        self, node: str, questions: Sequence[dict[str, Any]], at_once: int, unprivileged: bool, budget: float = 300.0
    ) -> dict[str, Any]:
        """Ask from a node; return its verdicts and the seconds they took."""
        python = str(OLD[0]) if OLD else sys.executable
        asked = {"questions": questions, "at_once": at_once, "unprivileged": unprivileged, "budget": budget}
        done = subprocess.run(
            ["ip", "netns", "exec", self.name(node), python, "-B", str(HERE / "run_locate.py")],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def down(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait()
        for node in self.topology.nodes:
            subprocess.run(["ip", "netns", "delete", self.name(node)], check=False, capture_output=True)


def by_node(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for node, text in pairs:
        found[node].append(text)
    return found
