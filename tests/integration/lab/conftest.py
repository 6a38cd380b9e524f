# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs of real hosts for these tests: each has a name of its own and is removed afterwards. Needs root."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
COMMAND = CHECKOUT / "lab" / "lab"
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class LabUnderTest:
    """A lab by its name, and what is asked of it."""

    name: str
    inventory: Path

    @property
    def state(self) -> Path:
        return Path("/run/alertpath-lab") / self.name

    def argv(self, action: str, *words: str) -> list[str]:
        return [str(COMMAND), action, "--name", self.name, *words]

    def run(self, action: str, *words: str, status: int | None = 0) -> str:
        """Run one command of the lab and return its output; fails unless it leaves with *status*."""
        done = subprocess.run(self.argv(action, *words), capture_output=True, text=True, check=False, timeout=180)
        assert status is None or done.returncode == status, f"{action} {words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def up(self, *words: str) -> str:
        return self.run("up", "--inventory", str(self.inventory), *words)

    def states(self) -> dict[str, str]:
        """What each host does."""
        lines = self.run("status").splitlines()[1:]
        return {line.split()[0]: line.split()[1] for line in lines}

    def ansible(self, pattern: str, module: str, arguments: str = "", status: int = 0) -> str:
        """Run one Ansible module on hosts of the lab and return what it printed."""
        argv = ["ansible", "-i", str(self.inventory), pattern, "-m", module, "-a", arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=180, cwd=CHECKOUT)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def leftovers(self) -> list[str]:
        """Everything on this machine that belongs to the lab."""
        found = [str(path) for path in (self.state, self.state.with_name(f"{self.name}.lock")) if path.exists()]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [
            line for line in mounts if f"/alertpath-lab/{self.name}" in line or f"alertpath-lab-{self.name}" in line
        ]
        found += [str(path) for path in CGROUPS.glob(f"**/alertpath-lab/{self.name}")]
        found += [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{self.name}-*")]
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with contextlib.suppress(OSError):
                    if "\nState:\tZ" in (process / "status").read_text():
                        continue  # has ended; its parent has yet to be told
                    if f"/alertpath-lab/{self.name}/" in (process / "cgroup").read_text():
                        found.append(f"process {process.name} in its control groups")
                    if f"/alertpath-lab/{self.name}/" in (process / "cmdline").read_text():
                        found.append(f"process {process.name} names its folder")
        found += [str(path) for path in self.inventory.glob("*")]
        return found


def machine_network() -> str:
    """Interfaces, addresses, routes and rules of the machine's own namespace."""
    commands = (("ip", "-br", "link"), ("ip", "-br", "addr"), ("ip", "route", "show", "table", "all"))
    return "".join(subprocess.run(argv, capture_output=True, text=True, check=True).stdout for argv in commands)


@contextlib.contextmanager
def lab_called(name: str, folder: Path) -> Iterator[LabUnderTest]:
    """A lab that is removed at the end, whatever happened to it; not raised yet."""
    lab = LabUnderTest(name, folder / name)
    lab.inventory.mkdir()
    try:
        yield lab
    finally:
        lab.run("down")
        assert lab.leftovers() == []


@pytest.fixture
def called() -> Callable[[str, Path], contextlib.AbstractContextManager[LabUnderTest]]:
    """Makes labs of any name."""
    return lab_called


@pytest.fixture
def network_of_machine() -> Callable[[], str]:
    """Tells the machine's own network."""
    return machine_network


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabUnderTest]:
    """A lab for one test."""
    with lab_called(f"i{os.getpid() % 100000}", tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """The shipped topology, raised once for all tests that leave it as it was."""
    before = machine_network()
    with lab_called(f"s{os.getpid() % 100000}", tmp_path_factory.mktemp("standing")) as made:
        made.up()
        yield made
    assert machine_network() == before
