# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a lab and everything it made, from whatever point its raising was stopped at."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from .errors import LabError
from .inventory import remove_inventories
from .lab import Lab
from .system import processes_in_namespaces, remove_tree, unmount_below, wait_until

_NSPAWN = Path("/run/systemd/nspawn")


def tear_down(lab: Lab, say: Callable[[str], None]) -> bool:
    """End every process of the lab, then remove mounts, groups and folders; whether there was anything.

    Nothing is looked up by what it is called on a command line: processes are found by control group and by network
    namespace, mounts by the lab's folder. The caller holds the lab's lock.
    """
    if not lab.leftovers():
        return False
    _refuse_from_within(lab)
    layout = lab.layout
    # From here on the lab does not stand, even if this is as far as it gets.
    layout.ready.unlink(missing_ok=True)
    record = None
    with contextlib.suppress(LabError):
        record = lab.read()
    hosts = _names_in(layout.state / "hosts")
    # Hosts first: a keeper whose host has been killed gathers it up and leaves, with nothing left for init.
    for host in hosts:
        lab.group.host(host).kill()
    wait_until(lambda: not lab.group.processes(), 2)
    lab.group.kill()
    _end_processes_in_namespaces(lab)
    say("all processes ended")
    unmount_below(layout.state)
    remove_tree(layout.state)
    lab.group.remove()
    for host in hosts:
        # systemd-nspawn cleans up after itself, except when it is killed.
        for kind in ("propagate", "unix-export"):
            remove_tree(_NSPAWN / kind / layout.machine(host))
    if record is not None:
        remove_inventories(layout, record)
    say("mounts, namespaces and control groups removed")
    return True


def _names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _refuse_from_within(lab: Lab) -> None:
    if {os.getpid(), os.getppid()} & set(lab.group.processes()):
        raise LabError("this command runs inside the lab, and would end itself; run it outside")


def _end_processes_in_namespaces(lab: Lab) -> None:
    """End what was started in the lab's namespaces from outside, such as ssh's lasting connections."""
    namespaces = [lab.layout.namespace(name) for name in _names_in(lab.layout.namespaces)]

    def gone() -> bool:
        rest = processes_in_namespaces(namespaces)
        for process in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not rest

    if not wait_until(gone, 10):
        raise LabError(f"processes {processes_in_namespaces(namespaces)} do not end; see ps -o pid,stat,wchan")
