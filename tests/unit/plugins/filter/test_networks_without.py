# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.networks_without import networks_without
from hypothesis import given
from hypothesis import strategies as st

NETWORKS = st.lists(
    st.builds(
        lambda host, bits: str(IPv4Network((host >> bits << bits, 32 - bits))), st.integers(0, 255), st.integers(0, 8)
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    ("networks", "others", "left"),
    [
        (["192.0.2.11", "192.0.2.12"], ["192.0.2.12"], ["192.0.2.11"]),
        (["192.0.2.0/30"], ["192.0.2.1"], ["192.0.2.0", "192.0.2.2/31"]),
        (["192.0.2.1"], ["192.0.2.0/24"], []),
        (["192.0.2.0/25", "192.0.2.128/25"], [], ["192.0.2.0/24"]),
        (["2001:db8::/127", "192.0.2.1"], ["2001:db8::1", "198.51.100.0/24"], ["192.0.2.1", "2001:db8::"]),
        ([], ["0.0.0.0/0", "::/0"], []),
    ],
)
def test_what_is_left(networks: list[str], others: list[str], left: list[str]) -> None:
    assert networks_without(networks, others) == left


@given(NETWORKS, NETWORKS)
def test_an_address_is_left_when_it_was_in_and_not_taken_out(networks: list[str], others: list[str]) -> None:
    left = networks_without(networks, others)
    for number in range(256):
        address = ip_address(number)
        within = [any(address in ip_network(text) for text in texts) for texts in (networks, others, left)]
        assert within[2] == (within[0] and not within[1])


@pytest.mark.parametrize("wrong", [["x"], ["192.0.2.1/24"], [None], 7])
def test_what_is_no_network_is_told(wrong: object) -> None:
    with pytest.raises(AnsibleFilterError, match="networks_without"):
        networks_without(wrong, [])  # type: ignore[arg-type]  # wrong on purpose
