# SPDX-License-Identifier: GPL-3.0-or-later
"""Same policy, same hosts, same day: same plan, byte for byte, whatever order they were written in."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import BASE, HOSTS, TODAY, make_host
from .worlds import SmallWorld, worlds


def as_bytes(plan) -> bytes:
    return json.dumps(plan.as_dict()).encode()


def shuffled(raw: Any, shuffler: random.Random) -> Any:
    """The same policy with every mapping and list in another order."""
    if isinstance(raw, dict):
        items = [(key, shuffled(value, shuffler)) for key, value in raw.items()]
        shuffler.shuffle(items)
        return dict(items)
    if isinstance(raw, list):
        return shuffler.sample([shuffled(value, shuffler) for value in raw], len(raw))
    return raw


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.randoms())
def test_order_of_the_yaml_never_shows(world: SmallWorld, shuffler: random.Random) -> None:
    hosts = shuffler.sample(world.hosts, len(world.hosts))
    again = compile_policy(shuffled(world.raw, shuffler), hosts, TODAY).as_dict()
    once = world.plan.as_dict()
    for plan in (again, once):  # a finding names its place by its position
        plan["findings"] = sorted(finding["message"] for finding in plan["findings"])
    assert json.dumps(again) == json.dumps(once)


def test_address_in_several_zones_has_one_name_whatever_the_order(compiled, policy) -> None:
    policy["zones"] |= {n: {"addresses": ["10.77.30.25"], "name": f"{n}.test"} for n in ("relay", "backup")}
    backwards = dict(reversed(policy["zones"].items()))
    assert as_bytes(compiled(policy)) == as_bytes(compiled({**policy, "zones": backwards}))


def test_lan_gateways_of_one_name_come_in_one_order(compiled, policy) -> None:
    gateway = {**policy["lan_gateways"][0], "mode": "gateway_mail_server", "lan": "lan"}
    policy["zones"] |= {n: {"addresses": ["10.77.30.99"], "name": f"{n}.test"} for n in ("relay", "backup")}
    pair = [{**gateway, "mail_server": "relay"}, {**gateway, "mail_server": "backup"}]
    plans = {as_bytes(compiled({**policy, "lan_gateways": order})) for order in (pair, pair[::-1])}
    assert len(plans) == 1


def test_sentinel_that_two_ways_open_is_probed_under_the_first(compiled, policy) -> None:
    way = {**policy["paths"][0], "from": "mailserver", "to": "any", "port": 25, "wide_reason": "it delivers"}
    policy["paths"] += [{**way, "id": "z-last"}]
    rows = compiled(policy).hosts["mailserver"]["probes"]
    allowed = [(row["path"], row["host"], row["port"]) for row in rows if row["expect"] == "allowed"]
    assert allowed == [("lan-gateway:routers:internal_mail_server", "public-mx", 25)]


def test_group_and_pinned_address_of_one_host_make_one_end(compiled, policy) -> None:
    policy["zones"]["tunnels"] |= {"addresses": ["10.77.30.11"], "name": "pinned.corp.test"}
    hops = compiled(policy).hosts["vault2"]["next_hops"]
    assert [(hop["address"], hop["name"]) for hop in hops] == [("10.77.30.11", "tunnel1.corp.test")]


def test_compiled_twice_is_the_same_to_the_byte(compiled, policy) -> None:
    assert as_bytes(compiled(policy)) == as_bytes(compiled(policy))


def test_another_process_makes_the_same_bytes() -> None:
    """Sets of text come in another order in every process."""
    code = f"""
