# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: every error at once, each with its place, its value and a remedy."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alertpath_tunnel.config.load import load, parse
from alertpath_tunnel.config.problems import ConfigError
from harness import BASE, SOURCE, Pki

README = Path(__file__).resolve().parents[1] / "README.md"


def problems(config: object) -> dict[str, str]:
    """Return the errors of a configuration: JSON path -> message."""
    try:
        parse(config if isinstance(config, str) else json.dumps(config), Path("x.json"))
    except ConfigError as error:
        return {problem.path: problem.message for problem in error.problems}
    return {}


def base() -> dict[str, list[dict[str, object]]]:
    config = copy.deepcopy(BASE)
    config["upstreams"][0]["forwarding_addresses"] = [{"address": "127.0.0.1", "port": 25}]  # type: ignore[index]
    config["tunnels"][0]["port"] = 2525  # type: ignore[index]
    return config  # type: ignore[return-value]


def test_the_example_of_the_readme_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    file = tmp_path / "example.json"
    file.write_text(example)
    config, warnings = load(file)
    assert not warnings
    assert config.tunnels[0].addresses == ("10.77.30.11", "fd77:30::11")
    assert config.service_of("vault-alerts") is config.services[0]


@pytest.mark.parametrize("group", ["limits", "timeouts"])
def test_the_readme_names_every_limit_with_its_default(group: str) -> None:
    config, _ = parse(json.dumps(base()), Path("x.json"))
    section = README.read_text().split(f"### `{group}`", 1)[1].split("\n### ", 1)[0]
    listed = dict(re.findall(r"^\| `([a-z_]+)` \| ([0-9]+) \|", section, re.MULTILINE))
    defaults = parse(json.dumps({**base(), group: {}}), Path("x.json"))[0]
    values = getattr(defaults, group)
    assert listed == {name: str(getattr(values, name)) for name in values.__slots__}
    assert config.limits.message_bytes == 26214400


def test_all_errors_are_told_at_once() -> None:
    config = base()
    config["tunnels"][0] |= {"port": 70000, "interface": "eth9", "clients": ["10.0.0.1/8"], "colour": "red"}
    config["tunnels"][0]["tls"] = {"mode": "ssl", "required": "yes", "ciphers": "ECDHE+AESGCM;NONSENSE"}
    config["upstreams"][0] |= {"auth": {"user": "u", "password_file": "relative/path"}}
    config["data_elements"].append({"name": "h", "method": "hash"})
    config["data_elements"].append({"name": "ccn", "method": "mask", "keep_last": -1, "character": "8"})
    config["services"][0] |= {"tunnels": ["nowhere"], "hostnames": {"*": "nobody"}}
    found = problems(config)
    assert {
        "$.tunnels[0].port",
        "$.tunnels[0].interface",
        "$.tunnels[0].clients[0]",
        "$.tunnels[0].colour",
        "$.tunnels[0].tls.mode",
        "$.tunnels[0].tls.required",
        "$.tunnels[0].tls.ciphers",
        "$.tunnels[0].tls.certificate",
        "$.upstreams[0].auth",
        "$.upstreams[0].auth.password_file",
        "$.data_elements[1].key_file",
        "$.data_elements[2].keep_last",
        "$.data_elements[2].character",
        "$.data_elements",
        "$.services[0].tunnels",
        "$.services[0].hostnames.*",
    } <= set(found)


def change(path: str, value: object) -> dict[str, list[dict[str, object]]]:
    """Return BASE with `value` at a path such as tunnels.0.port."""
    config = base()
    spot: object = config
    *way, last = path.split(".")
    for step in way:
        spot = spot[int(step)] if isinstance(spot, list) else spot.setdefault(step, {})  # type: ignore[attr-defined]
    spot[int(last) if isinstance(spot, list) else last] = value  # type: ignore[index]
    return config


