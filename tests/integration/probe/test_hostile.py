# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that mean no good, and certificates that are odd: no row takes long, none is garbled, none passes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.filter.matrix_evidence import matrix_evidence
from ansible_collections.alertpath.smtp.plugins.filter.matrix_html import matrix_html
from ansible_collections.alertpath.smtp.plugins.filter.matrix_junit import matrix_junit
from ansible_collections.alertpath.smtp.plugins.filter.matrix_table import matrix_table

from . import pki
from .conftest import NAME, World
from .network import Network

BOTH = pytest.mark.parametrize("version", [4, 6])
EVIL = "\x1b[2J\x07\x00\x9b31m<script>alert(1)</script>&\"']]>\u0085\t"
ODD = "<b>odd</b>.corp.test"
# name: how, encryption, outcome, class, a part of the reason
SAID: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "wide": ({"kind": "wide"}, "none", "not_smtp", "not_smtp", "a line of more than 4096 octets"),
    "pieces": ({"kind": "say", "words": f"220 {NAME} hi\r\n", "pause": 0.02}, "none", "open", "open", NAME),
    "lines": ({"kind": "say", "words": f"220-{NAME} a\r\n220-b\r\n220 c\r\n"}, "none", "open", "open", NAME),
    "codes": ({"kind": "say", "words": f"220-{NAME}\r\n250 b\r\n"}, "none", "not_smtp", "not_smtp", "changes its code"),
    "empty": ({"kind": "say", "words": f"\r\n220 {NAME}\r\n"}, "none", "not_smtp", "not_smtp", "an empty line"),
    "bare": ({"kind": "say", "words": f"220 {NAME} no carriage return\n"}, "none", "open", "open", NAME),
    "early": ({"kind": "say", "words": f"220 {NAME}\r\n" + "221 bye\r\n" * 9999}, "none", "open", "open", NAME),
    "code_250": ({"kind": "say", "words": "250 ok\r\n"}, "none", "not_smtp", "not_smtp", "a greeting that SMTP"),
    "evil": ({"kind": "say", "words": f"220 {NAME} {EVIL}\r\n"}, "none", "open", "open", NAME),
    "evil_name": ({"kind": "say", "words": f"220 {EVIL} x\r\n"}, "none", "wrong_server", "wrong_greeting", "<script>"),
    "evil_refusal": (
        {"kind": "smtp", "greeting": f"554 {EVIL}"},
        "none",
        "greeting_refused",
        "greeting_554",
        "<script>",
    ),
    "ehlo_refused": (
        {"kind": "smtp", "ehlo": f"502 {EVIL}"},
        "starttls",
        "tls_missing",
        "ehlo_refused",
        "EHLO is refused",
    ),
    "ehlo_421": (
        {"kind": "smtp", "ehlo": "421 4.3.2 bye"},
        "starttls",
        "greeting_refused",
        "greeting_421",
        "421 4.3.2 bye",
    ),
    "ehlo_endless": (
        {"kind": "smtp", "ehlo": "250-X\r\n" * 2000 + "250 X"},
        "starttls",
        "not_smtp",
        "not_smtp",
        "128 lines",
    ),
    "left": ({"kind": "smtp", "leave": "close"}, "starttls", "tls_failed", "tls_failed", "closed the connection"),
    "reset": ({"kind": "smtp", "leave": "reset"}, "starttls", "tls_failed", "reset_in_session", "was reset"),
    "clear": ({"kind": "smtp"}, "implicit", "tls_missing", "clear_text", "speaks clear text where TLS is due"),
}
# name: the certificate, outcome, tls_error, a part of the reason
SHOWN: dict[str, tuple[dict[str, Any], str, str | None, str]] = {
    "tomorrow": ({"names": [NAME], "since": -1}, "tls_failed", "not_yet_valid", "not yet valid"),
    "wildcard": ({"names": ["*.corp.test"]}, "open", None, "proved by its certificate"),
    "deep_wildcard": ({"names": ["*.test"]}, "wrong_server", "name_mismatch", "it names *.test"),
    "common_name": ({"names": [NAME], "alternative_names": False}, "open", None, "newer clients will not accept it"),
    "nameless": ({"names": [], "common": "Mail Appliance"}, "wrong_server", "name_mismatch", "it names Mail Appliance"),
    "many": ({"names": [*(f"m{n}.corp.test" for n in range(300)), NAME]}, "open", None, "proved"),
    "upper": ({"names": [NAME.upper()]}, "open", None, "proved"),
    "evil_names": ({"names": [ODD], "common": "x\x1b[2J"}, "wrong_server", "name_mismatch", f"it names {ODD}"),
    "long_ago": ({"names": [NAME], "since": 5000, "days": -4000}, "tls_failed", "expired", "expired 4000 days ago"),
    "far": ({"names": [NAME], "days": 300_000}, "open", None, "proved"),
}


