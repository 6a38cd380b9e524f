# SPDX-License-Identifier: GPL-3.0-or-later
"""How deep a probe goes, what it finds there, and what it never says."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from . import pki
from .conftest import NAME, World
from .network import Network

USER, PASSWORD = "relay@corp.test", "s3cret word"
OFFERS = ["SIZE 26214400", "8BITMIME", "ENHANCEDSTATUSCODES", "STARTTLS"]
LOGIN = {"depth": "auth", "username": USER, "password": PASSWORD}
MAIL = {"depth": "mail", "recipient": "soc@corp.test"}


class Place:
    """Servers of this module by behaviour, and how to ask them."""

    def __init__(self, network: Network, world: World, folder: Path) -> None:
        self.network, self.world, self.folder = network, world, folder
        good = pki.leaf(folder, "good.pem", world.ca, NAME)
        clients = folder / "clients.pem"
        clients.write_text(world.ca.pem)
        self.client = pki.leaf(folder, "client.pem", world.ca, "vault1.corp.test")
        stranger = pki.authority("Another CA")
        self.stranger = pki.leaf(folder, "stranger-client.pem", stranger, "vault1.corp.test")
        both = {"kind": "smtp", "cert": good, "users": {USER: PASSWORD}, "offers": OFFERS}
        asks = {"kind": "smtp", "cert": good, "clients": str(clients)}
        servers: dict[str, dict[str, Any]] = {
            "plain": {**both, "inside": ["SIZE 1000", "AUTH PLAIN LOGIN"]},
            "login": {**both, "inside": ["AUTH LOGIN"]},
            "implicit": {**both, "kind": "implicit", "offers": ["SIZE", "AUTH=LOGIN PLAIN", "AUTH PLAIN"]},
            "foreign": {**both, "inside": ["AUTH GSSAPI NTLM"]},
            "none": {**both, "inside": ["SIZE 1000"]},
            "echo": {**both, "inside": ["AUTH PLAIN LOGIN"], "echo": True},
            "busy": {**both, "inside": ["AUTH PLAIN"], "denial": "454 4.7.0 later"},
            "endless": {**both, "inside": ["AUTH PLAIN"], "endless": True},
            "mute": {**both, "inside": ["AUTH PLAIN"], "stall": "RCPT"},
            "misnamed": {
                **both,
                "cert": pki.leaf(folder, "other.pem", world.ca, "other.test"),
                "inside": ["AUTH PLAIN"],
            },
            "clear": {"kind": "smtp", "offers": ["SIZE 1000", "AUTH PLAIN"], "users": {USER: PASSWORD}},
            "no_sender": {"kind": "smtp", "offers": [], "mail": "550 5.7.1 no bounces here"},
            "later_sender": {"kind": "smtp", "offers": [], "mail": "451 4.3.0 later"},
            "no_recipient": {"kind": "smtp", "offers": [], "rcpt": "550 5.1.1 unknown"},
            "greylist": {"kind": "smtp", "offers": [], "rcpt": "450 4.2.0 greylisted"},
            "wants_auth": {"kind": "smtp", "offers": [], "rcpt": "530 5.7.0 authenticate first"},
            "leaves": {"kind": "smtp", "offers": [], "rcpt": "421 4.3.2 shutting down"},
            "asks": {**asks, "ask": "CERT_OPTIONAL"},
            "demands": {**asks, "ask": "CERT_REQUIRED"},
            "demands12": {**asks, "ask": "CERT_REQUIRED", "newest": "TLSv1_2"},
            "alerts": {**asks, "ask": "CERT_REQUIRED", "kind": "blocking"},
            "alerts12": {**asks, "ask": "CERT_REQUIRED", "newest": "TLSv1_2", "kind": "blocking"},
            "demands_implicit": {**asks, "ask": "CERT_REQUIRED", "kind": "implicit"},
            "old": {"kind": "blocking", "cert": good, "newest": "TLSv1_1", "ciphers": "ALL:@SECLEVEL=0"},
            "weak": {"kind": "blocking", "cert": good, "newest": "TLSv1_2", "ciphers": "AES128-SHA:@SECLEVEL=0"},
        }
        for name, how in servers.items():
            how["log"] = str(folder / f"{name}.log")
        self.ports = {name: 5200 + index for index, name in enumerate(servers)}
        network.serve({str(self.ports[name]): how for name, how in servers.items()})

    def ask(
        self, server: str, encryption: str = "starttls", version: int = 4, name: str | None = NAME, **s: Any
    ) -> Any:
        (self.folder / f"{server}.log").unlink(missing_ok=True)
        target = {
            "destination": self.network.server[version],
            "port": self.ports[server],
            "encryption": encryption,
            "name": name,
        }
        (row,) = self.network.probe([target], **{"timeout": 6, "ca_pem": self.world.ca.pem, **s})["rows"]
        return row

    def heard(self, server: str) -> list[str]:
        file = self.folder / f"{server}.log"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="module")
def place(network: Network, world: World, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(network, world, tmp_path_factory.mktemp("depths"))


def verbs(heard: list[str]) -> list[str]:
    return [line.removeprefix("tls ").split()[0] for line in heard]


def codes(row: dict[str, Any]) -> list[tuple[str, int | None, str | None]]:
    return [(e["stage"], e.get("code"), e.get("enhanced")) for e in row["evidence"]["smtp"]["exchanges"]]


BOTH = pytest.mark.parametrize("version", [4, 6])


@BOTH
def test_ehlo_reads_the_offer_in_clear_text(place: Place, version: int) -> None:
    row = place.ask("plain", version=version, depth="ehlo")
    assert (row["outcome"], row["depth"], row["verdict"]) == ("open", "ehlo", "pass")
    smtp = row["evidence"]["smtp"]
    assert smtp["extensions"] == {"SIZE": ["26214400"], "8BITMIME": [], "ENHANCEDSTATUSCODES": [], "STARTTLS": []}
    assert (smtp["size"], smtp["auth_in_clear"], smtp["greeting_code"]) == (26214400, False, 220)
    assert verbs(place.heard("plain")) == ["EHLO", "QUIT"]


def test_ehlo_inside_implicit_tls(place: Place) -> None:
    row = place.ask("implicit", "implicit", depth="ehlo")
    assert row["evidence"]["smtp"]["auth"] == ["LOGIN", "PLAIN"]
    assert row["evidence"]["smtp"]["size"] == 0
    assert place.heard("implicit")[0].startswith("tls EHLO")


@BOTH
@pytest.mark.parametrize(
    ("server", "encryption", "mechanism"),
    [("plain", "starttls", "PLAIN"), ("login", "starttls", "LOGIN"), ("implicit", "implicit", "PLAIN")],
)
def test_log_in_inside_tls(place: Place, version: int, server: str, encryption: str, mechanism: str) -> None:
    row = place.ask(server, encryption, version, **LOGIN)
    assert (row["outcome"], row["class"], row["verdict"]) == ("open", "open", "pass"), row
    assert row["evidence"]["smtp"]["mechanism"] == mechanism
    assert ("auth", 235, "2.7.0") in codes(row)
    lines = place.heard(server)
    assert verbs(lines)[-2:] == ["AUTH", "QUIT"]
    assert all(line.startswith("tls ") for line in lines if "AUTH" in line)
    assert "accepts the credentials" in row["reason"]


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        ("foreign", "auth_missing"),
        ("none", "auth_missing"),
        ("echo", "auth_refused"),
        ("busy", "auth_deferred"),
        ("endless", "auth_refused"),
    ],
)
def test_log_in_that_fails(place: Place, server: str, kind: str) -> None:
    row = place.ask(server, **{**LOGIN, "password": "another one"})
    assert (row["outcome"], row["class"], row["verdict"]) == ("auth_failed", kind, "fail"), row
    assert verbs(place.heard(server))[-1] == "QUIT"


def test_credentials_are_in_no_result_even_if_the_server_repeats_them(place: Place) -> None:
    for server in ("echo", "plain", "login"):
        for password in (PASSWORD, "another one"):
            said = json.dumps(place.ask(server, **{**LOGIN, "password": password}))
            encoded = [base64.b64encode(t.encode()).decode().rstrip("=") for t in (f"\0{USER}\0", USER, password)]
            for secret in (password, USER, *encoded):
                assert secret not in said


@pytest.mark.parametrize(
    ("server", "encryption", "name", "outcome"),
    [
        ("clear", "none", "mail.corp.test", "auth_failed"),
        ("plain", "none", "mail.corp.test", "auth_failed"),
        ("plain", "starttls", None, "auth_failed"),
        ("misnamed", "starttls", NAME, "wrong_server"),
    ],
)
def test_credentials_are_sent_to_a_proven_server_inside_tls_only(
    place: Place, server: str, encryption: str, name: str | None, outcome: str
) -> None:
    row = place.ask(server, encryption, name=name, **LOGIN)
    assert (row["outcome"], row["verdict"]) == (outcome, "fail")
    assert "AUTH" not in verbs(place.heard(server))
    if outcome == "auth_failed":
        assert row["class"] == "auth_unsafe"


@BOTH
@pytest.mark.parametrize(("sender", "said"), [("", "<>"), ("alerts@corp.test", "<alerts@corp.test>")])
def test_mail_asks_for_a_recipient_and_takes_it_back(place: Place, version: int, sender: str, said: str) -> None:
    row = place.ask("plain", version=version, sender=sender, **MAIL)
    assert (row["outcome"], row["verdict"]) == ("open", "pass"), row
    lines = place.heard("plain")
    assert verbs(lines) == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "RSET", "QUIT"]
    assert f"tls MAIL FROM:{said}" in lines
    assert "tls RCPT TO:<soc@corp.test>" in lines
    assert codes(row)[-3:] == [("mail_from", 250, "2.1.0"), ("rcpt_to", 250, "2.1.5"), ("rset", 250, "2.0.0")]
    assert all(e["seconds"] >= 0 for e in row["evidence"]["smtp"]["exchanges"])
    assert any("after DATA" in text for text in row["cannot_tell"])


def test_mail_logs_in_first_when_it_can(place: Place) -> None:
    row = place.ask("plain", **{**LOGIN, **MAIL})
    assert row["verdict"] == "pass"
    assert verbs(place.heard("plain")) == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT"]


@pytest.mark.parametrize(
    ("server", "kind", "last"),
    [
        ("no_sender", "sender_refused", ["MAIL", "RSET", "QUIT"]),
        ("later_sender", "sender_deferred", ["MAIL", "RSET", "QUIT"]),
        ("no_recipient", "recipient_refused", ["RCPT", "RSET", "QUIT"]),
        ("greylist", "recipient_deferred", ["RCPT", "RSET", "QUIT"]),
        ("wants_auth", "auth_required", ["RCPT", "RSET", "QUIT"]),
        ("leaves", "recipient_deferred", ["MAIL", "RCPT", "QUIT"]),
    ],
)
def test_mail_that_is_refused(place: Place, server: str, kind: str, last: list[str]) -> None:
    row = place.ask(server, "none", **MAIL)
    assert (row["outcome"], row["class"], row["verdict"]) == ("mail_refused", kind, "fail")
    assert verbs(place.heard(server))[-3:] == last


def test_depth_of_a_target_goes_before_that_of_all(place: Place) -> None:
    target = {"destination": place.network.server[4], "port": place.ports["clear"], "name": NAME}
    rows = place.network.probe([{**target, "depth": "connect"}, target], depth="ehlo")["rows"]
    assert [row["depth"] for row in rows] == ["connect", "ehlo"]
    assert "smtp" not in rows[0]["evidence"]
    assert rows[1]["evidence"]["smtp"]["auth_in_clear"] is True


def test_each_step_has_its_limit_and_the_probe_one_of_its_own(place: Place) -> None:
    row = place.ask("mute", timeouts={"mail": 1.0}, **MAIL)
    assert (row["outcome"], row["seconds"] < 5.0) == ("mail_refused", True)
    assert "no reply to RCPT within 1 s" in row["reason"]
    row = place.ask("mute", deadline=2.0, **MAIL)
    assert (row["outcome"], row["seconds"] < 5.5) == ("mail_refused", True)
    assert "within the 2 s of the whole probe" in row["reason"]


@pytest.mark.parametrize("messages", [True, False])
def test_chain_and_request_for_a_client_certificate(place: Place, messages: bool, monkeypatch) -> None:
    if not messages:
        monkeypatch.setenv("WITHOUT_MESSAGES", "1")
    row = place.ask("asks")
    assert row["verdict"] == "pass"
    assert row["evidence"]["certificate_names"] == [NAME]
    if messages:
        tls = row["evidence"]["tls"]
        leaf, root = tls["chain"]
        assert (leaf["names"], leaf["issuer"], leaf["days_left"]) == ([NAME], "Test CA", 90)
        assert (root["names"], root["issuer"]) == (["Test CA"], "Test CA")
        assert tls["client_certificate_asked"] is True
        assert any("asked for one" in text for text in row["cannot_tell"])
        tls = place.ask("plain")["evidence"]["tls"]
        assert (len(tls["chain"]), tls["client_certificate_asked"]) == (1, False)
        row = place.ask("asks", client_cert=place.client)
        assert row["evidence"]["tls"]["client_certificate_sent"] is True
    else:
        assert "tls" not in row["evidence"]


@pytest.mark.parametrize("messages", [True, False])
def test_refused_certificate_is_described_either_way(place: Place, messages: bool, monkeypatch) -> None:
    if not messages:
        monkeypatch.setenv("WITHOUT_MESSAGES", "1")
    row = place.ask("misnamed")
    assert (row["outcome"], row["class"]) == ("wrong_server", "wrong_certificate")
    assert row["evidence"]["certificate_names"] == ["other.test"]
    assert row["evidence"]["days_left"] == 90
    assert "it names other.test" in row["reason"]


@pytest.mark.parametrize(
    ("server", "encryption"),
    [
        ("alerts", "starttls"),
        ("alerts12", "starttls"),
        ("demands", "starttls"),
        ("demands12", "starttls"),
        ("demands_implicit", "implicit"),
    ],
)
def test_demanded_client_certificate(place: Place, server: str, encryption: str) -> None:
    row = place.ask(server, encryption)
    assert (row["outcome"], row["evidence"]["tls_error"]) == ("tls_failed", "client_certificate_required"), row
    row = place.ask(server, encryption, client_cert=place.stranger)
    assert (row["outcome"], row["evidence"]["tls_error"]) == ("tls_failed", "client_certificate_refused"), row
    assert place.ask(server, encryption, client_cert=place.client)["verdict"] == "pass"


@pytest.mark.parametrize(("server", "reason"), [("old", "version"), ("weak", "no_common_cipher")])
def test_why_tls_failed(place: Place, server: str, reason: str) -> None:
    if server == "weak" and "AES128-SHA" in {c["name"] for c in ssl.create_default_context().get_ciphers()}:
        pytest.skip("the TLS library here would agree on AES128-SHA")
    row = place.ask(server)
    assert (row["outcome"], row["evidence"]["tls_error"]) == ("tls_failed", reason), row
