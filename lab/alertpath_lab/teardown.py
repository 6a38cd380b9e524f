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
from .lab import Lab
from .system import processes_in_namespaces, remove_tree, unmount_below, wait_until

_NSPAWN_LEFTOVERS = (Path("/run/systemd/nspawn/propagate"), Path("/run/systemd/nspawn/unix-export"))


def tear_down(lab: Lab, say: Callable[[str], None]) -> bool:
    """End every process of the lab, then remove mounts, groups and folders; whether there was anything.

    Nothing is looked up by what it is called on the command line: processes are found by control group and by network
    namespace, mounts by the lab's folder. The caller holds the lab's lock.
    """
    layout = lab.layout
    present = layout.state.exists() or any(folder.exists() for folder in lab.group.folders)
    if not present:
        return False
    _refuse_from_within(lab)
    spare = frozenset({os.getpid()})
    record = None
    with contextlib.suppress(ValueError, TypeError):
        record = lab.read()
    # Keepers first: they would boot again what is ended here.
    lab.group.child("keepers").kill()
    lab.group.kill(spare)
    _end_processes_in_namespaces(lab, spare)
    say("all processes ended")
    unmount_below(layout.state)
    remove_tree(layout.state)
    with contextlib.suppress(FileNotFoundError):
        _leave_group(lab)
    lab.group.remove()
    _remove_nspawn_leftovers(lab)
    if record is not None:
        _remove_inventory(lab, Path(record.inventory), [Path(link) for link in record.links])
    say("mounts, namespaces and control groups removed")
    return True


def _refuse_from_within(lab: Lab) -> None:
    inside = lab.group.child("controller").processes()
    if os.getpid() in inside or os.getppid() in inside:
        raise LabError("this command runs inside the lab, and would end itself; run it on the machine")


def _end_processes_in_namespaces(lab: Lab, spare: frozenset[int]) -> None:
    """End what was started in the lab's namespaces from outside, such as ssh's lasting connections."""
    folder = lab.layout.namespaces

    def gone() -> bool:
        namespaces = list(folder.iterdir()) if folder.is_dir() else []
        rest = [process for process in processes_in_namespaces(namespaces) if process not in spare]
        for process in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not rest

    if not wait_until(gone, 10):
        raise LabError(f"processes in the namespaces below {folder} do not end; see ps -o pid,stat,wchan")


def _leave_group(lab: Lab) -> None:
    """Move this process out of the lab's groups, when raising a lab had moved it in."""
    if os.getpid() in lab.group.processes():
        for tree in lab.group.hierarchies.all:
            (tree / "cgroup.procs").write_text("0")


def _remove_nspawn_leftovers(lab: Lab) -> None:
    """systemd-nspawn cleans up after itself, except when it is killed."""
    for folder in _NSPAWN_LEFTOVERS:
        for path in folder.glob(f"{lab.layout.name}-*"):
            remove_tree(path)


def _remove_inventory(lab: Lab, folder: Path, links: list[Path]) -> None:
    """Remove the inventory unless it was written for another lab meanwhile."""
    inventory = folder / "hosts.yml"
    if inventory.is_file() and f"lab_state: {lab.layout.state}\n" in inventory.read_text(encoding="utf-8"):
        inventory.unlink()
    for link in links:
        if link.is_symlink():
            link.unlink()
