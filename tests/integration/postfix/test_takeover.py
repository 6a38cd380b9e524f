# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module does to the configuration directory: takeover, idempotence, refusal, restoration, giving back."""

from __future__ import annotations

import pytest


@pytest.fixture
def hops(servers):
    return [servers["v4"].hop(), servers["v6"].hop()]


def test_takeover_then_nothing_to_do_then_a_reload(satellite, hops):
    first = satellite.module(next_hops=hops)
    assert first["changed"]
    assert first["action"] == "start"
    assert first["postfix_version"].startswith("3.")
    assert first["next_hops"][1] == {"next_hop": "[fd77:30::12]:587", "tls": "verify", "name": "tunnel2.corp.test"}
    assert (satellite.config / "main.cf.before-alertpath").read_text() == satellite.original
    before = satellite.tree()
    second = satellite.module(next_hops=hops)
    assert (second["changed"], second["action"], second["files"]) == (False, "none", [])
    assert satellite.tree() == before
    third = satellite.module(next_hops=hops[:1])
    assert third["action"] == "reload"
    assert satellite.parameter("relayhost") == "[10.77.30.11]:587"
    assert len([path for path in (satellite.config / "alertpath").iterdir() if path.is_dir()]) == 1


def test_check_mode_says_the_same_and_changes_nothing(satellite, hops):
    before = satellite.tree()
    would = satellite.module("--check", "--diff", next_hops=hops)
    assert satellite.tree() == before
    assert not satellite.running()
    did = satellite.module("--diff", next_hops=hops)
    for key in ("changed", "files", "action", "next_hops"):
        assert would[key] == did[key]
    assert "+relayhost = [10.77.30.11]:587, [fd77:30::12]:587" in would["printed"]
    assert not satellite.module("--check", next_hops=hops)["changed"]


def test_drift_by_hand_is_found_and_undone(satellite, hops):
    satellite.module(next_hops=hops)
    policy = next(satellite.config.glob("alertpath/*/tls_policy"))
    policy.write_text(policy.read_text().replace("verify", "may   "))
    drift = satellite.module("--diff", next_hops=hops)
    assert drift["changed"]
    assert any(name.endswith("tls_policy") for name in drift["files"])
    text = next(satellite.config.glob("alertpath/*/tls_policy")).read_text()
    assert text.count("verify match=") == 2


def test_a_secret_is_written_for_root_alone_and_shown_nowhere(satellite, hops):
    secret = "s3cret $x #y"
    result = satellite.module("--diff", "-vvv", next_hops=hops, user="relay@corp.test", password=secret)
    path = next(satellite.config.glob("alertpath/*/sasl_passwd"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret in path.read_text()
    assert secret not in result["printed"]
    assert secret not in satellite.log()
    changed = satellite.module("--diff", next_hops=hops, user="relay@corp.test", password="another")
    assert any(name.endswith("sasl_passwd") for name in changed["files"])
    assert "another" not in changed["printed"]
    assert "s3cret" not in changed["printed"]
    assert "changed)" in changed["printed"]


def test_a_configuration_that_does_not_come_up_is_taken_back(satellite, hops):
    satellite.module(next_hops=hops)
    before = satellite.tree()
    # Something else holds the port on which the managed Postfix is about to listen.
    satellite.module(next_hops=hops, loopback_smtp=False)
    quiet = satellite.tree()
    assert quiet != before
    with occupied(satellite.namespace):
        failed = satellite.module(check=False, next_hops=hops)
    assert failed["failed"]
    assert "is in place again" in failed["msg"]
    assert satellite.tree() == quiet
    assert satellite.running()
    assert satellite.parameter("master_service_disable") == "inet"
    assert satellite.module(next_hops=hops)["changed"]


def test_a_failed_first_takeover_leaves_the_users_postfix_running(satellite, hops):
    quiet = satellite.original + "master_service_disable = inet\n"
    (satellite.config / "main.cf").write_text(quiet)
    satellite.postfix("start")
    before = satellite.tree()
    with occupied(satellite.namespace):
        failed = satellite.module(check=False, next_hops=hops)
    assert failed["failed"]
    assert satellite.tree() == before
    assert satellite.running()


def occupied(namespace):
    """Hold port 25 of loopback with a server that is not Postfix."""
    import subprocess
    from contextlib import contextmanager

    code = (
        "import socket,sys\n"
        "s=socket.create_server(('127.0.0.1',25)); print('up',flush=True)\n"
        "while True:\n c=s.accept()[0]; c.sendall(b'220 other ESMTP\\r\\n'); c.close()\n"
    )

    @contextmanager
    def held():
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace.name, "python3", "-c", code], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout.readline() == "up\n"
            yield
        finally:
            process.kill()
            process.wait()

    return held()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"hostname": "vault1\nrelayhost = [198.51.100.1]"}, "hostname"),
        ({"hostname": "$myorigin"}, "hostname"),
        ({"root_recipient": "soc@corp.test other@x.test"}, "root_recipient"),
        ({"user": "relay", "password": "a\nb"}, "password"),
        ({"ca": "/nonexistent/ca.pem"}, "no file /nonexistent/ca.pem"),
        ({"ca": None}, "ca: is missing"),
        ({"notice_recipient": "nobody-here"}, "no account nobody-here"),
        ({"sender_rewriting": [{"from": "#x@a.test", "to": "b@c.test"}]}, "sender_rewriting"),
    ],
)
def test_hostile_and_wrong_values_are_refused_before_anything_changes(satellite, hops, arguments, words):
    before = satellite.tree()
    failed = satellite.module(check=False, next_hops=hops, **arguments)
    assert failed["failed"]
    assert words in failed["msg"]
    assert satellite.tree() == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  -o smtp_tls_security_level=none", "smtp/unix overrides smtp_tls_security_level"),
        ("10.77.30.11:2526 inet n - n - - smtpd", "outside loopback"),
    ],
)
def test_a_master_cf_that_would_undo_it_is_refused(satellite, hops, line, words):
    master = satellite.config / "master.cf"
    lines = master.read_text().splitlines()
    place = next(number for number, text in enumerate(lines) if text.split()[:2] == ["smtp", "unix"])
    lines.insert(place + 1, line)
    master.write_text("\n".join(lines) + "\n")
    before = satellite.tree()
    failed = satellite.module(check=False, next_hops=hops)
    assert words in failed["msg"]
    assert satellite.tree() == before


def test_a_killed_run_is_finished_by_the_next(satellite, hops):
    satellite.module(next_hops=hops)
    applied = satellite.config / "alertpath" / "applied"
    applied.unlink()
    (satellite.config / ".alertpath-stage-left").mkdir()
    again = satellite.module(next_hops=hops)
    assert (again["changed"], again["action"]) == (True, "restart")
    assert not (satellite.config / ".alertpath-stage-left").exists()
    assert not satellite.module(next_hops=hops)["changed"]


def test_a_stopped_postfix_is_started(satellite, hops, until):
    satellite.module(next_hops=hops)
    satellite.postfix("stop")
    until(lambda: not satellite.running(), what="stop")
    assert satellite.module(next_hops=hops)["action"] == "start"
    assert satellite.running()


def test_absent_gives_the_users_configuration_back(satellite, hops):
    before = satellite.tree()
    satellite.module(next_hops=hops)
    assert satellite.module("--check", state="absent")["changed"]
    back = satellite.module(state="absent")
    assert (back["changed"], back["action"]) == (True, "restart")
    assert satellite.tree() == before
    assert satellite.running()
    assert satellite.parameter("myhostname") == "old.corp.test"
    assert not satellite.module(state="absent")["changed"]
