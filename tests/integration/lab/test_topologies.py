# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is pinned to the shipped topology: other shapes rise, and labs with the same addresses stand side by side."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from conftest import LabUnderTest

CHECKOUT = Path(__file__).resolve().parents[3]

TWO_ROUTERS = """
domain: example.test
segments:
  a: {ipv4: 10.9.1.0/24, ipv6: "fd09:1::/64", router: r1}
  wan: {ipv4: 10.9.2.0/30}
  b: {ipv4: 10.9.3.0/24, router: r2}
  six: {ipv6: "fd09:6::/64", router: r1}
controller:
  interfaces: {a: [10.9.1.10, "fd09:1::10"]}
hosts:
  r1:
    forwarding: true
    interfaces: {a: [10.9.1.1, "fd09:1::1"], wan: [10.9.2.1], six: ["fd09:6::1"]}
    routes: [{to: 10.9.3.0/24, via: r2}]
  r2:
    forwarding: true
    interfaces: {wan: [10.9.2.2], b: [10.9.3.1]}
    routes: [{to: 10.9.1.0/24, via: r1}]
  far: {groups: [ends], interfaces: {b: [10.9.3.7, 10.9.3.8]}}
  near: {groups: [ends], interfaces: {a: [10.9.1.7, "fd09:1::7"]}}
  only6: {groups: [ends], interfaces: {six: ["fd09:6::7"]}}
"""


def topology_file(folder: Path, text: str) -> Path:
    """*text* as a topology, with the base tree of the shipped one, so that none is built for the test."""
    document = yaml.safe_load(text)
    document["base"] = yaml.safe_load((CHECKOUT / "lab/topology.yml").read_text())["base"]
    path = folder / "topology.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def test_two_routers_and_a_host_without_ipv4(lab: LabUnderTest, tmp_path: Path) -> None:
    path = topology_file(tmp_path, TWO_ROUTERS)
    lab.up("--topology", str(path))
    assert lab.ansible("all", "ansible.builtin.ping").count("SUCCESS") == 5
    route = lab.run("ssh", "near", "--", "ping", "-c1", "-W2", "-R", "far")
    assert "10.9.3.7" in route
    lab.run("ssh", "near", "--", "ping", "-c1", "-W2", "10.9.3.8")
    lab.run("ssh", "near", "--", "ping", "-6", "-c1", "-W2", "only6")
    path.write_text(path.read_text().replace("10.9.3.8", "10.9.3.9"))
    assert "stands with another topology" in lab.run("up", "--topology", str(path), "--inventory", "/none", status=1)


def test_two_labs_with_the_same_addresses_do_not_meet(
    standing: LabUnderTest, tmp_path: Path, called: Callable[[str, Path], AbstractContextManager[LabUnderTest]]
) -> None:
    with called(f"{standing.name}-x", tmp_path) as second:
        second.up()
        for lab in (standing, second):
            lab.ansible("vault1", "ansible.builtin.command", f"touch /root/{lab.name}")
        assert second.run("ssh", "vault1", "--", "ls", "/root").split() == [second.name]
        assert second.name not in standing.run("ssh", "vault1", "--", "ls", "/root").split()
        keys = {(lab.state / "secrets/relay").read_text() for lab in (standing, second)}
        assert len(keys) == 2
    # The first lab's name begins the second's, and it is none the worse for the second's end.
    assert standing.ansible("all", "ansible.builtin.ping").count("SUCCESS") == 9
    assert os.path.ismount(standing.state)
