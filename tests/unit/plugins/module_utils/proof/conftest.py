# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.model import Interface, Loaded

Host = Callable[..., Loaded]
_INTERFACES = (
    Interface("lo", 1, ("127.0.0.1/8", "::1/128"), "loopback"),
    Interface("eth0", 2, ("192.0.2.10/24", "2001:db8::10/64"), "ether"),
    Interface("eth1", 3, ("198.51.100.10/24",), "ether"),
)


def _objects(chains: dict[str, Any], sets: Sequence[dict[str, Any]], family: str, table: str) -> list[dict[str, Any]]:
    place = {"family": family, "table": table}
    found: list[dict[str, Any]] = [{"metainfo": {}}, {"table": {"family": family, "name": table, "handle": 1}}]
    found += [{"map" if "map" in item else "set": {**place, **item}} for item in sets]
    handle = 10
    for name, (base, rules) in chains.items():
        found.append({"chain": {**place, "name": name, "handle": 1, **base}})
        for expr in rules:
            found.append({"rule": {**place, "chain": name, "handle": handle, "expr": expr}})
            handle += 1
    return found


@pytest.fixture(scope="session")
def host() -> Host:
    """Makes a host from chains: name → (fields of a base chain or nothing, rules as nft's expressions)."""

    def make(chains: dict[str, Any], sets: Sequence[dict[str, Any]] = (), family: str = "inet", **more: Any) -> Loaded:
        text = json.dumps({"nftables": _objects(chains, sets, family, "t")})
        return Loaded(text, **{"interfaces": _INTERFACES, **more})

    return make


@pytest.fixture(scope="session")
def hook() -> Callable[..., dict[str, Any]]:
    """Makes the fields of a base chain."""

    def make(name: str, policy: str = "accept", prio: int = 0, kind: str = "filter") -> dict[str, Any]:
        return {"type": kind, "hook": name, "prio": prio, "policy": policy}

    return make


@pytest.fixture(scope="session")
def firewalld() -> Loaded:
    """What firewalld had loaded on a host with two zones, read by gather in a namespace of its own."""
    data = json.loads((Path(__file__).parent / "loaded" / "firewalld.json").read_text())
    return Loaded(
        json.dumps(data["nft"]),
        interfaces=tuple(Interface(n, i, tuple(a), k, tuple(lower), g) for n, i, a, k, lower, g in data["interfaces"]),
        chains=data["chains"],
        routes=json.dumps(data["routes"]),
        rules=json.dumps(data["rules"]),
        forwards={int(version): on for version, on in data["forwards"].items()},
    )