RULE = "services.0.profiles.0.rules.0"
TEXT = f"{RULE}.rules.0"
ERRORS = [
    ("tunnels.0.name", None, "$.tunnels[0].name"),
    ("tunnels.0.name", "a\nb", "$.tunnels[0].name"),
    ("tunnels.0.enabled", 1, "$.tunnels[0].enabled"),
    ("tunnels.0.port", True, "$.tunnels[0].port"),
    ("tunnels.0.interface", [], "$.tunnels[0].interface"),
    ("tunnels.0.interface", "ethSRV0", "$.tunnels[0].interface"),
    ("tunnels.0.tls.required", True, "$.tunnels[0].tls.required"),
    (
        "tunnels.0.advanced_settings.ssl_options",
        {"cert_reqs": "CERT_REQUIRED"},
        "$.tunnels[0].advanced_settings.ssl_options.ca_certs",
    ),
    (
        "tunnels.0.advanced_settings.ssl_options",
        '{"cert_reqs": "CERT_MAYBE"}',
        "$.tunnels[0].advanced_settings.ssl_options.cert_reqs",
    ),
    ("tunnels.0.advanced_settings.ssl_options", "{", "$.tunnels[0].advanced_settings.ssl_options"),
    (
        "tunnels.0.advanced_settings.ssl_options",
        '{"cert_reqs": 1, "cert_reqs": 2}',
        "$.tunnels[0].advanced_settings.ssl_options",
    ),
    ("tunnels.0.advanced_settings", "{", "$.tunnels[0].advanced_settings"),
    ("tunnels.0.advanced_settings", "[]", "$.tunnels[0].advanced_settings"),
    ("tunnels.0.advanced_settings", 7, "$.tunnels[0].advanced_settings"),
    ("tunnels.0.advanced_settings", '{"idle": 5}', "$.tunnels[0].advanced_settings.idle"),
    (
        "tunnels.0.advanced_settings",
        '{"idle_connection_timeout": 0}',
        "$.tunnels[0].advanced_settings.idle_connection_timeout",
    ),
    (
        "tunnels.0.advanced_settings.ssl_options",
        {"ssl_version": "PROTOCOL_SSLv3"},
        "$.tunnels[0].advanced_settings.ssl_options.ssl_version",
    ),
    (
        "tunnels.0.advanced_settings.idle_connection_timeout",
        0,
        "$.tunnels[0].advanced_settings.idle_connection_timeout",
    ),
    ("interfaces.ethSRV0", ["somewhere"], "$.interfaces.ethSRV0[0]"),
    ("upstreams.0.forwarding_addresses", [], "$.upstreams[0].forwarding_addresses"),
    ("upstreams.0.forwarding_addresses.0", {"port": 25}, "$.upstreams[0].forwarding_addresses[0].address"),
    *(
        (f"upstreams.0.forwarding_addresses.0.{key}", host, f"$.upstreams[0].forwarding_addresses[0].{key}")
        for key in ("address", "name")
        for host in ("a..b", "x" * 64 + ".example", ".x", "gate way", "ä.example", "127.0.0.1:25", "[::1]", "*.example")
    ),
    ("upstreams.0.tls.certificate", {"chain": "/c", "key": "/k.key"}, "$.upstreams[0].tls.certificate"),
    ("upstreams.0.tls", {"certificate": {"chain": "/c", "key": "/k"}}, "$.upstreams[0].tls.certificate.key"),
    ("upstreams.0.tls", {"certificate": {"chain": "/c"}}, "$.upstreams[0].tls.certificate.key"),
    ("upstreams.0.tls.name", "smtp..example", "$.upstreams[0].tls.name"),
    ("upstreams.0.auth", {"user": "\ud800", "password_file": "/x"}, "$.upstreams[0].auth.user"),
    ("upstreams.0.tls", {"mode": "starttls", "ca_file": "credentials:../x"}, "$.upstreams[0].tls.ca_file"),
    ("services.0.type", "HTTP", "$.services[0].type"),
    ("services.0.hostnames", {}, "$.services[0].hostnames"),
    (RULE, {"name": "x", "action": "Log", "message": "m"}, "$.services[0].profiles[0].rules"),
    (f"{RULE}.action", "Transform", "$.services[0].profiles[0].rules[0].action"),
    (f"{RULE}.payload.fields", ["subject", "attachments"], "$.services[0].profiles[0].rules[0].payload.fields[1]"),
    (f"{RULE}.payload.fields", [], "$.services[0].profiles[0].rules[0].payload.fields"),
    (f"{TEXT}.payload", {"type": "Text"}, "$.services[0].profiles[0].rules[0].rules[0].payload"),
    (
        f"{TEXT}.payload",
        {"type": "Text", "regex": "(?=x)"},
        "$.services[0].profiles[0].rules[0].rules[0].payload.regex",
    ),
    (
        f"{TEXT}.payload",
        {"type": "Text", "regex": "x", "group": "g"},
        "$.services[0].profiles[0].rules[0].rules[0].payload.group",
    ),
    (
        f"{TEXT}.payload",
        {"type": "Text", "regex": "x", "luhn": True},
        "$.services[0].profiles[0].rules[0].rules[0].payload.luhn",
    ),
    (f"{TEXT}.rules.0.method", "User Defined", "$.services[0].profiles[0].rules[0].rules[0].rules[0].method"),
    (f"{TEXT}.rules.0.data_element", "ghost", "$.services[0].profiles"),
    ("limits.message_bytes", 2**30, "$.limits.bytes_in_flight"),
    ("limits.mime_depth", 1000, "$.limits.mime_depth"),
    ("timeouts.forever", 1, "$.timeouts.forever"),
    ("timeouts.hang", 1, "$.timeouts.hang"),
    ("surprise", 1, "$.surprise"),
]


@pytest.mark.parametrize(("path", "value", "at"), ERRORS, ids=[f"{path} {value}" for path, value, _ in ERRORS])
def test_errors_have_a_place(path: str, value: object, at: str) -> None:
    assert at in problems(change(path, value))


def test_an_interface_of_a_tunnel_has_an_address() -> None:
    config = change("tunnels.0.interface", ["ethMNG", "ethSRV0"])
    assert problems({**config, "interfaces": {"ethMNG": ["127.0.0.1"], "ethSRV0": []}}).keys() == {
        "$.tunnels[0].interface"
    }
    assert not problems({**base(), "interfaces": {"ethSRV0": []}})