@pytest.fixture(scope="module")
def result(network: Network, world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    servers = {name: (how, encryption) for name, (how, encryption, *_rest) in SAID.items()}
    for name, (how, *_rest) in SHOWN.items():
        given = dict(how)
        names = given.pop("names")
        cert = pki.leaf(folder, f"{name}.pem", world.ca, *names, **{"alternative_names": bool(names), **given})
        servers[name] = ({"kind": "smtp", "cert": cert}, "starttls")
    ports = {name: 5400 + index for index, name in enumerate(servers)}
    network.serve({str(ports[name]): how for name, (how, _encryption) in servers.items()})
    targets = [
        {
            **{"destination": network.server[version], "port": ports[name], "source": network.client[version]},
            **{"encryption": encryption, "name": NAME, "host": name},
        }
        for version in (4, 6)
        for name, (_how, encryption) in servers.items()
    ]
    return network.probe(targets, ca_pem=world.ca.pem, timeout=6)


@pytest.fixture(scope="module")
def rows(result: dict[str, Any]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(6 if ":" in row["destination"] else 4, row["host"]): row for row in result["rows"]}


@BOTH
@pytest.mark.parametrize("name", SAID)
def test_what_is_said(rows, version: int, name: str) -> None:
    row = rows[version, name]
    _how, _encryption, outcome, kind, reason = SAID[name]
    assert (row["outcome"], row["class"]) == (outcome, kind), row
    assert (row["verdict"] == "pass") == (outcome == "open")
    assert reason in row["reason"]
    assert row["seconds"] < 5


@BOTH
@pytest.mark.parametrize("name", SHOWN)
def test_what_certificate_is_shown(rows, version: int, name: str) -> None:
    row = rows[version, name]
    _how, outcome, error, reason = SHOWN[name]
    assert (row["outcome"], row["evidence"].get("tls_error")) == (outcome, error), row
    assert reason in row["reason"]
    assert row["evidence"]["days_left"] is not None


def test_greeting_of_several_lines_is_one(rows) -> None:
    assert rows[4, "lines"]["evidence"]["greeting"] == f"220 {NAME} a / b / c"


def test_rows_stay_small(result: dict[str, Any]) -> None:
    assert max(len(json.dumps(row)) for row in result["rows"]) < 60_000
    assert result["peak_mb"] < 60


def test_nothing_that_a_server_says_acts_where_it_is_shown(result: dict[str, Any]) -> None:
    """Terminals obey escapes, browsers tags, and XML has no way to write some characters at all."""
    evidence = matrix_evidence({"vault": result}, {"vault": {"probes": []}}, None, None, True)
    evidence = {**evidence, "at": "2026-11-23T03:00:00Z", "digest": "d"}
    for row in evidence["rows"]:
        said = json.dumps(row, ensure_ascii=False)
        assert all(character.isprintable() for character in said), row
    table = "\n".join(matrix_table(evidence))
    assert all(character.isprintable() or character == "\n" for character in table)
    junit = matrix_junit(evidence)
    assert "<script" not in junit
    assert any("<script>" in (case.get("message") or "") for case in ET.fromstring(junit).iter("failure"))
    page = matrix_html(evidence, {"paths": [], "hosts": {}, "zones": [], "sentinels": []})
    assert "<script" not in page
    assert "<b>odd" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;odd" in page


@BOTH
def test_address_in_a_certificate_counts_as_an_address_only(
    network: Network, world: World, version: int, tmp_path: Path
) -> None:
    address, port = network.server[version], 5470 + version
    cert = pki.leaf(tmp_path, "dns.pem", world.ca, f"dns:{address}")
    network.serve({str(port): {"kind": "smtp", "cert": cert}})
    target = {"destination": address, "port": port, "name": address, "encryption": "starttls"}
    (row,) = network.probe([target], ca_pem=world.ca.pem)["rows"]
    assert (row["outcome"], row["class"]) == ("wrong_server", "wrong_certificate")
    assert "but not as an alternative name of its kind" in row["reason"]


INTERCEPTOR = 5480


@BOTH
def test_interception_by_a_real_redirection_is_told_by_certificate_and_by_greeting(
    network: Network, world: World, version: int, tmp_path: Path
) -> None:
    """The router leads the connection to another server, which shows a certificate of its own and greets as itself."""
    port = INTERCEPTOR + version
    stranger = pki.leaf(tmp_path, "proxy.pem", world.ca, "proxy.corp.test")
    network.serve({str(port): {"kind": "smtp", "cert": stranger, "name": "proxy.corp.test"}})
    family = "ip" if version == 4 else "ip6"
    real = world.ports["good"]
    to = network.other[version] if version == 4 else f"[{network.other[version]}]"
    redirect = f"{family} daddr {network.server[version]} tcp dport {real} dnat to {to}:{port}"
    network.nft("router", f"table {family} t {{ chain c {{ type nat hook prerouting priority -100; {redirect}; }}; }}")
    target = {"destination": network.server[version], "port": real, "name": NAME}
    try:
        result = network.probe(
            [{**target, "encryption": "starttls"}, {**target, "encryption": "none"}],
            ca_pem=world.ca.pem,
            locate="differences",
        )
    finally:
        network.nft("router", "")
    certificate, greeting = result["rows"]
    assert {row["outcome"] for row in result["rows"]} == {"wrong_server"}
    assert certificate["evidence"]["certificate_names"] == ["proxy.corp.test"]
    assert greeting["evidence"]["greeting_name"] == "proxy.corp.test"
    assert {row["verdict"] for row in result["rows"]} == {"fail"}
    for row in result["rows"]:  # only a search that is sure says that a device did it
        assert row["class"] in {"intercepted", "wrong_certificate", "wrong_greeting"}
        named = [row["where"]["device"]] if row["where"]["device"] else row["where"]["neighbours"]
        assert not named or network.router[version] in [device["address"] for device in named]
    print(version, certificate["class"], greeting["class"], certificate["where"]["text"])
