# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with one address family, without a gateway, and names with several addresses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .network import Network, sh

LISTEN = Path(__file__).parents[1] / "locate" / "listen.py"
OPEN = {"expect": "allowed", "depth": "connect"}


@pytest.fixture
def network() -> Iterator[Network]:
    """A network of its own for each test, which takes it apart. The server and the router listen on ports 22 and 25."""
    made = Network(f"apprbt{os.getpid()}")
    try:
        made.up()
        for part in ("server", "router"):
            made.start_in(part, sys.executable, str(LISTEN), "22", "25", says=b"listening")
        made.probe([{"destination": address, "port": 1} for address in made.server.values()], depth="connect")
        yield made
    finally:
        made.down()


def told(row: dict[str, Any]) -> tuple[str, str]:
    return row["outcome"], row["verdict"]


def both(network: Network, port: int, **more: Any) -> list[dict[str, Any]]:
    return [{"destination": network.server[version], "port": port, **more} for version in (4, 6)]


def test_host_without_ipv4(network: Network) -> None:
    network.ip(network.names["client"], "address", "flush", "dev", "eth0", "scope", "global", "to", "10.0.0.0/8")
    targets = [*both(network, 25, **OPEN), *both(network, 587, expect="blocked")]
    four, six, four_blocked, six_blocked = network.probe(targets)["rows"]
    assert (told(six), told(six_blocked)) == (("open", "pass"), ("refused", "pass"))
    assert {told(four), told(four_blocked)} == {("no_route", "error")}
    assert "no route" in four["reason"]


def test_host_without_ipv6(network: Network) -> None:
    sh("ip", "netns", "exec", network.names["client"], "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    targets = [*both(network, 25, **OPEN), *both(network, 587, expect="blocked")]
    four, six, four_blocked, six_blocked = network.probe(targets)["rows"]
    assert (told(four), told(four_blocked)) == (("open", "pass"), ("refused", "pass"))
    for row in (six, six_blocked):
        assert row["outcome"] in {"no_route", "local_error"}
        assert row["verdict"] == "error"
        assert "has no" in row["reason"]


def test_host_without_a_gateway_sees_its_link_and_nothing_else(network: Network) -> None:
    for net in ("10.91.2.0/24", "fd91:2::/64"):
        network.route("client", "del", net)
    near = [
        {"destination": address, "port": port, "expect": "blocked"}
        for address in network.router.values()
        for port in (587,)
    ]
    rows = network.probe([*near, *both(network, 25, expect="blocked")])["rows"]
    assert [told(row) for row in rows[:2]] == [("refused", "pass")] * 2
    assert {told(row) for row in rows[2:]} == {("no_route", "error")}


def test_link_local_address_with_its_interface(network: Network) -> None:
    shown = network.ip(network.names["router"], "-6", "-o", "address", "show", "dev", "r1", "scope", "link")
    address = shown.split("inet6 ")[1].split("/")[0]
    targets = [
        {"destination": f"{address}%eth0", "port": 25, **OPEN},
        {"destination": f"{address}%eth0", "port": 587, "expect": "blocked"},
    ]
    first, second = network.probe(targets)["rows"]
    assert (told(first), told(second)) == (("open", "pass"), ("refused", "pass"))
    assert second["control"] == "destination"


def with_names(folder: Path, *lines: str) -> list[str]:
    """Start a program for which these lines are all of /etc/hosts."""
    file = folder / "hosts"
    file.write_text("\n".join(lines) + "\n")
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {file} /etc/hosts; exec "$@"', "sh"]


def test_each_address_of_a_name_is_a_row_with_a_verdict_of_its_own(network: Network, tmp_path: Path) -> None:
    addresses = [network.server[4], network.server[6], network.absent[4]]
    wrap = with_names(tmp_path, *(f"{address} mx.corp.test" for address in addresses))
    targets = [
        {"destination": "mx.corp.test", "port": 25, **OPEN},
        {"destination": "mx.corp.test", "port": 587, "expect": "blocked"},
    ]
    result = network.probe(targets, wrap=wrap)
    assert [row["destination"] for row in result["rows"]] == ["mx.corp.test"] * 6
    verdicts = {(row["expect"], row["address"]): told(row) for row in result["rows"]}
    for address in addresses[:2]:
        assert verdicts["allowed", address] == ("open", "pass")
        assert verdicts["blocked", address] == ("refused", "pass")
    assert verdicts["allowed", addresses[2]] == verdicts["blocked", addresses[2]] == ("no_route", "error")


@pytest.mark.parametrize("sink", ["0.0.0.0", "::", "127.0.0.1", "127.0.1.1", "::1"])
def test_name_that_is_led_away_is_never_blocked(network: Network, tmp_path: Path, sink: str) -> None:
    """Resolvers that keep names away, and files of hosts, answer like that: this host refuses then."""
    wrap = with_names(tmp_path, f"{sink} mx.corp.test", "127.0.0.1 localhost")
    targets = [{"destination": name, "port": 25, "expect": "blocked"} for name in ("mx.corp.test", "localhost")]
    row, own = network.probe(targets, wrap=wrap)["rows"]
    assert told(row) == ("name_error", "error"), row
    assert "leads to" in row["reason"]
    assert told(own) == ("refused", "pass")


def test_ipv4_address_in_the_form_of_ipv6_counts_as_ipv4(network: Network, tmp_path: Path) -> None:
    wrap = with_names(tmp_path, f"::ffff:{network.server[4]} mx.corp.test")
    result = network.probe([{"destination": "mx.corp.test", "port": 25, **OPEN}], wrap=wrap)
    assert [(row["address"], told(row)) for row in result["rows"]] == [(network.server[4], ("open", "pass"))]
    assert result["controls"] == {"ipv4": 1, "ipv6": 0}


def test_source_chooses_the_family_of_a_name(network: Network, tmp_path: Path) -> None:
    wrap = with_names(tmp_path, f"{network.server[4]} mx.corp.test", f"{network.server[6]} six.corp.test")
    source = network.client[4]
    targets = [
        {"destination": name, "port": 25, "source": source, **OPEN} for name in ("mx.corp.test", "six.corp.test")
    ]
    four, six = network.probe(targets, wrap=wrap)["rows"]
    assert told(four) == ("open", "pass")
    assert told(six) == ("name_error", "error")
    assert "no address of the source's family" in six["reason"]


def test_same_target_twice_is_two_rows_and_contrary_expectations_never_both_pass(network: Network) -> None:
    target = {"destination": network.server[4], "port": 25, "depth": "connect"}
    rows = network.probe([target, target, {**target, "expect": "blocked"}])["rows"]
    assert [row["verdict"] for row in rows] == ["pass", "pass", "fail"]


@pytest.mark.parametrize("files", [12, 64])
def test_hardly_any_descriptors(network: Network, files: int) -> None:
    targets = [{"destination": network.server[4], "port": 1000 + n, "expect": "blocked"} for n in range(60)]
    result = network.probe([*targets, *[{"destination": network.server[4], "port": 25, **OPEN}] * 20], files=files)
    assert result["summary"] == {"pass": 80, "fail": 0, "error": 0, "unproven": 0}
