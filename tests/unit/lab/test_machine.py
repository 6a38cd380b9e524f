# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of the machine: mounts, control groups, tools, folders, and the command line."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alertpath_lab import cli, nspawn, preflight
from alertpath_lab.cgroup import Group, Hierarchies, find_hierarchies
from alertpath_lab.errors import LabError
from alertpath_lab.layout import cache_folder, layout
from alertpath_lab.network import Step
from alertpath_lab.parse import parse_topology
from alertpath_lab.system import mounts_below, remove_tree, run, run_steps, write_file
from alertpath_lab.yaml_source import load

HYBRID = """\
24 1 0:6 / /dev rw - devtmpfs devtmpfs rw
30 29 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
31 29 0:28 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,name=systemd
32 29 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
PURE = "32 29 0:29 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
NESTED = """\
40 1 0:40 / /run/alertpath-lab/a rw - tmpfs t rw
41 40 0:41 / /run/alertpath-lab/a/hosts/x/root rw - overlay o rw
42 1 0:40 / /run/alertpath-lab/ab rw - tmpfs t rw
43 1 0:40 / /run/alertpath-lab/a/odd\\040name rw - tmpfs t rw
"""


def test_control_groups_on_hybrid_and_on_pure_machines() -> None:
    assert find_hierarchies(HYBRID) == Hierarchies(Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"))
    assert find_hierarchies(PURE) == Hierarchies(Path("/sys/fs/cgroup"), None)


def test_without_control_groups_v2_the_error_says_how_to_mount_them() -> None:
    with pytest.raises(LabError, match="mount -t cgroup2"):
        find_hierarchies(HYBRID.replace("cgroup2", "cgroup"))


def test_groups_of_labs_and_hosts_stay_apart() -> None:
    trees = Hierarchies(Path("/u"), Path("/s"))
    lab = Group.of_lab(trees, "a")
    assert lab.host("keepers").folders == (
        Path("/u/alertpath-lab/a/host-keepers"),
        Path("/s/alertpath-lab/a/host-keepers"),
    )
    assert lab.child("keepers").folders[0] == Path("/u/alertpath-lab/a/keepers")


def test_mounts_are_listed_inner_first_and_only_of_this_lab() -> None:
    assert mounts_below(Path("/run/alertpath-lab/a"), NESTED) == [
        Path("/run/alertpath-lab/a/odd name"),
        Path("/run/alertpath-lab/a/hosts/x/root"),
        Path("/run/alertpath-lab/a"),
    ]


def test_a_mounted_folder_is_never_deleted() -> None:
    with pytest.raises(LabError, match="still mounted"):
        remove_tree(Path("/proc"))


def test_a_failing_command_is_named_with_its_complaint() -> None:
    with pytest.raises(LabError, match=r"`ls /nonexistent` left with 2: .*No such file"):
        run(("ls", "/nonexistent"))
    with pytest.raises(LabError, match="cannot be run"):
        run(("/nonexistent/tool",))


def test_a_step_may_have_nothing_to_do() -> None:
    run_steps([Step(("ls", "/nonexistent"), ignore="No such file")])
    with pytest.raises(LabError):
        run_steps([Step(("ls", "/nonexistent"), ignore="something else")])


def test_files_have_their_mode_and_leave_no_other_behind(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    write_file(target, "a", 0o600)
    write_file(target, "b", 0o600)
    assert target.read_text() == "b"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_missing_tools_are_named_with_the_packages_to_install() -> None:
    present = set(preflight.RUN_TOOLS) - {"systemd-nspawn", "nsenter", "unshare"}
    assert preflight.missing_tools(preflight.RUN_TOOLS, present) == (
        "nsenter, systemd-nspawn, unshare: not found; "
        "as root: apt-get update && apt-get install --no-install-recommends systemd-container util-linux"
    )
    assert preflight.missing_tools(preflight.RUN_TOOLS, preflight.RUN_TOOLS) is None


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"ALERTPATH_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/alertpath"),
        ({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/alertpath"),
        ({}, "/root/.cache/alertpath"),
    ],
)
def test_where_base_trees_are_kept(environment: dict[str, str], folder: str) -> None:
    assert cache_folder(environment) == Path(folder)


def test_a_cache_that_overlayfs_cannot_name_is_refused() -> None:
    with pytest.raises(LabError, match="ALERTPATH_CACHE"):
        cache_folder({"ALERTPATH_CACHE": "/a:b"})


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a" * 17, "a-", "-a", "a b", "a\n"])
def test_names_no_lab_can_have(name: str) -> None:
    with pytest.raises(LabError, match="--name"):
        layout(name)


def test_machine_names_and_control_sockets_stay_within_their_limits() -> None:
    longest = layout("a" * 16)
    assert len(longest.machine("h" * 40)) <= 64
    # ssh adds a dot and 16 characters while it makes a socket; Ansible's names have 10.
    assert len(str(longest.control_sockets / ("x" * 10))) + 17 < 104


def test_a_host_boots_in_its_own_namespace_and_root() -> None:
    topology = parse_topology(load(Path(__file__).resolve().parents[3] / "lab" / "topology.yml"), "topology.yml")
    host = topology.hosts[1]
    argv = nspawn.command(layout("abc"), host)
    assert "--network-namespace-path=/run/alertpath-lab/abc/netns/vault1" in argv
    assert "--directory=/run/alertpath-lab/abc/hosts/vault1/root" in argv
    assert "--machine=abc-vault1" in argv


def test_the_command_line_reports_a_bad_topology(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text("domain: X\nhosts: {}\n")
    assert cli.main(["up", "--topology", str(bad)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith(f"lab: {bad}: ") for line in lines)


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for command in ("up", "down", "status", "pause", "resume", "start", "stop", "exec", "ssh", "ctl", "base"):
        assert f"    {command} " in text
