# SPDX-License-Identifier: GPL-3.0-or-later
"""Three namespaces in a row, left - mid - right, where mid routes; and the module run in one of them as on a host."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE = "ansible_collections.alertpath.smtp.plugins.modules.smtp_firewall"
PREFIX = f"apfw{os.getpid()}"
LEFT, MID, RIGHT = f"{PREFIX}l", f"{PREFIX}m", f"{PREFIX}r"
ADDRESS = {
    (LEFT, 4): "10.91.1.2",
    (LEFT, 6): "fd91:1::2",
    (RIGHT, 4): "10.91.2.2",
    (RIGHT, 6): "fd91:2::2",
    (MID, 4): "10.91.1.1",
    (MID, 6): "fd91:1::1",
}
PORTS = [25, 465, 587]
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def sh(*argv: str, netns: str | None = None, check: bool = True, text: str | None = None) -> str:
    """Run a command, in *netns* if given, and return its output."""
    words = (["ip", "netns", "exec", netns] if netns else []) + list(argv)
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
    return done.stdout


@contextmanager
def inside(netns: str) -> Iterator[None]:
    """Let the sockets that this thread makes belong to *netns*."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{netns}") as there:
        assert _LIBC.setns(there.fileno(), _CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert _LIBC.setns(home.fileno(), _CLONE_NEWNET) == 0


def sock(netns: str, version: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    with inside(netns):
        return socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind)


def outcome(source: str, destination: str, version: int, port: int, wait: float = 1.0) -> str:
    """Try one connection: "open", "refused" (a reset), "prohibited" (an ICMP error), or "silent"."""
    with sock(source, version) as client:
        client.settimeout(wait)
        try:
            client.connect((ADDRESS[destination, version], port))
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silent"
        except OSError:
            return "prohibited"
        return "open"


@pytest.fixture
def echo() -> Iterator[Callable[[str, int], None]]:
    """A function that serves a port in a namespace, on both versions of IP, and sends back what it gets."""
    servers: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(1000):
                connection.sendall(data)

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()

    def serve(netns: str, port: int) -> None:
        server = sock(netns, 6)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("::", port))
        server.listen(64)
        servers.append(server)
        threading.Thread(target=accept, args=(server,), daemon=True).start()

    yield serve
    for server in servers:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.fixture(scope="session")
def _namespaces() -> Iterator[None]:
    names = (LEFT, MID, RIGHT)
    try:
        for name in names:
            sh("ip", "netns", "add", name)
            sh("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", netns=name)
            sh("ip", "link", "set", "lo", "up", netns=name)
        for end, net in ((LEFT, 1), (RIGHT, 2)):
            sh("ip", "link", "add", "eth0", "netns", end, "type", "veth", "peer", "name", f"eth{net}", "netns", MID)
            for name, device, host in ((end, "eth0", 2), (MID, f"eth{net}", 1)):
                sh("ip", "addr", "add", f"10.91.{net}.{host}/24", "dev", device, netns=name)
                sh("ip", "addr", "add", f"fd91:{net}::{host}/64", "dev", device, "nodad", netns=name)
                sh("ip", "link", "set", device, "up", netns=name)
            sh("ip", "route", "add", "default", "via", f"10.91.{net}.1", netns=end)
            sh("ip", "route", "add", "default", "via", f"fd91:{net}::1", netns=end)
        sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", netns=MID)
        yield
    finally:
        for name in names:
            sh("ip", "netns", "del", name, check=False)


@pytest.fixture
def net(_namespaces: None) -> Iterator[None]:
    """The namespaces, without any rules."""
    yield
    for name in (LEFT, MID, RIGHT):
        sh("nft", "flush", "ruleset", netns=name)


@dataclass
class Host:
    """A namespace with an /etc and a /run of its own, in which the module runs as on a host of its own."""

    netns: str
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    @property
    def etc(self) -> Path:
        """The /etc of this host: the machine's, under whatever was written here."""
        return self.folder / "merged"

    def command(self) -> list[str]:
        mounts = (
            f"mount --bind {self.etc} /etc && mount --bind {self.folder}/run /run && "
            f"{self._covers()}exec {sys.executable} -m {MODULE}"
        )
        return ["ip", "netns", "exec", self.netns, "/usr/bin/unshare", "--mount", "sh", "-c", mounts]

    def _covers(self) -> str:
        return "".join(f"mount --bind /dev/null {path} && " for path in self.hidden)

    def hide(self, tool: str) -> None:
        """Cover every copy of *tool* by a file that cannot be run."""
        places = (Path(folder) / tool for folder in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"))
        self.hidden += [str(path.resolve()) for path in places if path.exists()]

    def start(self, check: bool = False, diff: bool = False, **options: object) -> subprocess.Popen[str]:
        words = {**options, "_ansible_check_mode": check, "_ansible_diff": diff}
        process = subprocess.Popen(
            self.command(),
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections"), **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": words}))
        process.stdin.close()
        process.stdin = None
        return process

    def finish(self, process: subprocess.Popen[str]) -> dict:
        out, err = process.communicate(timeout=60)
        assert out.strip(), f"no result, exit {process.returncode}: {err}"
        return json.loads(out)

    def apply(self, check: bool = False, diff: bool = False, **options: object) -> dict:
        """Run the module to success and return its result."""
        result = self.finish(self.start(check, diff, **{"ports": PORTS, **options}))
        assert not result.get("failed"), result["msg"]
        return result

    def refuse(self, **options: object) -> str:
        """Run the module to failure and return its message."""
        result = self.finish(self.start(**{"ports": PORTS, **options}))
        assert result.get("failed"), result
        return result["msg"]

    def table(self, *options: str) -> str:
        """The loaded table as nft lists it; empty when there is none."""
        return sh("nft", *options, "list", "table", "inet", "alertpath", netns=self.netns, check=False)

    def snapshot(self) -> tuple[str, dict[str, bytes]]:
        """Everything the module may touch: the loaded table with its handles, and its files below /etc."""
        ours = [*self.etc.glob("alertpath/*"), *self.etc.glob("systemd/**/*alertpath*")]
        files = {
            str(path.relative_to(self.etc)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            for path in ours
        }
        return self.table("--handle"), files

    def wrap(self, tool: str, script: str) -> None:
        """Put a shell *script* before the real *tool*, whose path it gets as REAL."""
        real = shutil.which(tool)
        assert real
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        (folder / tool).write_text(f"#!/bin/sh\nREAL={real}\nSTATE={self.folder}\n{script}\n")
        (folder / tool).chmod(0o755)
        self.env["PATH"] = f"{folder}:{os.environ['PATH']}"

    def unwrap(self) -> None:
        self.env.clear()


@pytest.fixture
def host(net: None, tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """A function that makes a namespace a host."""

    mounted: list[Path] = []

    def make(netns: str) -> Host:
        folder = tmp_path / netns
        for name in ("etc", "work", "merged", "run"):
            (folder / name).mkdir(parents=True)
        layers = f"lowerdir=/etc,upperdir={folder}/etc,workdir={folder}/work"
        sh("mount", "-t", "overlay", "overlay", "-o", layers, str(folder / "merged"))
        mounted.append(folder / "merged")
        return Host(netns, folder)

    yield make
    for path in mounted:
        sh("umount", str(path))


def rule(source: str, destination: str, port: int, path: str = "some-path") -> dict[str, object]:
    return {"path": path, "source": source, "destination": destination, "port": port}


def between(source: str, destination: str, port: int) -> list[dict[str, object]]:
    """The rules for one path, on both versions of IP."""
    return [rule(ADDRESS[source, version], ADDRESS[destination, version], port) for version in (4, 6)]
