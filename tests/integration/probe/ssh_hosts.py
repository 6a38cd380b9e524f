# SPDX-License-Identifier: GPL-3.0-or-later
"""Real SSH servers in namespaces: the controller, a jump host, and the vault that probes in the controller's stead.

controller 10.91.8.10 - 10.91.8.1 jump 10.91.9.1 - 10.91.9.10 vault. The vault is the client of `network.Network`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .network import HERE, Network, sh

VAULT, JUMP = "10.91.9.10", "10.91.8.1"
USER = "root"
_SSHD = """
ListenAddress {address}
Port {port}
HostKey {folder}/{name}
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
ForceCommand /bin/false
{extra}
"""


class SshHosts:
    """Namespaces, keys and servers."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.prefix = network.names["client"].removesuffix("-client")
        self.names = {part: f"{self.prefix}-{part}" for part in ("control", "jump")}
        self.servers: list[subprocess.Popen[bytes]] = []

    @property
    def vault(self) -> str:
        return self.network.names["client"]

    def up(self) -> None:
        for name in self.names.values():
            sh("ip", "netns", "add", name)
            self.network.ip(name, "link", "set", "lo", "up")
        control, jump = self.names["control"], self.names["jump"]
        for left, right, net in ((control, jump, 8), (self.vault, jump, 9)):
            device = f"s{net}"
            self.network.ip(left, "link", "add", device, "type", "veth", "peer", "name", device, "netns", right)
            for name, host in ((left, 10), (right, 1)):
                self.network.ip(name, "address", "add", f"10.91.{net}.{host}/24", "dev", device)
                self.network.ip(name, "link", "set", device, "up")
        for name in ("jump", "vault", "other", "user", "stranger"):
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name))
        sh("ssh-keygen", "-q", "-t", "ecdsa", "-N", "a phrase", "-C", "locked", "-f", str(self.folder / "locked"))
        sh("ssh-keygen", "-q", "-t", "rsa", "-N", "", "-m", "PEM", "-C", "rsa", "-f", str(self.folder / "rsa"))
        allowed = [self.public(name) for name in ("user", "locked", "rsa")]
        (self.folder / "authorized").write_text("".join(f"{line}\n" for line in allowed))
        self.know({JUMP: "jump", VAULT: "vault"})
        Path("/run/sshd").mkdir(exist_ok=True)

    def public(self, name: str) -> str:
        return (self.folder / f"{name}.pub").read_text().strip()

    def know(self, keys: dict[str, str], file: str = "known") -> str:
        """Write a known_hosts file: address → the key's name."""
        made = self.folder / file
        made.write_text("".join(f"{address} {self.public(key)}\n" for address, key in keys.items()))
        return str(made)

    def serve(self, part: str, key: str = "", extra: str = "", port: int = 22) -> subprocess.Popen[bytes]:
        """Start a server on the jump host or the vault; return when it listens."""
        address, namespace = (JUMP, self.names["jump"]) if part == "jump" else (VAULT, self.vault)
        config = self.folder / f"{part}-{port}.conf"
        config.write_text(_SSHD.format(address=address, port=port, folder=self.folder, name=key or part, extra=extra))
        argv = ["ip", "netns", "exec", namespace, "/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
        with (self.folder / f"{part}-{port}.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        self.servers.append(process)
        until = time.monotonic() + 10
        while f":{port} " not in sh("ip", "netns", "exec", namespace, "ss", "-Hltn"):
            assert process.poll() is None, (self.folder / f"{part}-{port}.log").read_text()
            assert time.monotonic() < until, "sshd does not listen"
            time.sleep(0.02)
        return process

    def hop(self, address: str = VAULT, key: str = "user", **more: Any) -> dict[str, Any]:
        given = {"host": address, "user": USER, "port": 22, "key_file": str(self.folder / key)}
        return {"key_passphrase": None, "password": None, **given, **more}

    def argv(self) -> list[str]:
        """The command that probes from the controller; its question goes in on standard input."""
        return ["ip", "netns", "exec", self.names["control"], sys.executable, str(HERE / "run_probe.py")]

    def question(self, targets: Sequence[dict[str, Any]], hops: Sequence[dict[str, Any]], **settings: Any) -> str:
        known = {"known_hosts": str(self.folder / "known")}
        return json.dumps(
            {"targets": list(targets), "settings": {**known, "via": "ssh", "ssh": list(hops), **settings}}
        )

    def ask(
        self, targets: Sequence[dict[str, Any]], hops: Sequence[dict[str, Any]], **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(),
            input=self.question(targets, hops, **settings),
            capture_output=True,
            text=True,
            timeout=180,
            env={**os.environ, "SSH_AUTH_SOCK": "", "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )

    def probe(
        self, targets: Sequence[dict[str, Any]], hops: Sequence[dict[str, Any]] | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Probe from the vault, directly connected where the jump host forwards packets, else through it."""
        done = self.ask(targets, hops or [self.hop(JUMP), self.hop()], **settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def down(self) -> None:
        for process in self.servers:
            process.terminate()
            process.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
