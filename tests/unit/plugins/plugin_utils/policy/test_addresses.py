# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans and indices against sets of numbers."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.addresses import (
    Block,
    Index,
    Span,
    outermost,
    parse_block,
)
from hypothesis import given
from hypothesis import strategies as st

networks = st.tuples(st.sampled_from([4, 6]), st.integers(0, 31), st.integers(0, 5)).map(
    lambda drawn: Block(
        drawn[0], drawn[1] >> drawn[2] << drawn[2], (drawn[1] >> drawn[2] << drawn[2]) + (1 << drawn[2]) - 1
    )
)
several = st.lists(networks, max_size=6)


def numbers(blocks) -> set[tuple[int, int]]:
    return {(block.version, number) for block in blocks for number in range(block.first, block.last + 1)}


@given(several, several)
def test_spans_compare_as_sets_do(one, two) -> None:
    a, b = Span(one), Span(two)
    assert numbers(a.blocks) == numbers(one)
    assert a.meets(b) == bool(numbers(one) & numbers(two))
    assert a.covers_all(b) == (numbers(two) <= numbers(one))
    assert all(a.covers(block) == (numbers([block]) <= numbers(one)) for block in two)
    assert numbers(a.of(6).blocks) == {number for number in numbers(one) if number[0] == 6}


@given(several, several)
def test_index_finds_what_the_span_covers(addresses, blocks) -> None:
    singles = [Block(version, number, number) for version, number in numbers(addresses)]
    found = list(Index(singles).inside(Span(blocks)))
    assert found == sorted(found)
    assert numbers(found) == numbers(singles) & numbers(blocks)


@given(several)
def test_outermost_keeps_every_address_once(blocks) -> None:
    found = outermost(blocks)
    assert numbers(found) == numbers(blocks)
    assert sum(block.last - block.first + 1 for block in found) == len(numbers(blocks))


@given(st.ip_addresses(), st.integers(0, 128))
def test_blocks_are_read_and_printed_as_the_standard_library_does(address, length) -> None:
    network = ipaddress.ip_network(f"{address}/{min(length, address.max_prefixlen)}", strict=False)
    if getattr(network.network_address, "ipv4_mapped", None):
        return
    block = parse_block(str(network), network=True)
    shown = str(network.network_address) if network.num_addresses == 1 else str(network)
    assert (str(block), block.prefix) == (shown, network.prefixlen)
    assert parse_block(str(network).upper(), network=True) == block


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0",
        "10.0.0.01",
        "10.0.0.1/",
        "/24",
        "10.0.0.0/-1",
        "10.0.0.0/\u0661",
        "10.0.0.0/9999999",
        "::1::",
        " ::1",
    ],
)
def test_what_is_no_address_is_refused_in_words(text) -> None:
    with pytest.raises(ValueError, match=r"^is not an IPv4 or IPv6 network$"):
        parse_block(text, network=True)
