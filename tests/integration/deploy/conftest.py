# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for the tests of whole plays, and the controllers that run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LAB = "deploy"


@dataclass(frozen=True)
class Run:
    """One finished ansible-playbook: its output, and what it says of each host."""

    returncode: int
    output: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Host → counters of the recap (ok, changed, unreachable, failed, ...)."""
        lines = re.findall(r"^(\S+)\s+: (ok=.*)$", self.output, re.MULTILINE)
        return {host: {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)} for host, line in lines}

    @property
    def changes(self) -> set[tuple[str, str]]:
        """Every (task, host) that reported a change."""
        found, task = set(), ""
        for line in self.output.splitlines():
            if match := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\] \*", line):
                task = match[1]
            elif match := re.match(r"changed: \[(\S+?)(?: -> .*)?\]", line):
                found.add((task, match[1]))
        return found


@dataclass(frozen=True)
class Controller:
    """One ansible-core, run as a user runs it: from the checkout, with an inventory."""

    bin: Path
    inventory: Path

    def run(self, *words: str, **env: str) -> Run:
        done = subprocess.run(
            [str(self.bin / "ansible-playbook"), "-i", str(self.inventory), *words],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        return Run(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Hosts that know nothing yet, and the folder of their inventory."""
    folder = tmp_path_factory.mktemp("inventory")
    lab = str(ROOT / "lab" / "lab")
    subprocess.run([lab, "down", "--name", LAB], check=True)
    subprocess.run([lab, "up", "--name", LAB, "--inventory", str(folder)], check=True)
    try:
        prepared = Controller(Path(sys.executable).parent, folder).run("lab/playbooks/prepare.yml")
        assert prepared.returncode == 0, prepared.output
        yield folder
    finally:
        subprocess.run([lab, "down", "--name", LAB], check=True)


@pytest.fixture(scope="session")
def oldest(inventory: Path) -> Controller:
    """The oldest ansible-core that is tested: the one this test runs beside."""
    return Controller(Path(sys.executable).parent, inventory)


@pytest.fixture(scope="session")
def newest(inventory: Path, oldest: Controller) -> Controller:
    """The newest ansible-core of this machine; the oldest where no newer Python is."""
    path = ROOT / ".cache" / "env" / "2.21" / "bin"
    return Controller(path, inventory) if path.exists() else oldest
