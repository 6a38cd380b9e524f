# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.model import (
    Credentials,
    Installation,
    NextHop,
    Retry,
)
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.values import ValueRefused

PRINT = ":".join(["ab"] * 32)


def hop(address="10.77.30.12", port=587, encryption="starttls", name="tunnel2.corp.test", fingerprints=()):
    return NextHop(address, port, encryption, name, fingerprints)


REFUSED = {
    "no next hop": ({"next_hops": ()}, "next_hops: is empty"),
    "the same hop twice": ({"next_hops": (hop(), hop(name="other.test"))}, "more than once"),
    "implicit beside starttls": ({"next_hops": (hop(), hop(port=465, encryption="implicit"))}, "one switch"),
    "implicit beside none": (
        {"next_hops": (hop(encryption="none"), hop(port=465, encryption="implicit"))},
        "one switch",
    ),
    "verify without a name": ({"next_hops": (hop(name=None),)}, "has no name"),
    "verify without a CA": ({"ca": None}, "ca: is missing"),
    "fingerprint without fingerprints": ({"tls": "fingerprint"}, "no fingerprints"),
    "tls none against starttls": ({"tls": "none"}, "contradicts"),
    "may against implicit": ({"tls": "may", "next_hops": (hop(encryption="implicit"),)}, "contradicts"),
    "unknown level": ({"tls": "dane"}, "none of"),
    "password in clear text": (
        {"credentials": Credentials("u", "p"), "next_hops": (hop(encryption="none"),)},
        "clear text",
    ),
    "password under may": ({"credentials": Credentials("u", "p"), "tls": "may"}, "clear text"),
    "password to one clear hop of two": (
        {"credentials": Credentials("u", "p"), "next_hops": (hop(), hop(port=25, encryption="none"))},
        "clear text",
    ),
    "root to itself": ({"root_recipient": "root@vault1.corp.test"}, "circle"),
    "root to postmaster of the origin": ({"origin": "corp.test", "root_recipient": "Postmaster@CORP.test"}, "circle"),
    "notices to nobody": ({"notice_recipient": "no such user"}, "local account"),
    "hostname with a newline": ({"hostname": "vault1\nrelayhost = x"}, "hostname"),
    "origin with a dollar": ({"origin": "$mydomain"}, "origin"),
}


@pytest.mark.parametrize(("changed", "words"), REFUSED.values(), ids=REFUSED)
def test_refusals_name_the_option(make, changed, words):
    with pytest.raises(ValueRefused, match=words):
        make(**changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"queue_run": "5m"}, "must not decrease"),
        ({"minimal_backoff": "1h"}, "must not decrease"),
        ({"lifetime": "101d"}, "100d"),
        ({"connect_timeout": "0s"}, "longer than nothing"),
        ({"delay_warning": "soon"}, "is not a time"),
        ({"queue_run": "60"}, "is not a time"),
    ],
)
def test_retry_times_are_checked(changed, words):
    with pytest.raises(ValueRefused, match=words):
        Retry(**changed)


@pytest.mark.parametrize("encryption", ["STARTTLS", "tls", ""])
def test_unknown_encryption_is_refused(encryption):
    with pytest.raises(ValueRefused, match="encryption"):
        hop(encryption=encryption)


def test_an_ipv6_next_hop_stands_in_brackets():
    assert hop(address="FD77:30::12").key == "[fd77:30::12]:587"


def test_a_password_is_not_in_any_text_made_of_it(make):
    assert "geheim" not in repr(make(credentials=Credentials("relay", "geheim")))


def test_verify_and_a_clear_hop_may_stand_together(make):
    satellite = make(next_hops=(hop(), hop(port=25, encryption="none", name=None)))
    assert satellite.levels == {"verify", "none"}


def test_a_clear_satellite_needs_no_authority(make):
    assert make(next_hops=(hop(encryption="none"),), ca=None).levels == {"none"}


def test_fingerprints_are_upper_case():
    assert hop(fingerprints=(PRINT,)).fingerprints == (PRINT.upper(),)


def test_a_postfix_without_lists_of_relay_hosts_is_refused():
    with pytest.raises(ValueRefused, match=r"3\.5"):
        Installation((3, 4, 23), frozenset(), {})
