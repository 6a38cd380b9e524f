# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on the disk is compared with what runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.running import Running, parse


def changed_at(path: Path, moment: float) -> str:
    path.touch()
    os.utime(path, (moment, moment))
    return str(path)


def test_times_of_systemd_become_times_of_files() -> None:
    shown = {
        "ActiveState": "active",
        "ActiveEnterTimestampMonotonic": "5000000",
        "StateChangeTimestampMonotonic": "7500000",
    }
    assert parse(shown, offset=1000.0) == Running("active", 1005.0, 1007.5)


def test_unit_that_is_not_known_does_not_run() -> None:
    assert not parse({"ActiveState": "inactive", "ActiveEnterTimestampMonotonic": ""}, 1000.0).alive


@pytest.mark.parametrize(("moment", "needed"), [(99.0, False), (101.0, True)])
def test_restart_is_needed_when_a_file_is_newer_than_the_start(tmp_path: Path, moment: float, needed: bool) -> None:
    file = changed_at(tmp_path / "unit", moment)
    assert Running("active", 100.0, 200.0).restart_needed([file, str(tmp_path / "missing")]) is needed


@pytest.mark.parametrize(("moment", "needed"), [(150.0, False), (201.0, True)])
def test_reload_makes_up_for_changes_before_it(tmp_path: Path, moment: float, needed: bool) -> None:
    file = changed_at(tmp_path / "config", moment)
    assert Running("active", 100.0, 200.0).reload_needed([file]) is needed


def test_time_of_a_link_is_that_of_its_swap(tmp_path: Path) -> None:
    changed_at(tmp_path / "target", 50.0)
    link = tmp_path / "current"
    link.symlink_to("target")
    os.utime(link, (150.0, 150.0), follow_symlinks=False)
    assert Running("active", 100.0, 100.0).restart_needed([str(link)])


def test_service_that_tries_in_vain_is_restarted_and_one_that_is_stopped_is_not(tmp_path: Path) -> None:
    file = changed_at(tmp_path / "unit", 101.0)
    assert Running("activating", 0.0, 0.0).restart_needed([])
    assert not Running("inactive", 100.0, 100.0).restart_needed([file])
    assert not Running("failed", 100.0, 100.0).reload_needed([file])
