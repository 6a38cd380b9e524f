# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until hosts answer, from where the controller stands."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from . import kernel
from .errors import LabError
from .lab import Lab
from .topology import Topology

_SECONDS = 90


def wait_for_ssh(lab: Lab, topology: Topology) -> None:
    """Return once the ssh server of every host of *topology* has sent its greeting (RFC 4253 section 4.2).

    Raises LabError that names the hosts which did not within 90 seconds, or ended meanwhile, and where to look.
    """
    waiting = {host.name: str(host.management_address) for host in topology.hosts}
    failure: list[BaseException] = []

    def ask() -> None:
        try:
            # A thread of its own: only the thread that asks moves into the controller's namespace.
            kernel.enter_network(lab.layout.namespace("controller"))
            deadline = time.monotonic() + _SECONDS
            while waiting and time.monotonic() < deadline:
                for name in [name for name, address in waiting.items() if _greets(address)]:
                    del waiting[name]
                if any(lab.state(name) == "stopped" for name in waiting):
                    return
                time.sleep(0.05 if waiting else 0)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    if failure:
        raise LabError(f"the hosts cannot be asked from the controller: {failure[0]}")
    if waiting:
        logs = ", ".join(str(lab.layout.console(name)) for name in waiting)
        raise LabError(f"{', '.join(waiting)}: no answer over ssh; see {logs}")


def _greets(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=1) as connection:
        return connection.recv(4) == b"SSH-"
    return False
