# SPDX-License-Identifier: GPL-3.0-or-later
"""Three real hosts in a row, client - router - server, on which other firewalls stand beside ours."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
SHARED = CHECKOUT / "molecule" / "shared"
PORTS = [25, 465, 587]
CLIENT, ROUTER, SERVER = "client", "router", "server"
ADDRESSES = {
    CLIENT: ("10.78.1.2", "fd78:1::2"),
    ROUTER: ("10.78.1.1", "fd78:1::1"),
    SERVER: ("10.78.2.2", "fd78:2::2"),
}
OPEN, SHUT = "220 ", "refused"

_TOPOLOGY = """
domain: example.test
segments:
  left: {ipv4: 10.78.1.0/24, ipv6: "fd78:1::/64", router: router}
  right: {ipv4: 10.78.2.0/24, ipv6: "fd78:2::/64", router: router}
controller:
  interfaces: {left: [10.78.1.10, "fd78:1::10"]}
hosts:
  client: {interfaces: {left: [10.78.1.2, "fd78:1::2"]}}
  router:
    forwarding: true
    interfaces: {left: [10.78.1.1, "fd78:1::1"], right: [10.78.2.1, "fd78:2::1"]}
    routes: []
  server: {interfaces: {right: [10.78.2.2, "fd78:2::2"]}}
"""

_SERVER = """
import socket, socketserver, sys, threading

class Greeting(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 here ESMTP\\r\\n")

class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True

for port in map(int, sys.argv[1:]):
    threading.Thread(target=Server(("::", port), Greeting).serve_forever).start()
"""


@dataclass(frozen=True)
class Hosts:
    """The lab, and what is asked of its hosts."""

    name: str
    inventory: Path

    def lab(
        self, action: str, *words: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        argv = [str(CHECKOUT / "lab" / "lab"), action, "--name", self.name, *words]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done

    def sh(self, host: str, script: str, check: bool = True) -> str:
        """Run a shell script on *host*, past its network, and return its output."""
        return self.lab("exec", host, "--", "sh", "-e", "-c", script, check=check).stdout

    def script(self, host: str, name: str, *words: str) -> str:
        """Run one of the scripts that the Molecule scenarios share on *host*."""
        return self.lab("exec", host, "--", "python3", "-", *words, text=(SHARED / name).read_text()).stdout

    def keep(self, host: str) -> None:
        """Remember what other firewalls have on *host*."""
        self.script(host, "foreign.py", "keep", "test")

    def untouched(self, host: str) -> None:
        """Fail unless other firewalls have what they had, byte by byte, handle by handle."""
        self.script(host, "foreign.py", "untouched", "test")

    def knock(self, source: str, destination: str, *ports: int) -> dict[int, set[str]]:
        """What plain sockets see from *source*: port → the first words, of IPv4 and IPv6 together."""
        words = [f"{address},{port}" for address in ADDRESSES[destination] for port in ports]
        seen: dict[int, set[str]] = {port: set() for port in ports}
        for _address, port, what in json.loads(self.script(source, "knock.py", *words)):
            seen[port].add(what[:4] if what.startswith("220") else what)
        return seen

    def module(self, host: str, name: str, **options: Any) -> dict[str, Any]:
        """Run a module of the collection over ssh and return its result, whether it failed or not."""
        argv = ["ansible", "-i", str(self.inventory), host, "-m", f"alertpath.smtp.{name}", "-a", json.dumps(options)]
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, cwd=CHECKOUT, env=env)
        assert "=> {" in done.stdout, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout[done.stdout.index("=> {") + 3 :])
        return result

    def apply(self, host: str, **options: Any) -> dict[str, Any]:
        """Apply smtp_firewall and return its result."""
        result = self.module(host, "smtp_firewall", **{"ports": PORTS, **options})
        assert not result.get("failed"), result["msg"]
        return result


def rules(source: str, destination: str, port: int, path: str = "declared") -> list[dict[str, Any]]:
    """The rules of one path, for IPv4 and IPv6."""
    pairs = zip(ADDRESSES[source], ADDRESSES[destination], strict=True)
    return [{"path": path, "source": a, "destination": b, "port": port} for a, b in pairs]


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("coexistence")
    topology = folder / "topology.yml"
    base = yaml.safe_load((CHECKOUT / "lab" / "topology.yml").read_text())["base"]
    topology.write_text(yaml.safe_dump({**yaml.safe_load(_TOPOLOGY), "base": base}, sort_keys=False))
    made = Hosts(f"c{os.getpid() % 100000}", folder / "inventory")
    made.inventory.mkdir()
    try:
        made.lab("up", "--topology", str(topology), "--inventory", str(made.inventory))
        (folder / "server.py").write_text(_SERVER)
        for host in (SERVER, ROUTER):
            made.lab("exec", host, "--", "tee", "/run/server.py", text=_SERVER)
            made.sh(host, "systemd-run --quiet --unit=greeting python3 /run/server.py 25 587 2525")
        yield made
    finally:
        made.lab("down")


@pytest.fixture
def hosts(standing: Hosts) -> Iterator[Hosts]:
    """The hosts without any rules, and without them again afterwards."""
    yield standing
    for host in ADDRESSES:
        standing.sh(
            host,
            """
            if systemctl is-active --quiet firewalld; then systemctl stop firewalld; fi
            if [ -e /run/ufw-on ]; then ufw --force reset >/dev/null; rm -f /etc/ufw/*.[0-9]* /run/ufw-on; fi
            if [ -e /run/firewalld.conf ]; then mv /run/firewalld.conf /etc/firewalld/firewalld.conf; fi
            for tool in iptables ip6tables; do
                update-alternatives --quiet --set $tool /usr/sbin/$tool-nft
                for table in filter nat mangle raw; do
                    $tool-legacy-save -t $table 2>/dev/null | sed -n 's/^:\\([A-Z]*\\) DROP.*/\\1/p' |
                        while read -r chain; do $tool-legacy -t $table -P $chain ACCEPT; done
                    if grep -qsx $table /proc/net/ip_tables_names /proc/net/ip6_tables_names; then
                        $tool-legacy -t $table -F; $tool-legacy -t $table -X
                    fi
                done
            done
            nft list tables | while read -r table; do nft delete $table; done
            ipset destroy
            """,
        )
        standing.sh(
            host,
            "rm -rf /etc/alertpath /var/lib/alertpath-truth; systemctl disable --quiet --now alertpath-firewall",
            check=False,
        )
