# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that could cut the operator off: the host comes back by itself, whatever dies, and boots as it was."""

from __future__ import annotations

import time

import pytest

from .conftest import CUTS, GOOD, LAB, PLAIN, SECONDS

ID = "0123456789abcdef"
LOCKED = "chain locked_ingress"
NEW = ("-o", "ControlPath=none")


def test_good_rules_are_confirmed_and_last(target):
    status, output = target.playbook(**GOOD)
    assert status == 0, output
    assert LOCKED in target.rules()
    assert LOCKED in target.boot_file()
    assert not target.waits()
    assert "alertpath_before" not in target.rules()
    time.sleep(SECONDS + 1)
    assert LOCKED in target.rules(), "nothing takes confirmed rules back"
    assert target.reachable()
    status, output = target.playbook(**GOOD)
    assert "changed=0" in output


@pytest.mark.parametrize("blocked", ["reset", "drop"])
def test_rules_that_cut_ssh_are_taken_back_and_the_play_says_so(target, blocked):
    before, boot = target.rules(), target.boot_file()
    status, output = target.playbook(**CUTS, blocked=blocked)
    assert status == 2
    assert "the rules were not confirmed" in output
    assert "the host has the rules it had before" in output
    assert target.reachable()
    assert target.rules() == before
    assert target.boot_file() == boot


def test_without_the_guard_the_same_rules_lock_out_for_good(target):
    """What the other tests rely on: these rules do cut."""
    target.playbook(**CUTS, commit_confirm="never")
    time.sleep(SECONDS + 1)
    assert not target.reachable()


def test_check_mode_arms_nothing(target):
    before = target.rules()
    status, output = target.playbook("--check", **CUTS)
    assert status == 0, output
    assert "changed=1" in output
    assert target.rules() == before


def test_a_killed_controller_leaves_a_host_that_comes_back(target, killer):
    before, boot = target.rules(), target.boot_file()
    process = target.start(**CUTS)
    target.until("waits")
    killer(process)
    assert not target.reachable()
    target.until("reachable", SECONDS + 5)
    target.until("settled")
    assert target.rules() == before
    assert target.boot_file() == boot


@pytest.mark.parametrize("delay", [0.6, 0.9, 1.2, 1.5, 1.8])
def test_a_controller_killed_at_any_step_leaves_the_old_state_or_the_new_one(target, killer, delay):
    before, boot = target.rules(), target.boot_file()
    process = target.start(**GOOD)
    time.sleep(delay)
    killer(process)
    time.sleep(SECONDS + 1.5)
    target.until("settled")
    rules, after = target.rules(), target.boot_file()
    assert (LOCKED in rules) == (LOCKED in after), "a mix of old and new"
    if LOCKED not in rules:
        assert (rules, after) == (before, boot)
    assert target.reachable()


def test_with_every_process_killed_the_kernel_goes_back_alone(target, killer):
    before = target.rules()
    process = target.start(**CUTS)
    target.until("waits")
    killer(process)
    target.inside("systemctl", "stop", "alertpath-firewall-*.timer", "session-*.scope")
    target.inside("pkill", "-9", "-f", "rollback.sh|smtp_firewall", check=False)
    assert not target.reachable()
    target.until("reachable", SECONDS + 5)
    assert target.waits(), "no process has cleared away"
    status, output = target.playbook(**PLAIN)
    assert status == 0, output
    assert "changed=0" in output, "the rules that hold are the old ones"
    assert target.rules() == before


def test_the_timer_alone_goes_back_too(target):
    """The kernel's dead man is given an hour, as if it never came."""
    before, boot = target.rules(), target.boot_file()
    target.cut_off("begin", ID, CUTS)
    hour = "flush set inet {0} armed\nadd element inet {0} armed {{ ipv4 timeout 1h, ipv6 timeout 1h }}\n"
    text = "".join(hour.format(name) for name in ("alertpath", "alertpath_before"))
    target.inside("sh", "-c", f"nft -f - <<X\n{text}X")
    target.until("settled", SECONDS + 5)
    assert target.rules() == before
    assert target.boot_file() == boot