import json, sys
sys.path[:0] = {sys.path!r}
from tests.unit.plugins.plugin_utils.policy.conftest import BASE, HOSTS, TODAY, compile_policy
print(json.dumps(compile_policy(BASE, HOSTS, TODAY).as_dict()))
"""
    root = Path(__file__).parents[5]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert outputs == {as_bytes(compile_policy(copy.deepcopy(BASE), HOSTS, TODAY)) + b"\n"}


def test_digest_changes_with_policy_and_hosts(compiled, policy) -> None:
    before = compiled(policy).digest
    moved = tuple(make_host("vault2", "10.77.20.13", groups=("vaults",)) if h.name == "vault2" else h for h in HOSTS)
    assert compiled(policy, moved).digest != before
    policy["paths"][0]["port"] = 25
    assert compiled(policy).digest != before


def test_shape_of_a_host(compiled, policy) -> None:
    plan = compiled(policy)
    assert "elsewhere" not in plan.hosts
    vault = plan.hosts["vault1"]
    assert vault["enforces"] == ["host"]
    assert plan.hosts["router"]["enforces"] == ["host", "router"]
    assert plan.hosts["client"]["enforces"] == []
    assert [(hop["address"], hop["name"], hop["encryption"]) for hop in vault["next_hops"]] == [
        ("10.77.30.11", "tunnel1.corp.test", "starttls"),
        ("fd77:30::11", "tunnel1.corp.test", "starttls"),
    ]
    assert plan.hosts["tunnel1"]["listeners"] == [
        {
            "paths": ["vault-to-tunnel"],
            "port": 587,
            "encryption": "starttls",
            "clients": ["10.77.20.11", "10.77.20.12", "fd77:20::11"],
        }
    ]
    allowed = [p for p in plan.hosts["mailserver"]["probes"] if p["expect"] == "allowed"]
    assert [(p["host"], p["port"]) for p in allowed] == [("public-mx", 25)]


def test_probes_only_for_whom_they_are_asked(compiled, policy) -> None:
    plan = compiled(policy, probes_for=["vault1"])
    assert plan.hosts["vault1"]["probes"]
    assert not plan.hosts["vault2"]["probes"]


def test_digest_knows_who_answers_for_a_path(compiled, policy) -> None:
    before = compiled(policy).digest
    policy["lan_gateways"][0]["approved_by"] = "CHG0099999"
    assert compiled(policy).digest != before


def test_mode_holds_on_the_routers_it_is_declared_for(compiled, policy) -> None:
    far = make_host("far", "10.9.0.1", groups=("far",))
    words = {key: policy["lan_gateways"][0][key] for key in ("owner", "approved_by", "reason", "review_by")}
    policy["zones"]["branch"] = {"addresses": ["10.9.0.25"], "name": "branch.corp.test"}
    policy["lan_gateways"].append(
        {"hosts": "far", "mode": "gateway_mail_server", "mail_server": "branch", "lan": "lan", **words}
    )
    plan = compiled(policy, (*HOSTS, far))
    modes = {
        name: {r["path"] for r in plan.hosts[name]["firewall"]["forward"] if r["path"].startswith("lan-gateway:")}
        for name in ("router", "far")
    }
    assert modes == {
        "router": {"lan-gateway:routers:internal_mail_server"},
        "far": {"lan-gateway:far:gateway_mail_server"},
    }


def test_router_that_is_the_mail_server_accepts_from_the_lan(compiled, policy) -> None:
    policy["zones"]["own"] = {"addresses": ["10.77.10.1"], "name": "gateway.corp.test"}
    policy["lan_gateways"][0] |= {"mode": "gateway_mail_server", "mail_server": "own", "lan": "lan"}
    firewall = compiled(policy).hosts["router"]["firewall"]
    assert firewall["ingress"] == [
        {
            "path": "lan-gateway:routers:gateway_mail_server",
            "source": "10.77.10.0/24",
            "destination": "10.77.10.1",
            "port": 25,
        }
    ]
    assert not [rule for rule in firewall["forward"] if rule["path"].startswith("lan-gateway:")]


def test_same_connection_of_two_paths_is_one_rule_of_the_first(compiled, policy) -> None:
    path = policy["paths"][0]
    policy["zones"]["one"] = {"addresses": ["10.77.30.11", "10.77.30.99"], "name": "one.corp.test"}
    policy["paths"].append({**path, "id": "a-second", "to": "one"})
    egress = compiled(policy).hosts["vault2"]["firewall"]["egress"]
    assert [(rule["path"], rule["destination"]) for rule in egress] == [
        ("a-second", "10.77.30.11"),
        ("a-second", "10.77.30.99"),
    ]


def test_network_swallows_addresses_of_its_own_zone_only(compiled, policy) -> None:
    policy["zones"]["lan"]["addresses"] = ["10.77.10.50"]
    policy["zones"]["printer"] = {"addresses": ["10.77.10.60", "10.77.99.60"]}
    words = {**policy["paths"][0], "to": "mailserver", "port": 25}
    policy["paths"] += [{**words, "id": "lan-out", "from": "lan"}, {**words, "id": "printer-out", "from": "printer"}]
    forward = compiled(policy).hosts["router"]["firewall"]["forward"]
    rules = [(r["path"], r["source"]) for r in forward if r["destination"] == "10.77.10.25"]
    assert rules == [("lan-out", "10.77.10.0/24"), ("printer-out", "10.77.10.60"), ("printer-out", "10.77.99.60")]


def test_rules_are_sorted_by_path_and_number(compiled, policy) -> None:
    policy["zones"]["gateway"]["addresses"] = ["10.77.30.9", "10.77.30.100", "9.0.0.1", "fd77:30::25"]
    egress = compiled(policy).hosts["tunnel1"]["firewall"]["egress"]
    assert [rule["destination"] for rule in egress] == ["9.0.0.1", "10.77.30.9", "10.77.30.100", "fd77:30::25"]
