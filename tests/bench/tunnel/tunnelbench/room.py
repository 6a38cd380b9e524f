# SPDX-License-Identifier: GPL-3.0-or-later
"""A room of the bench's own: network, processes and a folder, all gone when it ends, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

MARK = "ALERTPATH_TUNNEL_BENCH"


def home() -> Path | None:
    """Return the folder of the room that this process is in, or None outside of one."""
    return Path(os.environ[MARK]) if MARK in os.environ else None


def enter(script: str, arguments: list[str]) -> int:
    """Run *script* again in network, process and mount namespaces of its own; return its exit status.

    The script is the first process of its process namespace: when it ends, the kernel ends all others there. It is
    killed itself when this process is. The folder lies where Postfix's own user can enter every folder above it.
    """
    folder = tempfile.mkdtemp(prefix="alertpath-bench-", dir="/var/tmp")
    Path(folder).chmod(0o755)
    space = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        inside = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *space, sys.executable, script, *arguments],
            env={**os.environ, MARK: folder},
        )
        try:
            return inside.wait()
        finally:
            inside.kill()
            inside.wait()
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def furnish() -> None:
    """Bring up loopback, with room for the connections that many short sessions leave behind."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in (("net/ipv4/ip_local_port_range", "10000 65000"), ("net/core/somaxconn", "4096")):
        Path("/proc/sys", name).write_text(value)
