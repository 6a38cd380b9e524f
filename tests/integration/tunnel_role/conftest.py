# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for the tests of the role."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LAB, NAME = str(ROOT / "lab" / "lab"), "tunnelrole"


@dataclass(frozen=True)
class Site:
    """The lab's inventory and its first tunnel."""

    inventory: Path

    def play(self, *words: str, **variables: object) -> tuple[int, str, set[str]]:
        """Run tunnel.yml on tunnel1; return the exit code, the output, and the tasks that changed something."""
        playbook, options = str(Path(sys.executable).parent / "ansible-playbook"), ["-e", json.dumps(variables)]
        done = subprocess.run(
            [playbook, "-i", str(self.inventory), "-l", "tunnel1", "playbooks/tunnel.yml", *options, *words],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        changed, task = set(), ""
        for line in done.stdout.splitlines():
            if match := re.match(r"TASK \[alertpath\.smtp\.dsg_tunnel : (.*)\] \*", line):
                task = match[1]
            elif line.startswith("changed: "):
                changed.add(task)
        return done.returncode, done.stdout + done.stderr, changed

    def run(self, *argv: str) -> str:
        """Run a command on tunnel1; return its output."""
        done = subprocess.run(
            [LAB, "exec", "--name", NAME, "tunnel1", "--", *argv], capture_output=True, text=True, check=False
        )
        return done.stdout

    def main_pid(self) -> str:
        return self.run("systemctl", "show", "alertpath-tunnel", "--property=MainPID", "--value").strip()

    def last_event(self, *events: str) -> str:
        """The latest line of the service's journal that tells one of *events*."""
        lines = self.run("journalctl", "--quiet", "--output=cat", "--unit=alertpath-tunnel").splitlines()
        found = [line for line in lines if any(f'"event":"{event}"' in line for event in events)]
        return found[-1] if found else ""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("inventory")
    subprocess.run([LAB, "down", "--name", NAME], check=True)
    subprocess.run([LAB, "up", "--name", NAME, "--inventory", str(folder)], check=True)
    try:
        yield Site(folder)
    finally:
        subprocess.run([LAB, "down", "--name", NAME], check=True)
