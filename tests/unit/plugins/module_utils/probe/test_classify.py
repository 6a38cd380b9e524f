# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import classify
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.icmp import IcmpError
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import ANSWERED, NOT_RUN


@pytest.mark.parametrize(
    ("code", "at_once", "outcome"),
    [
        (errno.ECONNREFUSED, False, "refused"),
        (errno.ECONNREFUSED, True, "refused"),
        (errno.ETIMEDOUT, False, "filtered"),
        (errno.EACCES, False, "rejected"),
        (errno.EACCES, True, "local_error"),
        (errno.EPERM, True, "local_error"),
        (errno.ENETUNREACH, True, "no_route"),
        (errno.EHOSTUNREACH, True, "no_route"),
        (errno.EHOSTUNREACH, False, "no_route"),
        (errno.EINVAL, True, "no_route"),
        (errno.EADDRNOTAVAIL, True, "local_error"),
        (errno.EMFILE, True, "local_error"),
        (errno.EAFNOSUPPORT, True, "local_error"),
    ],
)
def test_error_numbers(code: int, at_once: bool, outcome: str) -> None:
    finding = classify.from_errno(code, at_once)
    assert finding.outcome == outcome
    assert finding.evidence.errno == errno.errorcode[code]


def test_reset_of_an_established_connection_is_no_refusal() -> None:
    finding = classify.from_errno(errno.ECONNRESET, False)
    assert (finding.outcome, finding.evidence.kind) == ("not_smtp", "reset_after_accept")


@pytest.mark.parametrize("code", sorted(set(errno.errorcode) - {errno.ECONNRESET}))
@pytest.mark.parametrize("at_once", [True, False])
def test_no_error_number_counts_as_a_connection(code: int, at_once: bool) -> None:
    assert classify.from_errno(code, at_once).outcome not in ANSWERED


@pytest.mark.parametrize("code", sorted(set(errno.errorcode) - {errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT}))
def test_what_the_host_refuses_itself_never_counts_as_blocked(code: int) -> None:
    finding = classify.from_errno(code, True)
    assert finding.outcome in NOT_RUN
    assert finding.evidence.local


def test_missing_source_is_named() -> None:
    assert "192.0.2.9" in classify.from_errno(errno.EADDRNOTAVAIL, True, "192.0.2.9").evidence.text


def test_rejecting_device_is_named() -> None:
    finding = classify.from_icmp(IcmpError(4, 3, 13, "192.0.2.1"), "192.0.2.7")
    assert finding is not None
    assert finding.outcome == "rejected"
    assert finding.evidence.text == "192.0.2.1 answered: communication administratively prohibited"
    assert finding.evidence.device == "192.0.2.1"


def test_unreachable_from_the_own_address_is_a_silent_neighbour() -> None:
    finding = classify.from_icmp(IcmpError(4, 3, 1, "192.0.2.7"), "192.0.2.7")
    assert finding is not None
    assert finding.outcome == "no_route"
    assert "ARP" in finding.evidence.text


@pytest.mark.parametrize(
    ("said", "own", "outcome", "kind"),
    [
        (IcmpError(4, 3, 1, "192.0.2.7"), "192.0.2.7", "no_route", "no_neighbour"),
        (IcmpError(4, 3, 1, "192.0.2.1"), "192.0.2.7", "no_route", "unreachable"),
        (IcmpError(6, 1, 3, "2001:db8::7"), "2001:db8::7", "no_route", "no_neighbour"),
        (IcmpError(4, 3, 0, "192.0.2.7"), "192.0.2.7", "no_route", None),
        (IcmpError(4, 3, 13, "192.0.2.7"), "192.0.2.7", "rejected", "own_rule"),
        (IcmpError(4, 3, 13, "192.0.2.1"), "192.0.2.7", "rejected", None),
    ],
)
def test_who_speaks_names_the_class(said: IcmpError, own: str, outcome: str, kind: str | None) -> None:
    finding = classify.from_icmp(said, own)
    assert finding is not None
    assert (finding.outcome, finding.evidence.kind) == (outcome, kind)


def test_packet_too_big_decides_nothing() -> None:
    assert classify.from_icmp(IcmpError(6, 2, 0, "2001:db8::1"), None) is None
