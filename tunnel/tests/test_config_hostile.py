# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations nobody means well: whatever the file holds, the answer is a list of problems, never a traceback."""

from __future__ import annotations

import copy
import datetime
import json
import os
import socket
import ssl
from pathlib import Path

import pytest
from alertpath_tunnel.cli import main
from alertpath_tunnel.config.load import examine, parse
from alertpath_tunnel.config.names import is_address, is_host_name
from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.net.runtime import read_files
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from harness import Pki
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_config import base, change, check, problems

EXAMPLES = int(os.environ.get("ALERTPATH_EXAMPLES", "400"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "\0", "\ud800", "/\0", "/\udc80", "::1%lo", "0.0.0.0/33", "credentials:", "*", "(?=", "A" * 5000]
    )
)
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner))


def spots(value: object, way: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Return the path of every value within `value`."""
    found = [way] if way else []
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in rows:
        found += spots(inner, (*way, key))
    return found


def rich() -> dict[str, object]:
    """Return a configuration in which nearly every key stands."""
    config = copy.deepcopy(base())
    config["tunnels"][0]["tls"] = {
        "mode": "starttls",
        "certificate": {"chain": "/no/chain", "key": "/no/x.key", "password_file": "/no/password"},
        "ciphers": "ECDHE+AESGCM",
        "clear_text_clients": ["192.0.2.1"],
    }
    config["tunnels"][0] |= {"label": "dmz", "description": "d"}
    config["tunnels"][0]["advanced_settings"] = {
        "ssl_options": {"cert_reqs": "CERT_REQUIRED", "ca_certs": "/no/ca", "crl_file": "/no/crl"},
        "idle_connection_timeout": 30,
        "default_window_size": 2097152,
    }
    config["upstreams"][0]["tls"] = {"mode": "implicit", "ca_file": "/no/ca"}
    config["upstreams"][0]["auth"] = {"user": "u", "password_file": "/no/secret"}
    config["data_elements"].append({"name": "h", "method": "hash", "key_file": "/no/key"})
    return {
        **config,
        "interfaces": {"ethMNG": ["127.0.0.1"]},
        "node_labels": ["dmz"],
        "status": {"address": "127.0.0.1", "port": 9925},
        "log_levels": {"Tunnel": "info"},
        "limits": {"message_bytes": 1000},
    }


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(ANY)
def test_any_json_is_judged(tmp_path: Path, document: object) -> None:
    judge(tmp_path, json.dumps(document))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_value_at_any_place_is_judged(tmp_path: Path, data: st.DataObject) -> None:
    config = rich()
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(spots(config)))
        spot: object = config
        for step in way:
            spot = spot[step]  # type: ignore[index]
        spot[last] = data.draw(ANY)  # type: ignore[index]
    judge(tmp_path, json.dumps(config))


def judge(folder: Path, text: str) -> None:
    file = folder / "hostile.json"
    file.write_text(text)
    assert main(["check", str(file)]) in (0, 1)
    told: ConfigError | None = None
    try:
        parse(text, file)
    except ConfigError as error:
        told = error
    if told:
        assert str(told).isascii()
        assert len(str(told).splitlines()) == len(told.problems) > 0


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a": ' * 5000, b"[" * 200_000, b"9" * 5000, b'{"tunnels": NaN}', b"\0" * 100],
    ids=["utf-16", "mark", "objects", "lists", "number", "nan", "nul"],
)
def test_what_is_hardly_json_is_refused(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "hostile.json"
    file.write_bytes(content)
    assert main(["check", str(file)]) == 1
    assert str(file) in capsys.readouterr().err


@pytest.mark.parametrize("spot", ["/dev/zero", "/", "/no/such/file"])
def test_what_is_no_file_is_refused(spot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", spot]) == 1
    assert "$" in capsys.readouterr().err


def test_errors_of_the_file_and_of_what_it_names_come_together(tmp_path: Path) -> None:
    config = rich()
    config["tunnels"][0]["port"] = 0  # type: ignore[index]
    done = check(tmp_path, config, "--json")
    assert done.returncode == 1
    found = {finding["path"]: finding for finding in json.loads(done.stdout)}
    assert {
        "$.tunnels[0].port",
        "$.tunnels[0].tls.certificate.password_file",
        "$.upstreams[0].tls.ca_file",
        "$.upstreams[0].auth.password_file",
        "$.data_elements[1].key_file",
    } <= set(found)
    port = found["$.tunnels[0].port"]
    assert (port["value"], port["remedy"], port["kind"]) == ("0", "use 1 to 65535", "error")
    assert port["file"].endswith("check.json")


def test_a_key_that_goes_away_between_two_looks_is_told_of(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a tool does that renews it by removing the old one first, at the moment of a reload."""
    key = tmp_path / "server.key"
    key.write_bytes(pki.key.read_bytes())
    key.chmod(0o600)
    look = Path.stat

    def last_look(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = look(path, follow_symlinks=follow_symlinks)
        if path == key:
            key.unlink()
        return found

    monkeypatch.setattr(Path, "stat", last_look)
    config = {**rich(), "tunnels": [tls_tunnel({"chain": str(pki.chain), "key": str(key)})]}
    _, problems = read_files(examine(json.dumps(config), tmp_path)[0])
    assert "$.tunnels[0].tls.certificate.chain" in {problem.path for problem in problems}


def test_a_name_that_is_given_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer would hold up each reload."""
    monkeypatch.setattr(socket, "getfqdn", lambda: pytest.fail("asked the resolver"))
    examine(json.dumps(rich()), Path("x"))


@pytest.mark.parametrize("written", ["::1", "0:0:0:0:0:0:0:1", "::0001"])
def test_the_status_port_is_no_tunnels_however_its_address_is_written(written: str) -> None:
    config = rich()
    config["tunnels"][0] |= {"interface": "::1", "port": 9925}  # type: ignore[index]
    config["status"] = {"address": written, "port": 9925}
    _, problems = examine(json.dumps(config), Path("x"))
    assert "$.status.port" in {problem.path for problem in problems}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket"])
def test_a_file_whose_reading_would_never_end_is_refused(tmp_path: Path, kind: str, pki: Pki) -> None:
    spot = tmp_path / "x.key"
    with socket.socket(socket.AF_UNIX) as bound:
        match kind:
            case "pipe":
                os.mkfifo(spot, 0o600)
            case "device":
                spot.symlink_to("/dev/zero")
            case "folder":
                spot.mkdir(mode=0o700)
            case _:
                bound.bind(str(spot))
        good = {"chain": str(pki.chain), "key": str(pki.key)}
        for part in ("chain", "key", "password_file"):
            told = check(tmp_path, {**rich(), "tunnels": [tls_tunnel({**good, part: str(spot)})]}).stderr
            assert f"tls.certificate.{part}: is no regular file" in told
        config = rich()
        config["tunnels"] = [tls_tunnel(good, ca_certs=str(spot), crl_file=str(spot))]
        config["upstreams"][0]["tls"]["ca_file"] = config["upstreams"][0]["auth"]["password_file"] = str(spot)  # type: ignore[index]
        told = check(tmp_path, config).stderr
        for key in ("ssl_options.ca_certs", "tls.ca_file", "auth.password_file"):
            assert f"{key}: is no regular file" in told


def tls_tunnel(certificate: dict[str, str], **options: str) -> dict[str, object]:
    tunnel = copy.deepcopy(rich())["tunnels"][0]  # type: ignore[index]
    tunnel["tls"]["certificate"] = certificate
    tunnel["advanced_settings"] = {"ssl_options": {"cert_reqs": "CERT_REQUIRED", **options}} if options else {}
    return tunnel  # type: ignore[no-any-return]


@pytest.mark.parametrize("key", ["password", "password_file", "api_token", "keyphrase"])
def test_a_secret_in_the_wrong_place_is_not_repeated(key: str) -> None:
    config = base()
    config["upstreams"][0]["tls"] = {"mode": "implicit"}
    config["upstreams"][0]["auth"] = {"user": "u", "password_file": "/x", key: "hunter2"}
    with pytest.raises(ConfigError) as caught:
        parse(json.dumps(config), Path("x.json"))
    assert key in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_finding_is_one_line_whatever_its_value() -> None:
    line = Problem("$.a\nb", "\r\n\x1b[2J\ud800", "m", "r").render("f")
    assert line.isascii()
    assert line.isprintable()


TLS = {"certificate": {"chain": "/c.pem", "key": "/k.key"}}


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("tunnels.0.label", "", "$.tunnels[0].label"),
        ("node_labels", "dmz", "$.node_labels"),
        ("status", {"address": "0.0.0.0", "port": 1}, "$.status.address"),
        ("status", {"address": "127.0.0.1"}, "$.status.port"),
        ("status", {"address": "127.0.0.1", "port": 2525}, "$.status.port"),
        ("log_levels", {"Tunnel": "loud"}, "$.log_levels.Tunnel"),
        ("log_levels", {"Kernel": "info"}, "$.log_levels.Kernel"),
        ("services.0.hostnames", {"a b": "u", "*": "u"}, "$.services[0].hostnames.a b"),
        ("services.0.hostnames", {"A.test": "u", "a.test.": "u"}, "$.services[0].hostnames.a.test."),
        ("tunnels.0.tls.clear_text_clients", ["10.0.0.0/8"], "$.tunnels[0].tls.clear_text_clients"),
        ("tunnels.0.tls", {**TLS, "ciphers": "!ALL"}, "$.tunnels[0].tls.ciphers"),
        ("tunnels.0.tls", {**TLS, "ciphers": "eNULL:@SECLEVEL=0"}, "$.tunnels[0].tls.ciphers"),
        ("tunnels.0.tls", {**TLS, "ciphers": "ECDHE+AESGCM,NONSENSE;X"}, "$.tunnels[0].tls.ciphers"),
        (
            "tunnels.0.advanced_settings.ssl_options",
            {"crl_file": "/crl.pem"},
            "$.tunnels[0].advanced_settings.ssl_options.crl_file",
        ),
        (
            "tunnels.0.advanced_settings.ssl_options",
            {"ssl_version": "PROTOCOL_TLSv1"},
            "$.tunnels[0].advanced_settings.ssl_options.ssl_version",
        ),
    ],
)
def test_errors_of_operation_have_a_place(path: str, value: object, at: str) -> None:
    assert at in problems(change(path, value))


@pytest.mark.parametrize("first", ["127.0.0.1", "0.0.0.0"])
def test_a_wildcard_takes_the_port_of_every_address(first: str) -> None:
    config = base()
    config["tunnels"].append({**config["tunnels"][0], "name": "t2"})
    for tunnel, address in zip(
        config["tunnels"], [first, {"127.0.0.1": "0.0.0.0"}.get(first, "127.0.0.1")], strict=True
    ):
        tunnel["interface"] = address
    assert "$.tunnels[1].port" in problems(config)
    config["tunnels"][1]["label"] = "elsewhere"
    assert not problems(config)


@pytest.mark.parametrize("separator", [":", ";", ","])
def test_cipher_suites_take_every_separator(separator: str) -> None:
    config, _ = parse(
        json.dumps(
            change(
                "tunnels.0.tls", {**TLS, "ciphers": separator.join(["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE+CHACHA20"])}
            )
            | {"upstreams": [{**base()["upstreams"][0], "tls": {"mode": "none", "accept_clear_text": True}}]}
        ),
        Path("x.json"),
    )
    assert config.tunnels[0].tls.ciphers == "ECDHE-RSA-AES256-GCM-SHA384:ECDHE+CHACHA20"


@pytest.mark.parametrize(
    "ciphers", ["aNULL", "ALL", "AECDH-AES256-SHA", "CAMELLIA", "ECDHE-RSA-AES128-GCM-SHA256 ADH-AES128-SHA"]
)
def test_no_cipher_without_a_certificate_is_let_in(ciphers: str) -> None:
    assert "$.tunnels[0].tls.ciphers" in problems(change("tunnels.0.tls", {**TLS, "ciphers": ciphers}))


@given(st.from_regex(r"[a-z.:%_-]{1,20}") | st.text(max_size=12) | st.ip_addresses().map(str))
def test_whatever_passes_for_a_host_can_be_looked_up_and_asked_for(host: str) -> None:
    if is_address(host) or is_host_name(host):
        host.encode("idna")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=host)


def test_a_revocation_list_must_be_one(tmp_path: Path, pki: Pki) -> None:
    config = rich()
    certificate = {"chain": str(pki.chain), "key": str(pki.key)}
    config["tunnels"][0]["tls"]["certificate"] = certificate  # type: ignore[index]
    options = {"cert_reqs": "CERT_REQUIRED", "ca_certs": str(pki.ca), "crl_file": str(pki.ca)}
    config["tunnels"][0]["advanced_settings"]["ssl_options"] = json.dumps(options)  # type: ignore[index]
    done = check(tmp_path, config)
    assert "crl_file: holds no revocation list" in done.stderr
    (tmp_path / "crl.pem").write_bytes(empty_list())
    options["crl_file"] = str(tmp_path / "crl.pem")
    config["tunnels"][0]["advanced_settings"]["ssl_options"] = options  # type: ignore[index]
    assert "crl_file" not in check(tmp_path, config).stderr


def empty_list() -> bytes:
    """Return a revocation list that revokes nothing, of an authority nobody knows."""
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateRevocationListBuilder(name, now, now + datetime.timedelta(days=1))
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)
