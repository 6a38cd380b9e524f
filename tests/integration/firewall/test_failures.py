# SPDX-License-Identifier: GPL-3.0-or-later
"""When a step fails or the module is killed: the old state or the new one, and a message that says which."""

from __future__ import annotations

import fcntl
import signal

import pytest

from .conftest import LEFT, PORTS, RIGHT, between, rule

OLD = between(LEFT, RIGHT, 25)
NEW = between(LEFT, RIGHT, 587)
AS_BEFORE = "are as they were before"

# Shell wrappers of the real tools. nft -f - is how rules are loaded; STATE is a folder of the test's.
REFUSES = 'case "$*" in "-f -") cat >/dev/null; echo "no memory" >&2; exit 1 ;; esac; exec "$REAL" "$@"'
LOADS_AND_FAILS_ONCE = """
[ "$*" = "-f -" ] || exec "$REAL" "$@"
"$REAL" "$@" || exit
[ -e "$STATE/failed" ] || { : >"$STATE/failed"; exit 1; }
"""
LOADS_AND_FAILS_FOR_GOOD = """
[ "$*" = "-f -" ] || exec "$REAL" "$@"
[ -e "$STATE/n" ] && { echo stuck >&2; exit 1; }
: >"$STATE/n"; "$REAL" "$@"; exit 1
"""
KILLS_BEFORE_LOAD = 'case "$*" in "-f -") kill -9 $PPID; exit 1 ;; esac; exec "$REAL" "$@"'
KILLS_AFTER_LOAD = 'case "$*" in "-f -") "$REAL" "$@"; kill -9 $PPID ;; *) exec "$REAL" "$@" ;; esac'
ENABLE_FAILS = 'case "$*" in *" enable "*) echo "disk full" >&2; exit 1 ;; esac; exec "$REAL" "$@"'
KILLS_AT_ENABLE = 'case "$*" in *" enable "*) kill -9 $PPID; exit 1 ;; esac; exec "$REAL" "$@"'


@pytest.fixture
def left(host):
    return host(LEFT)


def rules_of(state):
    """A snapshot without what a reload renews: handles and the order of a hash."""
    table, files = state
    return sorted(word for line in table.splitlines() for word in line.split(" # handle")[0].split()), files


@pytest.mark.parametrize("start", [None, OLD])
@pytest.mark.parametrize("diff", [False, True])
def test_rules_the_kernel_refuses_leave_all_as_it_was(left, start, diff):
    if start:
        left.apply(egress=start)
    before = left.snapshot()
    left.wrap("nft", REFUSES)
    result = left.finish(left.start(diff=diff, ports=PORTS, egress=NEW))
    assert "no memory" in result["msg"]
    assert left.snapshot() == before


@pytest.mark.parametrize("start", [None, OLD])
def test_a_load_that_succeeds_and_reports_failure_is_taken_back(left, start):
    if start:
        left.apply(egress=start)
    before = left.snapshot()
    left.wrap("nft", LOADS_AND_FAILS_ONCE)
    assert AS_BEFORE in left.refuse(egress=NEW)
    assert rules_of(left.snapshot()) == rules_of(before)


@pytest.mark.parametrize("tampered", [False, True])
def test_a_unit_that_cannot_be_enabled_takes_everything_back(left, tampered):
    left.apply(egress=OLD)
    (left.etc / "systemd/system/alertpath-firewall.service").unlink()
    if tampered:
        (left.etc / "alertpath/firewall.nft").write_text("# by hand\n")
    before = left.snapshot()
    left.wrap("systemctl", ENABLE_FAILS)
    message = left.refuse(egress=NEW)
    assert "disk full" in message
    assert AS_BEFORE in message
    assert rules_of(left.snapshot()) == rules_of(before)


def test_the_first_run_on_a_host_where_nothing_can_be_enabled_leaves_nothing(left):
    left.wrap("systemctl", ENABLE_FAILS)
    assert AS_BEFORE in left.refuse(egress=NEW)
    assert left.snapshot() == ("", {})


def test_what_cannot_be_put_back_is_named(left):
    left.apply(egress=OLD)
    left.wrap("nft", LOADS_AND_FAILS_FOR_GOOD)
    message = left.refuse(egress=NEW)
    assert "the table inet alertpath could not be put back" in message
    assert "stuck" in message
    assert AS_BEFORE not in message


@pytest.mark.parametrize("start", [None, OLD])
@pytest.mark.parametrize(
    ("tool", "script"), [("nft", KILLS_BEFORE_LOAD), ("nft", KILLS_AFTER_LOAD), ("systemctl", KILLS_AT_ENABLE)]
)
def test_a_killed_run_leaves_old_or_new_and_the_next_one_finishes(left, start, tool, script):
    if start:
        left.apply(egress=start)
        (left.etc / "systemd/system/sysinit.target.wants/alertpath-firewall.service").unlink()
    before = left.table()
    left.wrap(tool, script)
    killed = left.start(ports=PORTS, egress=NEW)
    killed.communicate(timeout=60)
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    left.unwrap()
    after = left.table()
    assert after == before or ("10.91.2.2 . 587" in after and "10.91.2.2 . 25" not in after)
    boot = left.etc / "alertpath/firewall.nft"
    assert not boot.exists() or boot.read_text().endswith("\t}\n}\n"), "a boot file is whole"
    assert left.apply(egress=NEW)["changed"] is True
    assert left.apply(egress=NEW)["changed"] is False
    assert [p.name for p in boot.parent.iterdir()] == ["firewall.nft"], "leftovers are cleared"


def test_a_run_that_is_locked_out_says_by_whom_and_changes_nothing(left):
    with open(left.folder / "run" / "alertpath-firewall.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        message = left.refuse(egress=NEW, lock_timeout=1)
        assert "4711" in message
        assert "nothing was changed" in message
        assert left.apply(check=True, egress=NEW)["changed"] is True, "check mode does not wait"
    assert left.snapshot() == ("", {})


@pytest.mark.parametrize(("tool", "remedy"), [("nft", "nftables"), ("systemctl", "persist"), ("unshare", "util-linux")])
def test_a_missing_tool_is_named_with_its_remedy(left, tool, remedy):
    left.hide(tool)
    result = left.finish(left.start(diff=True, ports=PORTS, egress=[rule("10.0.0.1", "10.0.0.2", 25)]))
    assert remedy in result["msg"]
    assert left.snapshot() == ("", {})


def test_no_namespace_no_guess(left):
    left.wrap("unshare", 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1')
    result = left.finish(left.start(check=True, ports=PORTS))
    assert "CAP_SYS_ADMIN" in result["msg"]