def test_an_ipv4_address_that_is_mapped_into_ipv6_is_one() -> None:
    config = change("interfaces.ethMNG", ["::ffff:127.0.0.2"])
    config["tunnels"][0] |= {"interface": ["::ffff:127.0.0.1", "ethMNG"]}
    config["tunnels"][0] |= {"clients": ["::ffff:10.0.0.1", "::ffff:10.1.0.0/112", "::fffe:0:0/95", "::1"]}
    config["services"][0]["hostnames"] = {"::ffff:127.0.0.1": "u"}
    read, _ = parse(json.dumps(config), Path("x.json"))
    (tunnel,) = read.tunnels
    assert tunnel.addresses == ("127.0.0.1", "127.0.0.2")
    assert [str(network) for network in tunnel.clients] == ["10.0.0.1/32", "10.1.0.0/16", "::fffe:0:0/95", "::1/128"]
    assert read.services[0].hostnames == {"127.0.0.1": "u"}


def test_advanced_settings_are_an_object_or_text_and_so_is_what_is_in_them() -> None:
    options = {"cert_reqs": "CERT_OPTIONAL", "ca_certs": "/ca.pem"}
    tls = {"mode": "implicit", "certificate": {"chain": "/c", "key": "/k.key"}}
    for inner in (options, json.dumps(options)):
        settings = {"idle_connection_timeout": 7, "ssl_options": inner}
        for outer in (settings, json.dumps(settings)):
            changed = change("tunnels.0", {**base()["tunnels"][0], "tls": tls, "advanced_settings": outer})
            changed["upstreams"][0]["tls"]["accept_clear_text"] = True  # type: ignore[index]
            (tunnel,) = parse(json.dumps(changed), Path("x.json"))[0].tunnels
            assert (tunnel.idle, tunnel.tls.client_certificates) == (7, "CERT_OPTIONAL")
            assert tunnel.tls.client_ca
            assert tunnel.tls.client_ca.at == "$.tunnels[0].advanced_settings.ssl_options.ca_certs"


@pytest.mark.parametrize("text", ["", "[", "[]", '{"tunnels": [], "tunnels": []}', "[" * 100_000])
def test_what_is_no_configuration(text: str) -> None:
    assert problems(text)


def test_clear_text_behind_tls_needs_consent(pki: Pki) -> None:
    config = base()
    certificate = {"chain": str(pki.chain), "key": str(pki.key)}
    config["tunnels"][0]["tls"] = {"certificate": certificate}
    assert "$.services[0].hostnames.*" in problems(config)
    config["upstreams"][0]["tls"] = {"mode": "none", "accept_clear_text": True}
    assert not problems(config)


def test_one_port_serves_one_tunnel() -> None:
    config = base()
    config["tunnels"].append({**config["tunnels"][0], "name": "t2"})
    assert "$.tunnels[1].port" in problems(config)


def check(folder: Path, config: object, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    file = folder / "check.json"
    file.write_text(json.dumps(config))
    return subprocess.run(
        [sys.executable, "-m", "alertpath_tunnel", "check", *arguments, str(file)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_reads_what_the_file_names(tmp_path: Path, pki: Pki) -> None:
    config = base()
    config["tunnels"][0]["tls"] = {"certificate": {"chain": str(pki.chain), "key": str(tmp_path / "no.key")}}
    config["upstreams"][0]["tls"] = {"ca_file": str(pki.key)}
    config["upstreams"][0]["auth"] = {"user": "u", "password_file": str(tmp_path / "open")}
    config["data_elements"].append({"name": "h", "method": "hash", "key_file": str(tmp_path / "short")})
    (tmp_path / "open").write_text("x")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").write_text("secret value")
    (tmp_path / "short").chmod(0o600)
    result = check(tmp_path, config)
    assert result.returncode == 1
    rows = result.stderr.splitlines()
    assert len(rows) == 4
    for place in ("tls.certificate.key", "tls.ca_file", "auth.password_file", "data_elements[1].key_file"):
        assert any(place in row for row in rows), result.stderr
    assert "secret value" not in result.stderr
    assert check(tmp_path, config, "--no-files").returncode == 0


def test_the_path_of_a_configuration_may_be_any_octets(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    assert check(folder, base()).returncode == 0


def test_check_without_the_credentials_warns(tmp_path: Path) -> None:
    config = base()
    config["upstreams"][0]["tls"] = {"mode": "implicit"}
    config["upstreams"][0]["auth"] = {"user": "u", "password_file": "credentials:relay"}
    result = check(tmp_path, config)
    assert result.returncode == 0
    assert "warning" in result.stderr
    assert "$CREDENTIALS_DIRECTORY" in result.stderr
    (tmp_path / "relay").write_text("x")
    (tmp_path / "relay").chmod(0o400)
    result = check(tmp_path, config, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")


def test_run_refuses_what_check_refuses(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{}")
    command = [sys.executable, "-m", "alertpath_tunnel", "run", "--config", str(file)]
    result = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "$.tunnels" in result.stderr
    assert "Traceback" not in result.stderr
