# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with hosts of a standing lab: look, pause, stop, start, run commands."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from . import kernel
from .errors import LabError
from .lab import Lab
from .raising import start_host
from .system import wait_until
from .waiting import wait_for_ssh

_SOFT_SECONDS = 30
_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "USER": "root",
}


def status_rows(lab: Lab) -> list[tuple[str, str, str]]:
    """One row per host: name, addresses, state."""
    topology = lab.standing().parsed()
    return [
        (host.name, " ".join(str(address) for address in host.addresses), lab.state(host.name))
        for host in topology.hosts
    ]


def pause(lab: Lab, host: str) -> None:
    """Freeze every process of *host*: it keeps its addresses, and its kernel still answers, but nothing in it acts."""
    lab.host(host)
    if lab.state(host) == "stopped":
        raise LabError(f"{host} does not run; start it with lab/lab start --name {lab.layout.name} {host}")
    lab.group.host(host).freeze(True)


def resume(lab: Lab, host: str) -> None:
    """Let a paused *host* go on."""
    lab.host(host)
    lab.group.host(host).freeze(False)


def start(lab: Lab, host: str) -> None:
    """Boot *host*, or wake it, and wait until it answers."""
    topology, found = lab.host(host)
    state = lab.state(host)
    if state == "paused":
        resume(lab, host)
    elif state == "stopped":
        lab.join_builders()
        start_host(lab, host)
    wait_for_ssh(lab, replace(topology, hosts=(found,)))


def stop(lab: Lab, host: str, hard: bool) -> None:
    """Shut *host* down, or with *hard* pull its plug; its addresses are gone afterwards, its files stay."""
    lab.host(host)
    group = lab.group.host(host)
    if lab.state(host) == "paused" and not hard:
        group.freeze(False)
    if not hard and group.populated():
        with contextlib.suppress(ProcessLookupError):
            os.kill(lab.nspawn(host), signal.SIGTERM)
        hard = not wait_until(lambda: not group.populated(), _SOFT_SECONDS)
    if hard:
        group.kill()
        if group.frozen():
            group.freeze(False)
    if not wait_until(lambda: not lab.keeper_runs(host), 10):
        raise LabError(f"{host}: its keeper does not end; see {lab.layout.console(host)}")


def execute(lab: Lab, host: str, argv: list[str]) -> NoReturn:
    """Become *argv*, run inside *host* as root."""
    lab.host(host)
    if lab.state(host) == "paused":
        raise LabError(f"{host} is paused; wake it with lab/lab resume --name {lab.layout.name} {host}")
    leader = lab.leader(host)
    _join_groups_of(lab, leader)
    enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
    _become([*enter, "--root", "--wd", "--", *argv], {**_ENVIRONMENT, **_terminal()})


def connect(lab: Lab, host: str, argv: list[str]) -> NoReturn:
    """Become an ssh session to *host*."""
    lab.host(host)
    _become([str(lab.layout.wrappers / "ssh"), host, *argv], dict(os.environ))


def on_controller(lab: Lab, argv: list[str]) -> NoReturn:
    """Become *argv*, run on this machine's files but with the controller's network and the lab's host names."""
    lab.standing()
    lab.group.child("controller").join()
    kernel.enter_network(lab.layout.namespace("controller"))
    kernel.private_mounts()
    kernel.bind(lab.layout.etc_hosts, Path("/etc/hosts"))
    if Path("/etc/resolv.conf").exists():
        kernel.bind(lab.layout.resolv_conf, Path("/etc/resolv.conf").resolve())
    _become(argv, dict(os.environ))


def _join_groups_of(lab: Lab, leader: int) -> None:
    """Join the groups of *leader*, so that the command is paused and ended with its host."""
    paths = {}
    for line in Path(f"/proc/{leader}/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        paths[controllers] = path.lstrip("/")
    trees = {"": lab.group.hierarchies.unified, "name=systemd": lab.group.hierarchies.named}
    for controllers, tree in trees.items():
        if tree is not None and controllers in paths:
            (tree / paths[controllers] / "cgroup.procs").write_text("0")


def _terminal() -> dict[str, str]:
    return {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}


def _become(argv: list[str], environment: dict[str, str]) -> NoReturn:
    program = shutil.which(argv[0])
    if program is None:
        raise LabError(f"{argv[0]}: not found")
    os.execve(program, argv, environment)  # noqa: S606 - an argument vector needs no shell
