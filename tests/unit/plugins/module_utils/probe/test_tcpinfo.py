# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import tcpinfo
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.tcpinfo import TcpInfo
from hypothesis import given
from hypothesis import strategies as st


def octets(size: int = 256, retransmits: int = 0, **words: int) -> bytes:
    data = bytearray(size)
    data[2] = retransmits
    offsets = {"unacked": 24, "retrans": 36, "total": 100, "not_sent": 144, "window": 228}
    for name, value in words.items():
        struct.pack_into("=I", data, offsets[name], value)
    return bytes(data)


def test_fields() -> None:
    data = octets(retransmits=3, unacked=1, retrans=2, total=5, not_sent=7, window=9)
    assert tcpinfo.parse(data) == TcpInfo(3, 1, 2, 5, 7, 9)


def test_older_kernels_tell_less() -> None:
    assert tcpinfo.parse(octets(104, total=1)) == TcpInfo(0, 0, 0, 1, None, None)
    assert tcpinfo.parse(octets(104)[:60]) is None


@given(st.binary(max_size=300))
def test_any_octets_can_be_read(data: bytes) -> None:
    tcpinfo.parse(data)


@pytest.mark.parametrize(
    ("infos", "own"),
    [
        ([], False),
        ([None], False),
        ([TcpInfo(0, 1, 0, 0, 0, 0)], False),  # nothing was repeated yet
        ([TcpInfo(1, 1, 0, 0, 0, 0)], False),  # the first still waits for the neighbour
        ([TcpInfo(1, 1, 0, 1, 0, 0)], True),
        ([TcpInfo(1, 1, 0, 1, 0, 0), TcpInfo(0, 1, 0, 0, 0, 0)], True),
        ([TcpInfo(1, 1, 0, 1, 0, 0), TcpInfo(1, 1, 1, 1, 0, 0)], False),  # one did leave
        ([TcpInfo(2, 1, 1, 2, 0, 0)], False),
    ],
)
def test_host_that_swallows_what_it_sends(infos: list[TcpInfo | None], own: bool) -> None:
    assert tcpinfo.never_left(infos) is own


def test_living_connection_acknowledges() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.connect(server.getsockname())
        client.sendall(b"QUIT\r\n")
        info = tcpinfo.read(client)
        for _ in range(100):
            if info is not None and info.unacknowledged == 0:
                break
            info = tcpinfo.read(client)
        seen = tcpinfo.as_evidence(info)
        assert seen is not None
        assert seen.acknowledged
        assert seen.window
    assert tcpinfo.as_evidence(tcpinfo.read(client)) is None
