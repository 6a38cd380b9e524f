# SPDX-License-Identifier: GPL-3.0-or-later
"""On loopback: what the kernel answers there is the real thing."""

from __future__ import annotations

import errno
import resource
import socket
import time

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.connector import Connector, Schedule
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.loop import Loop, descriptor_budget
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.matrix import Settings, probe
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Endpoint, Target
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.names import numeric, resolve
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.tls import Trust, TrustError


@pytest.mark.parametrize(("window", "rest"), [(0.6, 0.3), (1.0, 0.5), (1.05, 0.5), (1.5, 0.95), (4.0, 3.45)])
def test_schedule_leaves_the_last_syn_time_for_its_answer(window: float, rest: float) -> None:
    schedule = Schedule(6, window)
    assert schedule.rest == pytest.approx(rest)
    assert schedule.interval * 5 + schedule.rest == pytest.approx(window)


def test_backlog_that_is_full_is_silence() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        filler = [socket.socket() for _ in range(4)]
        for sock in filler:
            sock.setblocking(False)
            sock.connect_ex(address)
        found = []
        loop = Loop()
        Connector(loop, Endpoint(socket.AF_INET, address), Schedule(3, 0.6), lambda *said: found.append(said)).start()
        loop.run()
        loop.close()
        for sock in filler:
            sock.close()
    ((finding, sock),) = found
    assert (finding.outcome, sock) == ("filtered", None)


def test_nothing_stays_open(tmp_path) -> None:
    def descriptors() -> int:
        return len(list((tmp_path / "fd").resolve().iterdir()))

    (tmp_path / "fd").symlink_to("/proc/self/fd")
    before = descriptors()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        port = server.getsockname()[1]
        probe([Target("127.0.0.1", port, "blocked"), Target("::1", 1, "blocked")], Settings())
    assert descriptors() == before


def test_budget_follows_the_hard_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        budget = descriptor_budget()
        assert 8 <= budget <= 8192
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= soft
        assert hard == resource.RLIM_INFINITY or budget <= hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "fd00::1", "fe80::1%lo"])
def test_addresses(text: str) -> None:
    found = numeric(text, 25)
    assert found is not None
    assert found[1][1] == 25


@pytest.mark.parametrize("text", ["mx.test", "10.0.0", "1", "0x7f.1", ""])
def test_no_addresses(text: str) -> None:
    assert numeric(text, 25) is None


def test_system_that_fails_under_the_resolver_is_an_error_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise OSError(errno.ENFILE, "Too many open files in system")

    monkeypatch.setattr(socket, "getaddrinfo", exhausted)
    began = time.monotonic()
    found = resolve([f"host{number}.test" for number in range(40)], 5.0)
    assert time.monotonic() - began < 4.0
    assert {resolved.error.partition(": ")[2] for resolved in found.values()} == {"Too many open files in system"}


@pytest.mark.parametrize("trust", [Trust(pem="no certificate"), Trust(pem=""), Trust(file="/nonexistent/ca.pem")])
def test_unusable_authorities_are_refused_before_anything_is_probed(trust: Trust) -> None:
    with pytest.raises(TrustError, match=r"ca_(pem|file).*PEM"):
        probe([Target("127.0.0.1", 1)], Settings(trust=trust))
