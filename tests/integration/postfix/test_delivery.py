# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the managed Postfix does with mail: verified delivery, failover, refusal of the wrong server."""

from __future__ import annotations

import uuid

import pytest


def unique() -> str:
    return f"alert-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def arrives(until):
    def message(server, subject):
        until(lambda: subject in server.mail(), what=f"arrival of {subject}")
        return next(part for part in server.mail().split("\nFrom ") if subject in part)

    return message


@pytest.mark.parametrize("which", ["v4", "v6", "implicit"])
def test_mail_reaches_a_verified_next_hop(satellite, servers, which, arrives):
    server, subject = servers[which], unique()
    satellite.module(next_hops=[server.hop()])
    satellite.send("soc@corp.test", subject)
    message = arrives(server, subject)
    assert "TLSv1.3" in message
    assert "Verified TLS connection established to" in satellite.log()


def test_the_next_server_takes_over_when_the_first_is_silent_or_wrong(satellite, servers, arrives):
    subject = unique()
    dead = servers["v4"].hop(port=2525)
    satellite.module(next_hops=[dead, servers["foreign"].hop(), servers["v6"].hop()])
    satellite.send("soc@corp.test", subject)
    arrives(servers["v6"], subject)
    assert subject not in servers["foreign"].mail()


@pytest.mark.parametrize(
    ("which", "changed", "reason"),
    [
        ("foreign", {}, "untrusted issuer"),
        ("v4", {"name": "gateway.corp.test"}, "Server certificate not verified"),
    ],
)
def test_a_server_that_cannot_be_verified_gets_no_mail(satellite, servers, which, changed, reason, until):
    subject = unique()
    satellite.module(next_hops=[servers[which].hop(**changed)])
    satellite.send("soc@corp.test", subject)
    until(lambda: reason in satellite.log(), what=lambda: f"{reason} in:\n{satellite.log()}")
    until(lambda: "Server certificate not verified" in satellite.queue(), what="the wait in the queue")
    assert subject not in servers[which].mail()


def test_a_fingerprint_stands_in_for_an_authority(satellite, servers, until, arrives):
    server, subject = servers["foreign"], unique()
    hop = server.hop(fingerprints=[":".join(["00"] * 32), server.fingerprint])
    satellite.module(next_hops=[hop], tls="fingerprint", ca=None)
    satellite.send("soc@corp.test", subject)
    arrives(server, subject)
    refused = unique()
    satellite.module(next_hops=[server.hop(fingerprints=[":".join(["00"] * 32)])], tls="fingerprint", ca=None)
    satellite.send("soc@corp.test", refused)
    until(lambda: "not verified" in satellite.queue(), what="refusal")
    assert refused not in server.mail()


def test_root_and_senders_are_rewritten(satellite, servers, arrives):
    subject = unique()
    rules = [{"from": "root", "to": "alerts@corp.test"}]
    satellite.module(next_hops=[servers["v4"].hop()], root_recipient="soc@corp.test", sender_rewriting=rules)
    satellite.send("root", subject)
    message = arrives(servers["v4"], subject)
    assert "Return-Path: <alerts@corp.test>" in message
    assert "To: soc@corp.test" in message or "for <soc@corp.test>" in message


def test_nothing_is_delivered_on_the_host_itself(satellite, servers, until):
    satellite.module(next_hops=[servers["v4"].hop(port=2525)])
    satellite.send("root@[127.0.0.1]")
    until(lambda: "this host delivers no mail" in satellite.log(), what="refusal of local delivery")


def test_a_local_notice_needs_no_next_hop(satellite, servers, until):
    retry = {"queue_run": "1s", "minimal_backoff": "1s", "maximal_backoff": "2s", "delay_warning": "1s"}
    satellite.module(next_hops=[servers["v4"].hop(port=2525)], notice_recipient="mail", retry=retry)
    satellite.send("soc@corp.test")
    until(lambda: "to=<mail@notices.localhost>, relay=local" in satellite.log(), 30, "the notice")
    assert "delivered to mailbox" in satellite.log()
