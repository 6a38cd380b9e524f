# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers say, and what is made of it: real sockets, real TLS, real certificates."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import NAME, World
from .network import Network

# behaviour: (encryption, outcome, verdict, a part of the evidence)
EXPECTED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "good": ("starttls", "open", "pass", {"name_verified": True, "days_left": 90, "greeting_name": NAME}),
    "other_greeting": ("starttls", "open", "pass", {"greeting_name": "another.corp.test", "name_verified": True}),
    "implicit": ("implicit", "open", "pass", {"name_verified": True, "tls_version": "TLSv1.3", "greeting_name": NAME}),
    "implicit_refuses": ("implicit", "greeting_refused", "fail", {"reply": "554 not you"}),
    "untrusted": ("starttls", "tls_failed", "fail", {"tls_error": "untrusted", "certificate_names": [NAME]}),
    "expired": ("starttls", "tls_failed", "fail", {"tls_error": "expired", "days_left": -3}),
    "expired_implicit": ("implicit", "tls_failed", "fail", {"tls_error": "expired", "days_left": -3}),
    "misnamed": ("starttls", "wrong_server", "fail", {"certificate_names": ["other.corp.test"]}),
    "plain": ("starttls", "tls_missing", "fail", {"greeting_name": NAME}),
    "bare": ("starttls", "tls_missing", "fail", {}),
    "starttls_refused": ("starttls", "tls_missing", "fail", {"reply": "454 TLS not available"}),
    "injected": ("starttls", "tls_failed", "fail", {"tls_error": "injection"}),
    "no_tls_behind": ("starttls", "tls_failed", "fail", {}),
    "refusing": ("starttls", "greeting_refused", "fail", {"reply": "554 5.7.1 not you"}),
    "busy": ("none", "greeting_refused", "fail", {"reply": "421 4.3.2 too busy"}),
    "late": ("starttls", "open", "pass", {"name_verified": True}),
    "silent": ("starttls", "banner_timeout", "fail", {}),
    "ssh": ("starttls", "not_smtp", "fail", {}),
    "pop3": ("none", "not_smtp", "fail", {}),
    "hang_up": ("none", "not_smtp", "fail", {}),
    "drip": ("none", "banner_timeout", "fail", {}),
    "flood": ("none", "not_smtp", "fail", {}),
}


@pytest.fixture(scope="module")
def rows(network: Network, world: World) -> dict[tuple[int, str], dict[str, Any]]:
    wanted = [(version, kind) for version in (4, 6) for kind in EXPECTED]
    targets = [
        {
            "destination": network.server[version],
            "port": world.ports[kind],
            "encryption": EXPECTED[kind][0],
            "name": NAME,
        }
        for version, kind in wanted
    ]
    result = network.probe(targets, ca_pem=world.ca.pem, timeout=8)
    return dict(zip(wanted, result["rows"], strict=True))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("kind", EXPECTED)
def test_what_a_server_does_is_told_apart(rows, version: int, kind: str) -> None:
    row = rows[version, kind]
    _encryption, outcome, verdict, evidence = EXPECTED[kind]
    assert (row["outcome"], row["verdict"]) == (outcome, verdict), row
    assert evidence.items() <= row["evidence"].items(), row["evidence"]


def test_no_session_outlives_its_deadlines(rows) -> None:
    assert max(row["seconds"] for row in rows.values()) < 9.5


def ask(network: Network, port: int, encryption: str = "starttls", name: str | None = NAME, **settings: Any) -> dict:
    target = {"destination": network.server[4], "port": port, "encryption": encryption, "name": name}
    (row,) = network.probe([target], timeout=4, **settings)["rows"]
    return row


def test_greeting_decides_where_no_certificate_is_verified(network: Network, world: World) -> None:
    for settings in ({"encryption": "none"}, {"depth": "banner"}):
        assert ask(network, world.ports["plain"], **settings)["verdict"] == "pass"
        row = ask(network, world.ports["other_greeting"], **settings)
        assert (row["outcome"], row["verdict"]) == ("wrong_server", "fail")
        assert "another.corp.test" in row["reason"]


def test_banner_inside_tls_is_read_without_verifying(network: Network, world: World) -> None:
    row = ask(network, world.ports["expired_implicit"], "implicit", depth="banner")
    assert (row["outcome"], row["evidence"]["name_verified"]) == ("open", False)


def test_clear_text_where_tls_is_due(network: Network, world: World) -> None:
    row = ask(network, world.ports["good"], "implicit", ca_pem=world.ca.pem)
    assert row["outcome"] == "tls_missing"
    assert "220 mail.corp.test" in row["reason"]


def test_tls_where_clear_text_is_due(network: Network, world: World) -> None:
    assert ask(network, world.ports["implicit"], ca_pem=world.ca.pem)["outcome"] == "banner_timeout"


def test_without_a_name_the_chain_is_verified_alone(network: Network, world: World) -> None:
    row = ask(network, world.ports["misnamed"], name=None, ca_pem=world.ca.pem)
    assert (row["verdict"], row["evidence"]["name_verified"]) == ("pass", False)
    assert ask(network, world.ports["untrusted"], name=None, ca_pem=world.ca.pem)["outcome"] == "tls_failed"


def test_name_may_be_an_address(network: Network, world: World) -> None:
    assert ask(network, world.ports["good"], name="10.91.2.10", ca_pem=world.ca.pem)["verdict"] == "pass"
    assert ask(network, world.ports["good"], name="10.91.2.99", ca_pem=world.ca.pem)["outcome"] == "wrong_server"


def test_host_authorities_do_not_trust_a_private_one(network: Network, world: World) -> None:
    assert ask(network, world.ports["good"])["evidence"]["tls_error"] == "untrusted"


def test_authorities_from_a_file(network: Network, world: World, tmp_path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(world.ca.pem)
    assert ask(network, world.ports["good"], ca_file=str(file))["verdict"] == "pass"
