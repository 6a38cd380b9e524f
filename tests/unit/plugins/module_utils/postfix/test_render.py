# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.managed_file import MARK
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix import maincf, render
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.model import Credentials, Installation, NextHop

PRINT = ":".join(["AB"] * 32)


@pytest.fixture
def settings(installation):
    def of(satellite, slot="a", installed=installation):
        return maincf.parse(render.main_cf(satellite, installed, slot).decode())

    return of


def test_a_null_client_takes_and_delivers_nothing(make, settings):
    found = settings(make())
    assert found["inet_interfaces"] == "loopback-only"
    for name in ("mydestination", "relay_domains", "virtual_mailbox_domains", "virtual_alias_domains", "alias_maps"):
        assert found[name] == ""
    assert found["local_transport"].startswith("error:")
    assert found["relayhost"] == "[10.77.30.11]:587"
    assert found["smtp_dns_support_level"] == "disabled"


def test_next_hops_keep_their_order(make, settings):
    hops = [NextHop(address, 587, "starttls", "t.test") for address in ("10.0.0.9", "fd77:30::1", "10.0.0.1")]
    found = settings(make(next_hops=tuple(hops)))
    assert found["relayhost"] == "[10.0.0.9]:587, [fd77:30::1]:587, [10.0.0.1]:587"


def test_only_the_given_authority_is_trusted(make, settings, ca):
    satellite = make(ca="comment\n" + ca)
    found = settings(satellite)
    assert found["smtp_tls_CAfile"] == "$alertpath_maps/ca.pem"
    assert (found["smtp_tls_CApath"], found["tls_append_default_CA"]) == ("", "no")
    assert render.maps(satellite)["ca.pem"].content.decode() == ca


@pytest.mark.parametrize(
    ("tls", "encryption", "row", "level", "wrapper"),
    [
        ("verify", "starttls", "verify match=t.test servername=t.test", "verify", "no"),
        ("verify", "implicit", "verify match=t.test servername=t.test", "verify", "yes"),
        ("encrypt", "starttls", "encrypt servername=t.test", "encrypt", "no"),
        ("may", "starttls", "may", "may", "no"),
        ("verify", "none", "none", "none", "no"),
        ("fingerprint", "starttls", f"fingerprint match={PRINT} match={PRINT} servername=t.test", "fingerprint", "no"),
    ],
)
def test_the_policy_of_a_hop(make, settings, tls, encryption, row, level, wrapper):
    hop = NextHop("fd77:30::11", 587, encryption, "t.test", (PRINT, PRINT))
    satellite = make(next_hops=(hop,), tls=tls)
    assert render.maps(satellite)["tls_policy"].content.decode() == f"[fd77:30::11]:587 {row}\n"
    assert settings(satellite)["smtp_tls_security_level"] == level
    assert settings(satellite)["smtp_tls_wrappermode"] == wrapper


def test_what_is_not_in_the_policy_table_gets_the_strictest_level(make, settings, hop):
    clear = NextHop("10.0.0.1", 25, "none")
    assert settings(make(next_hops=(clear, hop)))["smtp_tls_security_level"] == "verify"


def test_the_secret_has_a_file_of_its_own_that_root_alone_reads(make, settings):
    satellite = make(credentials=Credentials("relay@corp.test", "geheim $x#"))
    files = render.maps(satellite)
    assert files["sasl_passwd"] == render.File(b"[10.77.30.11]:587 relay@corp.test:geheim $x#\n", 0o600)
    assert settings(satellite)["smtp_sasl_auth_enable"] == "yes"
    others = b"".join(file.content for name, file in files.items() if name != "sasl_passwd")
    assert b"geheim" not in others + render.main_cf(satellite, Installation((3, 7), frozenset(), {}), "a")
    assert "sasl_passwd" not in render.expected_lookups(satellite)


def test_without_credentials_there_is_no_secret(make, settings):
    assert "sasl_passwd" not in render.maps(make())
    assert settings(make())["smtp_sasl_auth_enable"] == "no"


def test_notices_to_a_local_account_take_no_next_hop(make, settings):
    satellite = make(notice_recipient="root", root_recipient="soc@corp.test")
    found = settings(satellite)
    for name in ("bounce", "2bounce", "delay", "error"):
        assert found[f"{name}_notice_recipient"] == "root@notices.localhost"
    assert "delay" in found["notify_classes"]
    assert render.maps(satellite)["transport"].content == b"notices.localhost local:\n"
    assert b"notices.localhost" not in render.maps(satellite)["virtual_alias"].content


def test_notices_to_an_address_are_mail(make, settings):
    found = settings(make(notice_recipient="noc@other.test"))
    assert found["delay_notice_recipient"] == "noc@other.test"
    assert found["transport_maps"] == ""


def test_root_in_every_spelling_reaches_the_recipient(make):
    rows = dict(render.expected_lookups(make(origin="corp.test", root_recipient="soc@corp.test"))["virtual_alias"])
    assert set(rows.values()) == {"soc@corp.test"}
    assert {"root", "root@vault1.corp.test", "root@corp.test", "root@localhost", "postmaster"} <= set(rows)


def test_hardening_that_the_release_lacks_is_left_out(make, settings):
    old = Installation((3, 5, 8), frozenset({"smtpd_peername_lookup"}), {})
    found = settings(make(), installed=old)
    assert "smtpd_forbid_bare_newline" not in found
    assert found["smtpd_peername_lookup"] == "no"
    assert found["compatibility_level"] == "2"
    assert found["smtp_tls_mandatory_protocols"] == "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"


def test_settings_of_the_package_survive(make, settings):
    kept = Installation((3, 7, 11), frozenset(), {"queue_directory": "/srv/queue"})
    assert settings(make(), installed=kept)["queue_directory"] == "/srv/queue"


def test_each_parameter_is_set_once_and_the_slot_shows_in_one_line(make, installation):
    satellite = make(credentials=Credentials("u", "p"), notice_recipient="root", root_recipient="a@b.test")
    one, two = (render.main_cf(satellite, installation, slot).decode().splitlines() for slot in "ab")
    names = [line.split(" = ")[0] for line in one if " =" in line and not line.startswith("#")]
    assert len(names) == len(set(names))
    assert [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]] == [
        ("alertpath_maps = $config_directory/alertpath/a", "alertpath_maps = $config_directory/alertpath/b")
    ]
    assert MARK in one[0]


def test_without_the_loopback_server_no_service_listens(make, settings):
    found = settings(make(loopback_smtp=False))
    assert found["master_service_disable"] == "inet"
    assert "smtpd_banner" not in found
