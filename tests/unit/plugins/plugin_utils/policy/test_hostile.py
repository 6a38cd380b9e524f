# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever stands in the YAML: a plan or a refusal, never a crash, never a secret on the screen."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import PolicyError
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import BASE, HOSTS, TODAY

words = st.sampled_from(
    [
        "any",
        "vaults",
        "gateway",
        "10.0.0.1",
        "0.0.0.0/0",
        "::/0",
        "fe80::1%eth0",
        "1e9",
        "2027-06-30",
        "starttls",
        "\x00",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | words
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=4)
    | st.sampled_from([float("nan"), "\ud800", "9" * 10_000])
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | words | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(raw: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a policy."""
    inner = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    return [*([way] if way else []), *(place for key, value in inner for place in places(value, (*way, key)))]


FULL = {
    **copy.deepcopy(BASE),
    **{"ports": [25, 465, 587], "blocked": "reset", "widest": {"ipv4": 24, "ipv6": 64}, "review_overdue": "error"},
}
FULL["zones"]["vaults"]["managed"] = True
FULL["paths"][0] |= {"cleartext_reason": "none", "wide_reason": "none"}
FULL["lan_gateways"][0] |= {"ports": [25], "lan": None}


def put(raw: Any, way: tuple[Any, ...], value: Any) -> None:
    for step in way[:-1]:
        raw = raw[step]
    raw[way[-1]] = value


def outcome(raw: Any) -> str:
    """The plan or the refusal, as Ansible would print it."""
    try:
        return json.dumps(compile_policy(raw, HOSTS, TODAY).as_dict())
    except PolicyError as refused:
        assert refused.findings  # noqa: PT017 - either way is right, a crash is not
        return str(refused) + json.dumps([finding.as_dict() for finding in refused.findings])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(places(FULL)), junk), min_size=1, max_size=3))
def test_junk_anywhere_is_refused_or_compiled(changes) -> None:
    raw = copy.deepcopy(FULL)
    # From the end, so that no change takes away the way to the next.
    for way, value in sorted(changes, key=lambda change: len(change[0]), reverse=True):
        put(raw, way, value)
    assert outcome(raw).isprintable() or "\n" in outcome(raw)


@settings(deadline=None)
@given(junk)
def test_junk_as_the_whole_policy(value) -> None:
    assert outcome(value)


@pytest.mark.parametrize("way", places(FULL), ids=str)
def test_number_beyond_printing_is_refused_or_ignored(way) -> None:
    raw = copy.deepcopy(FULL)
    put(raw, way, 10**5000)
    assert outcome(raw)


def cyclic() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def laughing() -> list[Any]:
    """YAML aliases: thirty lines that stand for 10**30 values."""
    found: list[Any] = ["x"]
    for _ in range(30):
        found = [found] * 10
    return found


def deep() -> Any:
    found: Any = "x"
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize("make", [cyclic, laughing, deep])
@pytest.mark.parametrize(
    "way", [("zones", "gateway"), ("paths", 0, "reason"), ("zones", "gateway", "addresses"), ("ports",)]
)
def test_endless_yaml_is_refused_at_once(make, way) -> None:
    raw = copy.deepcopy(BASE)
    put(raw, way, make())
    assert "refused" in outcome(raw)
    if make is deep:
        unwind(raw, way)


def unwind(raw: Any, way: tuple[Any, ...]) -> None:
    """Take the nest apart by hand: freeing it whole would be deep, too."""
    for step in way:
        raw = raw[step]
    while isinstance(raw, list) and raw:
        raw = raw.pop()


SECRET = "hunter2-hunter2"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}"


@pytest.mark.parametrize(
    ("way", "value", "place"),
    [
        (("zones", "gateway", "password"), SECRET, "zones.gateway: password"),
        (("zones", "gateway", "smtp_secret"), [SECRET], "zones.gateway: smtp_secret"),
        (("paths", 0, "api_token"), SECRET, "vault-to-tunnel: api_token"),
        (("paths", 0, "owner"), {"password": SECRET}, "vault-to-tunnel.owner: password"),
        (("paths", 0, "reason"), PEM, "vault-to-tunnel: reason"),
        (("paths", 0, "reason"), f"see https://admin:{SECRET}@wiki.corp.test/", "vault-to-tunnel: reason"),
        (("sentinels", 0, "name"), PEM, "sentinels[0]: name"),
        (("private_key",), PEM, "private_key"),
    ],
)
def test_secret_in_clear_text_is_refused_and_never_shown(way, value, place) -> None:
    raw = copy.deepcopy(BASE)
    put(raw, way, value)
    said = outcome(raw)
    assert "clear text" in said
    assert place in said
    assert SECRET not in said


def test_secret_is_not_shown_by_another_error_either() -> None:
    raw = copy.deepcopy(BASE)
    raw["zones"]["gateway"]["password"] = SECRET
    raw["paths"][0] |= {"to": SECRET, "from": f"not {SECRET}"}
    said = outcome(raw)
    assert SECRET not in said
    assert "for 3 errors" in said


@pytest.mark.parametrize("key", ["secret_server", "token-ring"])
def test_zone_may_be_called_after_a_secret(key) -> None:
    raw = copy.deepcopy(BASE)
    raw["zones"][key] = {"addresses": ["10.1.1.9"], "name": "s.test"}
    assert "refused" not in outcome(raw)


def test_value_cannot_forge_a_line_of_the_message() -> None:
    raw = copy.deepcopy(BASE)
    raw["zones"]["a\n  - forged: all is well"] = {"group": "vaults"}
    raw["paths"][0]["to"] = "x\n  - forged: all is well"
    assert "\n  - forged" not in outcome(raw)
