# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until hosts answer, from where the controller stands."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from . import kernel
from .errors import LabError
from .lab import Lab
from .topology import Host, Topology

_SECONDS = 90
_TAIL = 5


def wait_for_ssh(lab: Lab, topology: Topology) -> None:
    """Return once the ssh server of every host of *topology* has sent its greeting (RFC 4253 section 4.2).

    Raises LabError that names the hosts which did not within 90 seconds, or ended meanwhile, and what they said last.
    """
    deadline = time.monotonic() + _SECONDS

    def answers(host: Host) -> bool:
        # Threads of their own: only they move into the controller's namespace.
        kernel.enter_network(lab.layout.namespace("controller"))
        while not _greets(str(host.management_address)):
            if time.monotonic() > deadline or lab.state(host.name) == "stopped":
                return False
            time.sleep(0.05)
        return True

    try:
        with ThreadPoolExecutor(len(topology.hosts)) as pool:
            silent = [
                host.name
                for host, answered in zip(topology.hosts, pool.map(answers, topology.hosts), strict=True)
                if not answered
            ]
    except OSError as error:
        raise LabError(f"the hosts cannot be asked from the controller: {error}; run lab/lab down, then up") from error
    if silent:
        raise LabError("\n".join(_complaint(lab, name) for name in silent))


def _greets(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _complaint(lab: Lab, host: str) -> str:
    console = lab.layout.console(host)
    last = console.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:] if console.exists() else []
    return "\n".join([f"{host} is {lab.state(host)} and does not answer over ssh; the end of {console}:", *last])
