# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces in a row, client - router - server, with IPv4 and IPv6, made for one test session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).parent
# The oldest Python that the library runs on, where the machine has it.
OLD = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.8*/bin/python"))


def sh(*argv: str, text: str | None = None) -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


class Network:
    """The namespaces and their addresses: client .1.10, router .1.1 and .2.1, server .2.10."""

    def __init__(self, prefix: str) -> None:
        self.names = {part: f"{prefix}-{part}" for part in ("client", "router", "server")}
        self.processes: list[subprocess.Popen[bytes]] = []

    client: ClassVar = {4: "10.91.1.10", 6: "fd91:1::10"}
    router: ClassVar = {4: "10.91.1.1", 6: "fd91:1::1"}
    server: ClassVar = {4: "10.91.2.10", 6: "fd91:2::10"}
    other: ClassVar = {4: "10.91.2.11", 6: "fd91:2::11"}
    """A second address of the server, on which nothing answers at all."""
    absent: ClassVar = {4: "10.91.1.77", 6: "fd91:1::77"}
    """On the client's own link, and nobody has it."""

    def up(self) -> None:
        for name in self.names.values():
            sh("ip", "netns", "add", name)
            self.ip(name, "link", "set", "lo", "up")
            sh("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0")
            sh("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
            # Linux answers one host with an ICMP error a second; the tests want each.
            sh("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
        self._link("client", "router", 1)
        self._link("server", "router", 2)
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            sh("ip", "netns", "exec", self.names["router"], "sysctl", "-qw", setting)
        for net, via in (
            ("10.91.2.0/24", "10.91.1.1"),
            ("fd91:2::/64", "fd91:1::1"),
            ("10.92.0.0/16", "10.91.1.1"),
            ("fd92::/16", "fd91:1::1"),
        ):
            self.ip(self.names["client"], "route", "add", net, "via", via)
        for net, via in (("10.91.1.0/24", "10.91.2.1"), ("fd91:1::/64", "fd91:2::1")):
            self.ip(self.names["server"], "route", "add", net, "via", via)
        for address in ("10.91.2.11/24", "fd91:2::11/64"):
            self.ip(self.names["server"], "address", "add", address, "dev", "eth0")

    def _link(self, end: str, router: str, number: int) -> None:
        port = f"r{number}"
        self.ip(
            self.names[end], "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self.names[router]
        )
        for name, device, host in ((self.names[end], "eth0", 10), (self.names[router], port, 1)):
            self.ip(name, "address", "add", f"10.91.{number}.{host}/24", "dev", device)
            self.ip(name, "address", "add", f"fd91:{number}::{host}/64", "dev", device)
            self.ip(name, "link", "set", device, "up")

    @staticmethod
    def ip(namespace: str, *words: str) -> str:
        version = ["-6"] if any(":" in word for word in words) else []
        return sh("ip", "-n", namespace, *version, *words)

    def route(self, part: str, *words: str) -> None:
        self.ip(self.names[part], "route", *words)

    def nft(self, part: str, rules: str) -> None:
        """Replace all rules of a namespace."""
        sh("ip", "netns", "exec", self.names[part], "nft", "-f", "-", text=f"flush ruleset\n{rules}\n")

    def serve(self, config: dict[str, Any]) -> None:
        """Start the test servers in the server's namespace; return when all listen."""
        self.start(sys.executable, str(HERE / "servers.py"), json.dumps(config), says=b"listening\n")

    def start(self, *argv: str, says: bytes) -> subprocess.Popen[bytes]:
        """Start a program in the server's namespace; return when it has said that it is ready."""
        return self.start_in("server", *argv, says=says)

    def start_in(self, part: str, *argv: str, says: bytes) -> subprocess.Popen[bytes]:
        """Start a program in a namespace; return when it has begun to say *says*."""
        return self.launch(["ip", "netns", "exec", self.names[part], *argv], says)

    def launch(self, argv: Sequence[str], says: bytes) -> subprocess.Popen[bytes]:
        """Start a program; return when it has begun to say *says*."""
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=os.environ)
        self.processes.append(process)
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith(says), said
        return process

    def probe(
        self,
        targets: Sequence[dict[str, Any]],
        files: int = 0,
        wrap: Sequence[str] = (),
        python: str | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Run the probe in the client's namespace, on the oldest Python there is; return its rows and controls.

        *wrap* is a program that starts it.
        """
        python = python or (str(OLD[0]) if OLD else sys.executable)
        limit = [*(["prlimit", f"--nofile={files}:{files}"] if files else []), *wrap]
        done = subprocess.run(
            ["ip", "netns", "exec", self.names["client"], *limit, python, str(HERE / "run_probe.py")],
            input=json.dumps({"targets": list(targets), "settings": settings}),
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def down(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
