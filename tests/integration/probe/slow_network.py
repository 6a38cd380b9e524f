# SPDX-License-Identifier: GPL-3.0-or-later
"""A client and 256 x 256 servers behind a slow path that loses packets, in two network namespaces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .network import Network, sh

RELAY = Path(__file__).parent / "slow_relay.py"
CLIENT = {4: "10.94.0.10", 6: "fd94::10"}


class SlowNetwork(Network):
    """The servers are one namespace that has all addresses of 10.93.0.0/16 and fd93::/64."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        del self.names["router"]
        self._relay: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        for name in self.names.values():
            sh("ip", "netns", "add", name)
            self.ip(name, "link", "set", "lo", "up")
            self.ip(name, "tuntap", "add", "dev", "slow", "mode", "tun")
            self.ip(name, "link", "set", "slow", "txqueuelen", "100000", "up")
        for version in (4, 6):
            net = "10.93.0.0/16" if version == 4 else "fd93::/64"
            host = f"{CLIENT[version]}/{32 if version == 4 else 128}"
            self.ip(self.names["client"], "address", "add", host, "dev", "slow")
            self.ip(self.names["client"], "route", "add", net, "dev", "slow")
            self.ip(self.names["server"], "route", "add", host, "dev", "slow")
            self.ip(self.names["server"], "route", "add", "local", net, "dev", "lo")

    def slow(self, loss: float, seconds: float, slow_seconds: float | None = None, every: int = 4) -> None:
        """Lose this share of packets and take this time, both each way; every so manieth server is slower."""
        numbers = (loss, seconds, seconds if slow_seconds is None else slow_seconds, every)
        argv = [sys.executable, str(RELAY), self.names["client"], self.names["server"], *map(str, numbers)]
        self.stop_relay()
        self._relay = self.launch(argv, b"ready")

    def stop_relay(self) -> None:
        if self._relay is not None:
            self._relay.kill()
            self._relay.wait()
