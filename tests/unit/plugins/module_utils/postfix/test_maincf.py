# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix import maincf
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.instance import version_tuple
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.options import _shown

SERVICES = """smtp       inet  n       -       y       -       -       smtpd
10.1.1.1:submission inet n -     y       -       -       smtpd
127.0.0.1:10025 inet n   -       y       -       -       smtpd
[::1]:10026 inet n       -       y       -       -       smtpd
[2001:db8::1]:25 inet n  -       y       -       -       smtpd
smtp       unix  -       -       y       -       -       smtp
"""


def test_reads_comments_continuations_and_repeats():
    text = "# a = 1\n\nb = 2\n  , 3\n# between\n\t, 4\nc=\nb_2 = x=y\nc = last\n"
    assert maincf.parse(text) == {"b": "2 , 3 , 4", "c": "last", "b_2": "x=y"}


def test_keeps_only_what_the_package_decides():
    assert maincf.kept({"queue_directory": "/q", "relayhost": "x"}) == {"queue_directory": "/q"}


@pytest.mark.parametrize(
    ("override", "conflict"),
    [
        ("smtp/unix/smtp_tls_security_level = none", True),
        ("smtp/inet/content_filter = scan:dummy", True),
        ("cleanup/unix/always_bcc = a@b.test", True),
        ("relay/unix/syslog_name = postfix/$service_name", False),
        ("smtp/unix/syslog_name = postfix/out", False),
        ("other/unix/smtp_tls_security_level = none", False),
    ],
)
def test_overrides_that_undo_main_cf_are_found(override, conflict):
    found = maincf.master_conflicts(override + "\n", "", frozenset({"smtp_tls_security_level"}), True)
    assert bool(found) is conflict


def test_listeners_outside_loopback_are_found():
    found = maincf.master_conflicts("", SERVICES, frozenset(), True)
    assert ["10.1.1.1" in found[0], "2001:db8::1" in found[1], len(found)] == [True, True, 2]
    assert maincf.master_conflicts("", SERVICES, frozenset(), False) == []


@pytest.mark.parametrize(
    ("text", "numbers"), [("3.7.11", (3, 7, 11)), ("3.9-20240101", (3, 9)), ("3.11-RC1", (3, 11)), ("", ())]
)
def test_versions(text, numbers):
    assert version_tuple(text) == numbers


def test_a_password_in_a_foreign_main_cf_is_not_shown():
    text = b"a = 1\nsmtp_sasl_password_maps = inline:{\n  { x = u:geheim } }\nb = 2\n"
    ours = b"smtp_sasl_password_maps = texthash:$alertpath_maps/sasl_passwd\n"
    assert _shown(ours, False) == ours.decode()
    assert _shown(text, False) == "a = 1\nsmtp_sasl_password_maps = (not shown)\nb = 2\n"