def test_the_old_session_cannot_confirm_but_a_new_one_can(target, tmp_path):
    shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={tmp_path}/cp", "-o", "ControlPersist=60")
    assert target.phase("begin", ID, GOOD, *shared)["transaction"]["state"] == "pending"
    refused = target.phase("confirm", ID, GOOD, *shared)
    assert refused["failed"]
    assert refused["refused"] == "session"
    assert "older than the change" in refused["msg"]
    assert target.waits()
    assert target.phase("confirm", ID, GOOD, *NEW)["transaction"]["state"] == "confirmed"
    assert not target.waits()
    assert target.phase("confirm", ID, GOOD, *NEW)["transaction"]["state"] == "confirmed", (
        "a lost answer is asked again"
    )
    target.ssh("true", "-O", "exit", "-o", f"ControlPath={tmp_path}/cp", check=False)


def test_too_late_the_wrong_id_and_other_rules_are_refused(target):
    target.phase("begin", ID, GOOD, *NEW)
    assert target.phase("confirm", "another-id", GOOD, *NEW)["refused"] == "unknown"
    assert target.phase("confirm", ID, {**GOOD, "log": False}, *NEW)["refused"] == "unknown"
    target.until("settled", SECONDS + 5)
    assert target.phase("confirm", ID, GOOD, *NEW)["refused"] == "late"
    assert target.phase("ask", ID, GOOD, *NEW)["transaction"]["state"] == "rolled-back"


def test_a_restart_inside_the_window_brings_the_old_rules(target):
    before, boot = target.rules(), target.boot_file()
    target.cut_off("begin", ID, {**CUTS, "confirm_timeout": 300})
    target.lab("stop", "--name", LAB, "--hard", "vault")
    target.lab("start", "--name", LAB, "vault")
    target.until("reachable")
    assert target.rules() == before
    assert target.boot_file() == boot
    assert target.phase("confirm", ID, CUTS, *NEW)["refused"] == "unknown"


def test_two_plays_at_once_one_waits_or_says_clearly_why_not(target):
    target.phase("begin", ID, {**GOOD, "confirm_timeout": 15}, *NEW)
    status, output = target.playbook(**PLAIN, log=False, lock_timeout=1)
    assert status == 2
    assert f"id {ID}" in output
    assert "nothing was changed" in output
    status, output = target.playbook(**PLAIN, log=False, lock_timeout=30)
    assert status == 0, output
    assert LOCKED not in target.rules()
    assert target.phase("ask", ID, GOOD, *NEW)["transaction"]["state"] == "rolled-back"


def test_rules_for_smtp_alone_can_be_confirmed_too(target):
    status, output = target.playbook(**PLAIN, log=False, commit_confirm="always", confirm_timeout=SECONDS)
    assert status == 0, output
    assert "changed=1" in output
    assert not target.waits()
    assert "log prefix" not in target.boot_file()


def test_a_way_back_that_would_fail_is_found_before_anything_is_changed(target):
    """The timer's context differs from the session's: there, nft does not work."""
    before = target.rules()
    real = target.inside("sh", "-c", "command -v nft").strip()
    script = f'#!/bin/sh\\ngrep -q run- /proc/self/cgroup && exit 3\\nexec {real}.real "$@"\\n'
    wrap = f"mv {real} {real}.real && printf '{script}' >{real} && chmod 755 {real}"
    target.inside("sh", "-c", wrap)
    try:
        result = target.phase("begin", ID, CUTS, *NEW)
    finally:
        target.inside("sh", "-c", f"mv {real}.real {real}")
    assert "the way back cannot be gone" in result["msg"]
    assert "nothing was changed" in result["msg"]
    assert target.rules() == before
    assert not target.waits()


def test_a_confirmation_that_cannot_be_kept_takes_everything_back_at_once(target):
    """The boot file cannot be written: its folder is full."""
    before, boot = target.rules(), target.boot_file()
    fill = "mount -t tmpfs -o size=64k none /etc/alertpath && head -c 1M /dev/zero >/etc/alertpath/full"
    target.inside("sh", "-c", f"{fill} || true")
    try:
        status, output = target.playbook(**{**GOOD, "confirm_timeout": 60})
        rules = target.rules()
    finally:
        target.inside("umount", "/etc/alertpath")
    assert status == 2
    assert "No space left" in output
    assert "the host has the rules it had before" in output
    assert rules == before
    assert target.boot_file() == boot
    assert target.inside("sh", "-c", "systemctl list-timers --all | grep -c alertpath-firewall || true").strip() == "0"
