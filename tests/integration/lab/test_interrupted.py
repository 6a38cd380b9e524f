# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whenever a command is killed, `down` removes everything, and `up` starts afresh."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LabUnderTest

CHECKOUT = Path(__file__).resolve().parents[3]
CGROUPS = Path("/sys/fs/cgroup")

MOMENTS: dict[str, Callable[[LabUnderTest], bool]] = {
    "locked": lambda lab: lab.state.with_name(f"{lab.name}.lock").exists(),
    "control group made": lambda lab: any(CGROUPS.glob(f"*/alertpath-lab/{lab.name}")),
    "folder made": lambda lab: lab.state.exists(),
    "recorded": lambda lab: (lab.state / "lab.json").exists(),
    "keys made": lambda lab: (lab.state / "pki/client.key").exists(),
    "switch made": lambda lab: (lab.state / "netns/controller").exists(),
    "first root mounted": lambda lab: os.path.ismount(lab.state / "hosts/router/root"),
    "last root mounted": lambda lab: os.path.ismount(lab.state / "hosts/publicmx/root"),
    "ready": lambda lab: (lab.state / "ready").exists(),
    "first host boots": lambda lab: any(lab.state.glob("hosts/*/nspawn.pid")),
    "all hosts boot": lambda lab: len(list(lab.state.glob("hosts/*/nspawn.pid"))) == 9,
    "journal runs": lambda lab: any(lab.state.glob("hosts/*/up/var/log/wtmp")),
}


def kill_when(argv: list[str], moment: Callable[[], bool]) -> int:
    """Start *argv*, kill it at *moment* with a signal it cannot see coming, and return how it ended."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not moment():
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    return process.wait()


@pytest.mark.parametrize("moment", MOMENTS)
def test_down_after_a_killed_up_leaves_nothing(lab: LabUnderTest, moment: str) -> None:
    argv = lab.argv("up", "--inventory", str(lab.inventory))
    assert kill_when(argv, lambda: MOMENTS[moment](lab)) == -signal.SIGKILL
    lab.run("down")
    assert lab.leftovers() == []


@pytest.mark.parametrize("moment", ["folder made", "keys made", "first root mounted", "first host boots"])
def test_up_after_a_killed_up_raises_the_lab(lab: LabUnderTest, moment: str) -> None:
    argv = lab.argv("up", "--inventory", str(lab.inventory))
    assert kill_when(argv, lambda: MOMENTS[moment](lab)) == -signal.SIGKILL
    lab.up()
    assert lab.ansible("all", "ansible.builtin.ping").count("SUCCESS") == 9


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.4, 0.5, 0.6])
def test_down_after_a_killed_down_leaves_nothing(lab: LabUnderTest, seconds: float) -> None:
    lab.up()
    end = time.monotonic() + seconds
    kill_when(lab.argv("down"), lambda: time.monotonic() > end)
    lab.run("down")
    assert lab.leftovers() == []


def test_down_while_hosts_are_paused_and_connections_are_kept(lab: LabUnderTest) -> None:
    lab.up()
    lab.ansible("all", "ansible.builtin.ping")  # leaves ssh connections behind, which outlive the command
    lab.run("pause", "router")
    lab.run("pause", "vault1")
    started = time.monotonic()
    lab.run("down")
    assert time.monotonic() - started < 20
    assert lab.leftovers() == []


def test_a_killed_build_leaves_no_tree_that_passes_for_whole(tmp_path: Path) -> None:
    command = ["env", f"ALERTPATH_CACHE={tmp_path}", str(CHECKOUT / "lab/lab"), "base"]
    assert kill_when(command, lambda: any(tmp_path.glob("lab-base-*.tmp-*/usr/bin"))) == -signal.SIGKILL
    answer = subprocess.run([*command, "--print-path"], capture_output=True, text=True, check=True).stdout
    path = Path(answer.strip())
    assert path.parent == tmp_path
    deadline = time.monotonic() + 30
    while any(str(tmp_path) in line for line in command_lines()):
        assert time.monotonic() < deadline, "the build goes on without its parent"
        time.sleep(0.2)
    assert not path.exists()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def command_lines() -> list[str]:
    """The command lines of all processes; one that ends meanwhile has none any more."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text())
    return found
