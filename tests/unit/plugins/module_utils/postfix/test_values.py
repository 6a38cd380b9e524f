# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix import maincf, values
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.values import ValueRefused
from hypothesis import given
from hypothesis import strategies as st

CHECKS = {
    "address": values.address,
    "domain": values.domain,
    "mailbox": values.mailbox,
    "account": values.account,
    "sender_pattern": values.sender_pattern,
    "seconds": values.seconds,
    "fingerprint": values.fingerprint,
}
GOOD = {
    "address": "10.77.30.11",
    "domain": "tunnel1.corp.test",
    "mailbox": "soc@corp.test",
    "account": "root",
    "sender_pattern": "@corp.test",
    "seconds": "5m",
    "fingerprint": ":".join(["AB"] * 32),
}
HOSTILE = [
    "\n",
    "\r",
    "\x00",
    " ",
    "\t",
    "$",
    "\u2028",
    "\x85",
    ",",
    '"',
    "{",
    "}",
    "|",
    "#",
    ":/x",
    "\n relayhost = [198.51.100.1]",
]
# What separates, continues or expands in main.cf, and what ends a line in any reader of it.
MEANINGFUL = set(" \t\r\n\x0b\x0c\x00$,\x85\u2028\u2029")


@pytest.mark.parametrize("name", CHECKS)
def test_accepts_the_plain_form(name):
    CHECKS[name]("option", GOOD[name])


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("place", ["before", "inside", "after"])
def test_refuses_hostile_characters(name, hostile, place):
    good = GOOD[name]
    text = {"before": hostile + good, "inside": good[:3] + hostile + good[3:], "after": good + hostile}[place]
    with pytest.raises(ValueRefused, match="option"):
        CHECKS[name]("option", text)


@given(text=st.text(max_size=80), name=st.sampled_from(sorted(CHECKS)))
def test_what_is_accepted_has_no_meaning_to_postfix(text, name):
    try:
        CHECKS[name]("option", text)
    except ValueRefused:
        return
    assert not MEANINGFUL & set(text)


@given(st.text(max_size=60))
def test_a_literal_comes_back_from_main_cf_as_one_value(text):
    try:
        escaped = values.literal("option", text)
    except ValueRefused:
        assert values.has_control(text) or text != text.strip()
        return
    read_back = maincf.parse(f"name = {escaped}\nnext = 1\n")
    assert read_back == {"name": escaped, "next": "1"}
    assert escaped.replace("$$", "$") == text
    assert "$" not in escaped.replace("$$", "")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("FD77:30:0::11", "fd77:30::11"), ("2001:db8::1", "2001:db8::1"), ("192.0.2.1", "192.0.2.1")],
)
def test_addresses_are_canonical(text, canonical):
    assert values.address("option", text) == canonical


@pytest.mark.parametrize("text", ["mx.corp.test", "fe80::1%eth0", "10.0.0.0/8", "010.1.1.1", "", "[::1]"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueRefused):
        values.address("option", text)


@pytest.mark.parametrize("secret", ["a\nb", "a\x00b", "tail ", "", "a\u2028b"])
def test_a_refused_password_is_not_repeated(secret):
    with pytest.raises(ValueRefused) as caught:
        values.password("password", secret)
    assert not secret.strip() or secret not in str(caught.value)


@pytest.mark.parametrize("secret", ["pa ss", " lead", "$x", "a=b:c", "#hash", "ünï", '"quoted"', "{x}"])
def test_awkward_passwords_are_taken(secret):
    assert values.password("password", secret) == secret


def test_certificates_keep_only_certificates(ca):
    text = f"subject: somebody\n{ca}\ntrailing words\n{ca}"
    assert values.certificates("ca", text) == ca * 2


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "hello"])
def test_text_without_a_readable_certificate_is_refused(text):
    with pytest.raises(ValueRefused, match="ca"):
        values.certificates("ca", text)


def test_a_private_key_beside_the_certificate_is_refused(ca, private_key):
    with pytest.raises(ValueRefused, match="private key"):
        values.certificates("ca", ca + private_key)
