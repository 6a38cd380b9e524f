# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rules against the kernel: it takes them, and lets exactly the declared connections start."""

from __future__ import annotations

import errno
import ipaddress
import itertools
import select
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import listing, model, render
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import PREFIX, inside, sh

BOX = f"{PREFIX}k"
BITS = 2  # addresses of a random network differ in this many bits
BASES = {4: ("10.92.0.0", "10.92.1.0"), 6: ("fd92::", "fd92:1::")}
WIDTH = {4: 32, 6: 128}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PORTS = (25, 587)


@pytest.fixture(scope="module")
def box() -> Iterator[str]:
    """A namespace that has every source address, and a device on which every destination is a neighbour."""
    sh("ip", "netns", "add", BOX)
    try:
        sh("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", netns=BOX)
        sh("ip", "link", "add", "out", "netns", BOX, "type", "veth", "peer", "name", "peer", "netns", BOX)
        for device in ("lo", "out", "peer"):
            sh("ip", "link", "set", device, "up", netns=BOX)
        for version in (4, 6):
            for source in addresses(version, 0):
                extra = ["nodad"] if version == 6 else []
                sh("ip", "addr", "add", f"{source}/{WIDTH[version]}", "dev", "out", *extra, netns=BOX)
            for destination in addresses(version, 1):
                sh("ip", "route", "add", destination, "dev", "out", netns=BOX)
                sh("ip", "neigh", "add", destination, "lladdr", "02:00:00:00:00:09", "dev", "out", netns=BOX)
        yield BOX
    finally:
        sh("ip", "netns", "del", BOX, check=False)


def addresses(version: int, end: int) -> list[str]:
    first = ipaddress.ip_address(BASES[version][end])
    return [str(first + number) for number in range(2**BITS)]


def networks(version: int, end: int) -> st.SearchStrategy[str]:
    """Networks round the addresses: single ones, parts of them, all of them, and everything."""
    width = WIDTH[version]

    def make(number: int, length: int) -> str:
        first = ipaddress.ip_address(BASES[version][end]) + number
        return str(ipaddress.ip_network((first, length), strict=False)).removesuffix(f"/{width}")

    return st.builds(
        make, st.integers(0, 2**BITS - 1), st.sampled_from([*range(width - BITS, width + 1), width, width // 2, 0])
    )


RULES = st.lists(
    st.sampled_from((4, 6)).flatmap(
        lambda version: st.fixed_dictionaries(
            {
                "source": networks(version, 0),
                "destination": networks(version, 1),
                "port": st.sampled_from(PORTS),
                "path": st.text(max_size=150),
            }
        )
    ),
    max_size=14,
)


def starts(version: int, source: str, destination: str, port: int, patience: float) -> bool:
    """Whether the kernel lets a connection start: our reset comes within *patience*, an answer from nobody never."""
    with socket.socket(FAMILY[version], socket.SOCK_STREAM) as client:
        client.setblocking(False)
        client.bind((source, 0))
        code = client.connect_ex((destination, port))
        if code == errno.EINPROGRESS:
            select.select([], [client], [], patience)
            code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert code in (0, errno.ECONNREFUSED), errno.errorcode[code]
        return code == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULES)
def test_exactly_the_declared_connections_start(box, rules):
    ruleset = model.from_options({"ports": PORTS, "egress": rules})
    rendered = render.render(ruleset)
    sh("nft", "-f", "-", netns=box, text=rendered.text)
    listed = sh("nft", "list", "table", "inet", "alertpath", netns=box)
    assert listing.digest(sh("nft", "list", "chains", "inet", netns=box)) == rendered.digest
    sh("nft", "-f", "-", netns=box, text=render.replacing(listed))
    again = sh("nft", "list", "table", "inet", "alertpath", netns=box)
    assert listing.canonical(listed) == listing.canonical(again), "a listing restores what was listed"
    ends = [(ipaddress.ip_network(rule["source"]), ipaddress.ip_network(rule["destination"])) for rule in rules]
    declared = [(*pair, rule["port"]) for pair, rule in zip(ends, rules, strict=True)]
    with inside(box):
        for version in (4, 6):
            for source, destination, port in itertools.product(addresses(version, 0), addresses(version, 1), PORTS):
                a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
                expected = any(a in s and b in d and port == p for s, d, p in declared if s.version == version)
                patience = 0 if expected else 1
                found = starts(version, source, destination, port, patience)
                assert found == expected, (source, destination, port)
