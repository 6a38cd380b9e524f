# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says and does: idempotence, check mode, the diff, drift, removal."""

from __future__ import annotations

import re
import subprocess

import pytest

from .conftest import LEFT, MID, PORTS, RIGHT, between, rule, sh

BOOT = "alertpath/firewall.nft"
UNIT = "systemd/system/alertpath-firewall.service"
DROP_IN = "systemd/system/nftables.service.d/alertpath-firewall.conf"
LINK = "systemd/system/sysinit.target.wants/alertpath-firewall.service"
MANY = [rule(f"10.1.{i % 250}.{i // 250 + 1}", "10.2.0.1", 25, f"path-{i}") for i in range(600)]
WIDE = [rule(f"10.{i}.0.0/16", "0.0.0.0/0", 25) for i in range(30)] + [
    rule("::/0", "fd00::/8", 587),
    rule("fe80::/10", "::/0", 587),
]


@pytest.fixture
def left(host):
    return host(LEFT)


@pytest.mark.parametrize("options", [{}, {"egress": MANY}, {"egress": WIDE, "ingress": MANY}, {"log": False}])
def test_a_second_run_changes_nothing_and_does_not_touch_the_table(left, options):
    assert left.apply(**options)["changed"] is True
    before = left.snapshot()
    again = left.apply(**options)
    assert (again["changed"], again["drift"]) == (False, {"live": False, "boot": False})
    assert left.snapshot() == before


def test_the_order_of_rules_does_not_matter(left):
    left.apply(egress=WIDE + MANY)
    assert left.apply(egress=MANY[::-1] + WIDE[::-1], ports=PORTS[::-1])["changed"] is False


@pytest.mark.parametrize("diff", [False, True])
def test_every_change_is_seen(left, diff):
    steps = [
        {"egress": MANY},
        {"egress": MANY[1:]},
        {"ingress": MANY[1:]},
        {"ingress": MANY[1:], "blocked": "drop"},
        {"ingress": MANY[1:], "blocked": "drop", "log_rate": "1/second"},
        {"ingress": MANY[1:], "blocked": "drop", "log_group": 3},
        {"ingress": MANY[1:], "blocked": "drop", "router": True},
        {"ingress": MANY[1:], "blocked": "drop", "router": True, "ports": [25, 2525]},
    ]
    for options in steps:
        assert left.apply(check=True, diff=diff, **options)["changed"] is True
        assert left.apply(diff=diff, **options)["changed"] is True
        assert left.apply(diff=diff, **options)["changed"] is False


def test_check_mode_touches_nothing_and_tells_what_would_change(left):
    empty = left.snapshot()
    would = left.apply(check=True, diff=True, egress=between(LEFT, RIGHT, 587))
    assert would["changed"] is True
    assert left.snapshot() == empty
    did = left.apply(diff=True, egress=between(LEFT, RIGHT, 587))
    assert did["diff"] == would["diff"]
    assert did["drift"] == would["drift"] == {"live": True, "boot": True}
    loaded = left.snapshot()
    assert left.apply(check=True)["changed"] is True
    assert left.apply(check=True, state="absent")["changed"] is True
    assert left.snapshot() == loaded
    assert left.apply(check=True, egress=between(LEFT, RIGHT, 587))["changed"] is False


def test_check_mode_finds_what_the_kernel_refuses(left):
    left.wrap(
        "nft", 'case "$*" in "-f -") sed "s/tcp dport/tcp nonsense/" | "$REAL" -f - ;; *) exec "$REAL" "$@" ;; esac'
    )
    result = left.finish(left.start(check=True, ports=PORTS))
    assert result["failed"] is True
    assert "nonsense" in result["msg"]


def test_the_diff_shows_the_rules_and_hides_the_counters(left):
    left.apply(egress=MANY)
    sh("nft", "add rule inet alertpath input counter packets 7 bytes 700 accept", netns=LEFT)
    shown = {part["before_header"]: part for part in left.apply(check=True, diff=True, egress=MANY[1:])["diff"]}
    assert set(shown) == {"table inet alertpath", "/etc/alertpath/firewall.nft"}
    live = shown["table inet alertpath"]
    gone = set(live["before"].splitlines()) - set(live["after"].splitlines())
    come = set(live["after"].splitlines()) - set(live["before"].splitlines())
    unmarked = {line.strip() for line in gone if "alertpath rules" not in line}
    assert unmarked == {'10.1.0.1 . 10.2.0.1 . 25 comment "path-0" : accept,', "counter accept"}
    assert all("alertpath rules" in line for line in come)
    assert "packets" not in live["before"] + live["after"]


@pytest.mark.parametrize(
    "edit",
    [
        "insert rule inet alertpath output tcp dport 25 accept",
        "add element inet alertpath egress4 { 10.9.9.9 . 10.9.9.8 . 25 : accept }",
        "delete element inet alertpath egress4 { 10.91.1.2 . 10.91.2.2 . 587 }",
        "flush chain inet alertpath input",
        "delete table inet alertpath",
        "add chain inet alertpath more { type filter hook input priority 5; policy drop; }",
        "add set inet alertpath extra { type ipv4_addr; }",
    ],
)
def test_an_edit_by_hand_is_drift_and_is_mended(left, edit):
    left.apply(egress=between(LEFT, RIGHT, 587))
    before = left.table()
    sh("nft", edit, netns=LEFT)
    for check in (True, False):
        result = left.apply(check=check, egress=between(LEFT, RIGHT, 587))
        assert (result["changed"], result["drift"]) == (True, {"live": True, "boot": False})
    assert left.table() == before


