# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's control groups: what freezes a host, and what knows every process of it, on hybrid v1 + v2 and on pure v2."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .system import wait_until

_TOP = "alertpath-lab"


@dataclass(frozen=True)
class Hierarchies:
    """Where the control group trees are mounted: *unified* (v2), and *named* (v1 name=systemd) on hybrid machines."""

    unified: Path
    named: Path | None

    @property
    def all(self) -> tuple[Path, ...]:
        return (self.unified,) if self.named is None else (self.unified, self.named)


def find_hierarchies(mountinfo: str) -> Hierarchies:
    """Find the trees in the text of /proc/self/mountinfo; raises LabError without a v2 tree."""
    unified: Path | None = None
    named: Path | None = None
    for line in mountinfo.splitlines():
        before, _separator, after = line.partition(" - ")
        point = Path(before.split(" ")[4])
        kind, _source, options = after.split(" ", 2)
        if kind == "cgroup2" and unified is None:
            unified = point
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            named = point
    if unified is None:
        raise LabError(
            "no cgroup v2 tree is mounted, and systemd needs one: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
        )
    return Hierarchies(unified, named)


def machine_hierarchies() -> Hierarchies:
    """The trees of this machine."""
    return find_hierarchies(Path("/proc/self/mountinfo").read_text())


@dataclass(frozen=True)
class Group:
    """One control group of a lab, in every tree."""

    hierarchies: Hierarchies
    path: str

    @classmethod
    def of_lab(cls, hierarchies: Hierarchies, lab: str) -> Group:
        """The group that holds all of a lab's groups."""
        return cls(hierarchies, f"{_TOP}/{lab}")

    def child(self, name: str) -> Group:
        return Group(self.hierarchies, f"{self.path}/{name}")

    def host(self, name: str) -> Group:
        """The group that one host boots in."""
        return self.child(f"host-{name}")

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(tree / self.path for tree in self.hierarchies.all)

    @property
    def _unified(self) -> Path:
        return self.hierarchies.unified / self.path

    def create(self) -> None:
        """Make the group where it is missing."""
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)

    def join(self) -> None:
        """Put the calling process into the group, made if need be."""
        self.create()
        for folder in self.folders:
            (folder / "cgroup.procs").write_text("0")

    def processes(self) -> list[int]:
        """All processes of the group and of groups below it, in any tree."""
        found: set[int] = set()
        for top in self.folders:
            for folder, _folders, _files in os.walk(top):
                with contextlib.suppress(OSError):
                    found.update(int(line) for line in Path(folder, "cgroup.procs").read_text().split())
        return sorted(found)

    def populated(self) -> bool:
        """Whether any process lives in the group or below it."""
        return _flag(self._unified / "cgroup.events", "populated")

    def frozen(self) -> bool:
        """Whether every process of the group has stopped."""
        return _flag(self._unified / "cgroup.events", "frozen")

    def freeze(self, frozen: bool) -> None:
        """Stop every process of the group, or let all go on; returns when it has happened."""
        try:
            (self._unified / "cgroup.freeze").write_text("1" if frozen else "0")
        except OSError as error:
            raise LabError(f"{self._unified}: cannot be frozen: {error.strerror} (Linux 5.2 or later can)") from error
        if not wait_until(lambda: self.frozen() == frozen, 10):
            raise LabError(f"{self._unified}: did not {'freeze' if frozen else 'thaw'} within 10 seconds")

    def kill(self) -> None:
        """End every process of the group, frozen ones too; raises LabError when some will not end."""

        def gone() -> bool:
            rest = self.processes()
            for process in rest:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return not rest

        if not wait_until(gone, 10):
            raise LabError(f"processes {self.processes()} in {self._unified} do not end; see ps -o pid,stat,wchan")

    def remove(self) -> None:
        """Delete the group and all below it, and the folder of all labs with the last lab."""

        def removed() -> bool:
            for top in self.folders:
                for folder, _folders, _files in os.walk(top, topdown=False):
                    with contextlib.suppress(OSError):
                        Path(folder).rmdir()
            return not any(folder.exists() for folder in self.folders)

        if not wait_until(removed, 5):
            raise LabError(f"{self._unified} is still in use by processes {self.processes()}")
        for tree in self.hierarchies.all:
            with contextlib.suppress(OSError):
                (tree / _TOP).rmdir()


def _flag(events: Path, name: str) -> bool:
    try:
        text = events.read_text()
    except OSError:
        return False
    return f"{name} 1" in text.splitlines()
