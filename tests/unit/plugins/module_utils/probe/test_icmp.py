# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import icmp
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.icmp import IcmpError
from hypothesis import given
from hypothesis import strategies as st

octet = st.integers(0, 255)


def extended(origin: int, kind: int, code: int, offender: bytes) -> bytes:
    return struct.pack("=IBBBBII", 113, origin, kind, code, 0, 0, 0) + offender


@given(octet, octet, st.ip_addresses(v=4))
def test_error_of_ipv4_is_read_with_its_sender(kind: int, code: int, device) -> None:
    offender = struct.pack("=HH", socket.AF_INET, 0) + device.packed + bytes(8)
    assert icmp.parse(extended(2, kind, code, offender)) == IcmpError(4, kind, code, str(device))


@given(octet, octet, st.ip_addresses(v=6))
def test_error_of_ipv6_is_read_with_its_sender(kind: int, code: int, device) -> None:
    offender = struct.pack("=HHI", socket.AF_INET6, 0, 0) + device.packed + bytes(4)
    found = icmp.parse(extended(3, kind, code, offender))
    assert found is not None
    assert socket.inet_pton(socket.AF_INET6, found.device) == device.packed
    assert found[:3] == (6, kind, code)


@given(st.binary(max_size=64))
def test_no_octets_break_the_reader(data: bytes) -> None:
    icmp.parse(data)


def test_error_of_the_host_itself_is_no_icmp() -> None:
    assert icmp.parse(extended(1, 0, 0, bytes(16))) is None


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ((4, 3, 13), "rejected"),
        ((4, 3, 3), "rejected"),
        ((4, 3, 9), "rejected"),
        ((4, 3, 1), "no_route"),
        ((4, 3, 0), "no_route"),
        ((4, 11, 0), "no_route"),
        ((6, 1, 1), "rejected"),
        ((6, 1, 4), "rejected"),
        ((6, 1, 5), "rejected"),
        ((6, 1, 0), "no_route"),
        ((6, 1, 3), "no_route"),
        ((6, 3, 0), "no_route"),
    ],
)
def test_what_an_error_means(error: tuple[int, int, int], outcome: str) -> None:
    said = icmp.meaning(IcmpError(*error, "192.0.2.1"))
    assert said is not None
    assert said.outcome == outcome


@pytest.mark.parametrize("error", [(4, 3, 4), (6, 2, 0), (4, 4, 0), (4, 1, 1), (6, 11, 0)])
def test_errors_that_end_no_attempt(error: tuple[int, int, int]) -> None:
    assert icmp.meaning(IcmpError(*error, "192.0.2.1")) is None