@pytest.mark.parametrize("what", ["content", "mode", "gone", "unit", "drop-in", "link"])
def test_boot_drift_is_told_apart_and_mended_without_touching_the_table(left, what):
    left.apply(egress=MANY)
    before = left.snapshot()
    if what == "content":
        (left.etc / BOOT).write_text("# nothing\n")
    elif what == "mode":
        (left.etc / BOOT).chmod(0o644)
    else:
        (left.etc / {"gone": BOOT, "unit": UNIT, "drop-in": DROP_IN, "link": LINK}[what]).unlink()
    for check in (True, False):
        result = left.apply(check=check, egress=MANY)
        assert (result["changed"], result["drift"]) == (True, {"live": False, "boot": True})
    assert left.snapshot() == before
    assert (left.etc / BOOT).stat().st_mode & 0o777 == 0o600


def test_what_boots_is_what_is_loaded(left):
    left.apply(egress=MANY, ingress=WIDE)
    before = left.table()
    sh("nft", "flush", "ruleset", netns=LEFT)
    exec_start = re.search(r"^ExecStart=(.*)$", (left.etc / UNIT).read_text(), re.MULTILINE)
    assert exec_start
    program, option, path = exec_start[1].split()
    assert path == "/etc/alertpath/firewall.nft"
    for _ in range(2):
        sh(program, option, str(left.etc / BOOT), netns=LEFT)
        assert sorted(left.table().split()) == sorted(before.split())
    assert left.apply(egress=MANY, ingress=WIDE)["changed"] is False


def test_the_unit_is_one_that_systemd_understands(left):
    left.apply()
    (left.folder / "verify").mkdir()
    unit = left.folder / "verify" / "alertpath-firewall.service"
    unit.write_text((left.etc / UNIT).read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "alertpath" in line] == []


def test_without_persist_no_file_is_touched(left):
    assert left.apply(persist=False)["changed"] is True
    assert left.apply(persist=False)["drift"] == {"live": False, "boot": False}
    assert left.snapshot()[1] == {}
    assert left.apply(persist=False, state="absent")["changed"] is True
    assert left.table() == ""


def test_absent_removes_everything_of_ours_and_nothing_else(left):
    sh("nft", "-f", "-", netns=LEFT, text="table inet other { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }")
    others = sh("nft", "--handle", "list", "ruleset", netns=LEFT)
    files = left.snapshot()[1]
    left.apply(egress=MANY)
    removed = left.apply(state="absent", diff=True)
    assert removed["changed"] is True
    assert removed["blocked"] == {d: {"packets": 0, "bytes": 0} for d in ("egress", "ingress")}
    assert sh("nft", "--handle", "list", "ruleset", netns=LEFT) == others
    assert left.snapshot()[1] == files
    again = left.apply(state="absent", diff=True)
    assert (again["changed"], again["diff"]) == (False, [])


def test_two_runs_at_once_take_turns(host):
    mid = host(MID)
    runs = [mid.start(ports=PORTS, egress=rules) for rules in (MANY, WIDE, MANY, WIDE)]
    results = [mid.finish(run) for run in runs]
    assert not any(result.get("failed") for result in results), results
    outcomes = [mid.apply(check=True, egress=rules)["drift"] for rules in (MANY, WIDE)]
    clean = {"live": False, "boot": False}
    assert outcomes.count(clean) == 1, "the last run's rules are loaded and on disk, and no mixture"


def test_warnings(host):
    mid = host(MID)
    assert any("32768" in str(text) for text in mid.apply(ports=[25, 40000])["warnings"])
    left = host(LEFT)
    sh("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0", netns=LEFT)
    said = left.apply(router=True, forward=[rule("::/0", "fd00::1", 25)])["warnings"]
    assert any("forwards no IPv6" in str(text) for text in said)


def test_wrong_rules_are_refused_all_at_once_before_anything_is_touched(left):
    message = left.refuse(
        egress=[
            {"source": "10.0.0.1", "destination": "fd00::1", "port": 25},
            {"source": "10.0.0.1/8", "destination": "10.0.0.2", "port": 26, "protocol": "udp"},
        ],
        forward=between(LEFT, RIGHT, 25),
    )
    for part in ("different IP versions", "10.0.0.0/8", "port: 26", "protocol", "not a router"):
        assert part in message
    assert left.snapshot() == ("", {})


FOREIGN = """\
table inet alertpath {
	set mine {
		type ipv4_addr
		elements = { 10.9.9.9 }
	}

	chain own {
		type filter hook input priority 5; policy accept;
		ip saddr @mine counter drop
	}
}
"""


def test_a_table_of_our_name_that_was_there_before_comes_back_when_ours_is_removed(left):
    sh("nft", "-f", "-", netns=LEFT, text=FOREIGN)
    before = left.table("--stateless")
    assert left.apply(state="absent")["changed"] is False, "it is not ours to remove"
    assert left.table("--stateless") == before
    left.apply(egress=[rule("10.0.0.1", "10.0.0.2", 25)])
    left.apply(egress=[rule("10.0.0.1", "10.0.0.2", 587)])
    assert "mine" not in left.table()
    assert left.apply(state="absent", check=True)["changed"] is True
    assert left.apply(state="absent")["changed"] is True
    assert left.table("--stateless") == before
    assert left.apply(state="absent")["changed"] is False
    assert not (left.etc / "alertpath").exists()
