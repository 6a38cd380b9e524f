# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ancestor is the login session: the process whose age tells whether a new connection could be made."""

from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall.session import Process, current, judge

SHELL = Process("sh", "/bin/sh -c python3", 90.0)
PYTHON = Process("python3", "python3", 91.0)
SUDO = Process("sudo", "sudo -n sh", 90.5)
INIT = Process("systemd", "/sbin/init", 0.0)
LISTENER = Process("sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 1.0)
PLAIN_LISTENER = Process("sshd", "/usr/sbin/sshd -D", 1.0)


@pytest.mark.parametrize(
    "above",
    [
        [Process("sshd", "sshd: root@notty", 50.0), LISTENER],
        [Process("sshd", "sshd: admin@notty", 50.5), Process("sshd", "sshd: admin [priv]", 50.0), LISTENER],
        [Process("sshd", "sshd: root@notty", 50.0), PLAIN_LISTENER],
        [Process("sshd-session", "sshd-session: root@notty", 50.0), LISTENER],
        [Process("sshd", "sshd: root@notty", 50.0)],
        [Process("dropbear", "dropbear -F -E", 50.0), Process("dropbear", "dropbear -F -E", 1.0)],
        [Process("dropbear", "dropbear -i", 50.0)],
    ],
    ids=["root", "privileges-apart", "old", "9.8", "socket-activated", "dropbear", "dropbear-inetd"],
)
def test_the_session_is_the_topmost_daemon_that_does_not_listen(above):
    assert judge([PYTHON, SHELL, SUDO, *above, INIT], remote=True) == ("ssh", 50.0)


def test_a_listener_alone_tells_nothing():
    assert judge([SHELL, LISTENER, INIT], remote=True).over == "unknown"


def test_without_a_daemon_it_depends_on_how_the_controller_came():
    assert judge([SHELL, INIT], remote=True).over == "unknown"
    assert judge([SHELL, INIT], remote=False).over == "local"


def test_the_processes_above_this_one_can_be_read():
    assert current(remote=False).over in ("local", "ssh")
