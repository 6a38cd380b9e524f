# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from ansible.errors import AnsibleFilterError

Network = IPv4Network | IPv6Network


def networks_without(networks: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return addresses and networks that cover *networks* but for *others*, as few as it takes."""
    try:
        left, taken = [ip_network(text) for text in networks], [ip_network(text) for text in others]
    except (TypeError, ValueError) as error:
        raise AnsibleFilterError(f"networks_without: {error}; give lists of addresses and networks") from error
    for other in taken:
        left = [part for network in left for part in _without(network, other)]
    whole: list[Network] = [
        *collapse_addresses(network for network in left if isinstance(network, IPv4Network)),
        *collapse_addresses(network for network in left if isinstance(network, IPv6Network)),
    ]
    return [str(network.network_address if network.num_addresses == 1 else network) for network in whole]


def _without(network: Network, other: Network) -> Iterable[Network]:
    if network.version != other.version or not network.overlaps(other):
        return [network]
    if network.prefixlen >= other.prefixlen:
        return []
    return network.address_exclude(other)  # type: ignore[arg-type]  # of one version, as was seen above


class FilterModule:
    """The filter networks_without."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"networks_without": networks_without}
