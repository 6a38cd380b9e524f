# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks what no part can see alone: names that must exist, be unique, or fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from alertpath_tunnel.config.model import Config
from alertpath_tunnel.config.problems import Problem
from alertpath_tunnel.rules import model


def check_references(config: Config, problems: list[Problem]) -> None:
    """Append a problem for each name that leads nowhere, stands twice, or contradicts another part."""
    problems.extend(_problems(config))


def _problems(config: Config) -> Iterator[Problem]:
    yield from _unique("$.tunnels", (tunnel.name for tunnel in config.tunnels))
    yield from _unique("$.upstreams", (upstream.name for upstream in config.upstreams))
    yield from _unique("$.data_elements", (element.name for element in config.data_elements))
    yield from _unique("$.services", (service.name for service in config.services))
    yield from _services(config)
    yield from _ports(config)
    yield from _status(config)
    yield from _elements(config)
    if config.limits.bytes_in_flight < config.limits.message_bytes:
        yield Problem(
            "$.limits.bytes_in_flight",
            config.limits.bytes_in_flight,
            "is less than message_bytes",
            f"use at least {config.limits.message_bytes}",
        )


def _unique(path: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(path, name, f"stands {count} times", "give each its own name")


def _services(config: Config) -> Iterator[Problem]:
    tunnels = {tunnel.name: tunnel for tunnel in config.tunnels}
    upstreams = {upstream.name: upstream for upstream in config.upstreams}
    served: Counter[str] = Counter()
    for index, service in enumerate(config.services):
        path = f"$.services[{index}]"
        for name in service.tunnels:
            if name not in tunnels:
                yield Problem(f"{path}.tunnels", name, "is no tunnel", "name one of: " + ", ".join(tunnels))
        for hostname, name in service.hostnames.items():
            upstream = upstreams.get(name)
            if upstream is None:
                at = f"{path}.hostnames.{hostname}"
                yield Problem(at, name, "is no upstream", "name one of: " + ", ".join(upstreams))
                continue
            encrypted = [t for t in service.tunnels if t in tunnels and tunnels[t].tls.mode != "none"]
            clear = upstream.tls.mode in ("none", "opportunistic")
            if clear and encrypted and not upstream.tls.accept_clear_text:
                yield Problem(
                    f"{path}.hostnames.{hostname}",
                    name,
                    f"may send in clear text what comes encrypted from {encrypted[0]}",
                    "set the upstream's tls.mode to starttls or implicit, or its tls.accept_clear_text to true",
                )
            passing = [t for t in service.tunnels if t in tunnels and tunnels[t].auth == "pass"]
            if passing and (clear or not upstream.tls.verify or upstream.auth):
                yield Problem(
                    f"{path}.hostnames.{hostname}",
                    name,
                    f"cannot be given the passwords of {passing[0]}'s clients",
                    "set the upstream's tls.mode to starttls or implicit, verify it, and remove its auth",
                )
        if service.enabled:
            served.update(set(service.tunnels))
    for name, count in served.items():
        if count > 1:
            yield Problem("$.services", name, f"is a tunnel of {count} enabled services", "keep it in one")


def _ports(config: Config) -> Iterator[Problem]:
    taken: dict[tuple[str, int], str] = {}
    for index, tunnel in enumerate(config.tunnels):
        if not config.loads(tunnel):
            continue
        for address in tunnel.addresses:
            other = next((name for spot, name in taken.items() if _meet(spot, (address, tunnel.port))), None)
            if other:
                at = f"$.tunnels[{index}].port"
                yield Problem(at, tunnel.port, f"is taken at {address} by {other}", "use another port")
            taken.setdefault((address, tunnel.port), f"tunnel {tunnel.name}")
        if tunnel.start_without_service or config.service_of(tunnel.name):
            continue
        yield Problem(
            f"$.tunnels[{index}]",
            tunnel.name,
            "has no enabled service and does not listen",
            "name it in a service, or set start_without_service",
            warning=True,
        )


def _meet(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether two sockets claim one port of one address, which a wildcard of the same family does."""
    if one[1] != other[1] or (":" in one[0]) != (":" in other[0]):
        return False
    return one[0] == other[0] or any(ip_address(address).is_unspecified for address in (one[0], other[0]))


def _status(config: Config) -> Iterator[Problem]:
    if config.status is None:
        return
    spot = (config.status.address, config.status.port)
    for tunnel in config.tunnels:
        if config.loads(tunnel) and any(_meet(spot, (address, tunnel.port)) for address in tunnel.addresses):
            yield Problem("$.status.port", config.status.port, f"is taken by tunnel {tunnel.name}", "use another port")


def _elements(config: Config) -> Iterator[Problem]:
    known = [element.name for element in config.data_elements]
    for index, service in enumerate(config.services):
        for profile in service.profiles:
            for name in _used(profile.rules):
                if name not in known:
                    yield Problem(
                        f"$.services[{index}].profiles",
                        name,
                        f"is no data element, yet profile {profile.name} uses it",
                        "name one of: " + (", ".join(known) or "none is configured"),
                    )


def _used(rules: Iterable[model.MessageRule | model.TextRule]) -> Iterator[str]:
    for rule in rules:
        if isinstance(rule, model.Transform):
            yield rule.data_element
        elif isinstance(rule, (model.ExtractMessage, model.ExtractText)):
            yield from _used(rule.rules)
