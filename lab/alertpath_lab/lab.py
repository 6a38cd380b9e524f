# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab as it stands on disk: its lock, its record, and the state of each host."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import parse, yaml_source
from .cgroup import Group, machine_hierarchies
from .errors import LabError
from .layout import ROOT, Layout
from .limits import restore_limits
from .system import is_mounted, wait_until, write_file
from .topology import Host, Topology

_LOCK_SECONDS = 60


@dataclass(frozen=True)
class Record:
    """What was raised from what. *topology* is the file's text: a running lab does not change with the file."""

    topology_file: str
    topology: str
    base: str
    inventories: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    def parsed(self) -> Topology:
        """The topology that the lab was raised from."""
        return parse.parse_topology(yaml_source.loads(self.topology, self.topology_file), self.topology_file)


@dataclass(frozen=True)
class Lab:
    """A lab by its layout and its control groups."""

    layout: Layout
    group: Group

    @classmethod
    def called(cls, layout: Layout) -> Lab:
        """The lab of *layout* on this machine, standing or not."""
        return cls(layout, Group.of_lab(machine_hierarchies(), layout.name))

    def read(self) -> Record | None:
        """The lab's record, or None when none was written. Raises LabError when it is not one of this version's."""
        try:
            values = json.loads(self.layout.record.read_text(encoding="utf-8"))
            return Record(**{**values, "inventories": tuple(values["inventories"]), "links": tuple(values["links"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise LabError(
                f"{self.layout.record}: is not this version's record of a lab; "
                f"run lab/lab down --name {self.layout.name}, then up"
            ) from error

    def write(self, record: Record) -> None:
        """Write the record; the lab's tmpfs must be mounted."""
        write_file(self.layout.record, json.dumps(asdict(record), indent=1), 0o600)

    def standing(self) -> Record:
        """The record of a lab that was raised to the end; raises LabError when there is none."""
        record = self.read() if self.layout.ready.exists() and is_mounted(self.layout.state) else None
        if record is None:
            raise LabError(f"the lab {self.layout.name!r} does not stand; run lab/lab up --name {self.layout.name}")
        return record

    def leftovers(self) -> bool:
        """Whether anything of the lab is there, standing or not."""
        return self.layout.state.exists() or any(folder.exists() for folder in self.group.folders)

    def join_builders(self) -> None:
        """Put this process where `down` finds it, and whatever it starts, should it be killed."""
        self.group.child("builder").join()

    def host(self, name: str) -> tuple[Topology, Host]:
        """The standing lab's topology and its host called *name*; raises LabError when there is none."""
        topology = self.standing().parsed()
        host = topology.host(name)
        if host is None:
            known = ", ".join(host.name for host in topology.hosts)
            raise LabError(f"the lab {self.layout.name!r} has no host {name!r}; it has {known}")
        return topology, host

    def state(self, host: str) -> str:
        """What *host* does: running, paused, or stopped."""
        group = self.group.host(host)
        if not group.populated():
            return "starting" if self.keeper_runs(host) else "stopped"
        return "paused" if group.frozen() else "running"

    def keeper_runs(self, host: str) -> bool:
        """Whether the host's keeper holds its lock."""
        try:
            handle = os.open(self.layout.keeper_lock(host), os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def nspawn(self, host: str) -> int:
        """The systemd-nspawn process of *host*; raises LabError when it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            process = int((self.layout.host(host) / "nspawn.pid").read_text())
            if process in self.group.host(host).processes():
                return process
        raise LabError(f"{host} does not run; start it with lab/lab start --name {self.layout.name} {host}")

    def leader(self, host: str) -> int:
        """The process that is number 1 inside *host*; raises LabError when there is none."""
        nspawn = self.nspawn(host)
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        for child in children:
            if _number_inside(child) == "1":
                return int(child)
        raise LabError(f"{host} is about to boot or to end; try again in a moment")


def _number_inside(process: str) -> str | None:
    """The process number in the innermost namespace (proc_pid_status(5), NSpid); None outside of any."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return numbers[-1] if len(numbers) > 1 else None
    return None


def labs() -> list[str]:
    """The names of all labs that left something in the state folder."""
    if not ROOT.is_dir():
        return []
    return sorted(path.name for path in ROOT.iterdir() if path.is_dir())


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Keep other commands from changing the lab; the lock file goes when the lab has gone."""
    ROOT.mkdir(mode=0o700, exist_ok=True)
    handle = _acquire(layout)
    try:
        yield
    finally:
        if not layout.state.exists():
            layout.lock.unlink(missing_ok=True)
            restore_limits()
        os.close(handle)


def _acquire(layout: Layout) -> int:
    handle = -1

    def taken() -> bool:
        nonlocal handle
        ROOT.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before may have removed the file that was locked here.
                if os.fstat(handle).st_ino == layout.lock.stat().st_ino:
                    return True
            except BlockingIOError:
                pass
            os.close(handle)
        return False

    if not wait_until(taken, _LOCK_SECONDS):
        raise LabError(f"another command has been changing the lab {layout.name!r} for {_LOCK_SECONDS} seconds")
    return handle
