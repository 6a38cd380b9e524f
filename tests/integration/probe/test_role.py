# SPDX-License-Identifier: GPL-3.0-or-later
"""The role at the depths that log in and ask for a recipient, and what it shows of the account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import pki
from .conftest import NAME, World
from .network import Network

CHECKOUT = Path(__file__).resolve().parents[3]
PORT = 5290
USER, PASSWORD = "vault", "Xq7-not-for-logs"
"""The account is called like the group of hosts, which must still be read in the result."""
_PLAY = """
- hosts: all
  gather_facts: false
  roles:
    - alertpath.smtp.policy_plan
    - alertpath.smtp.path_verification
"""


@pytest.fixture(scope="module")
def heard(network: Network, world: World, router_ssh: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mail server that takes the account's mail for one recipient; the file with what it hears."""
    folder = tmp_path_factory.mktemp("role")
    log = folder / "heard"
    server = {"kind": "smtp", "cert": pki.leaf(folder, "good.pem", world.ca, NAME), "users": {USER: PASSWORD}}
    more = {"inside": ["AUTH PLAIN"], "echo": True, "log": str(log)}
    network.serve({str(PORT): {**server, **more}, str(PORT + 1): {**server, **more, "rcpt": "550 5.1.1 unknown <b>"}})
    return log


def verify(network: Network, world: World, folder: Path, port: int = PORT, **variables: Any) -> tuple[int, str, Any]:
    """Run the role from the client; return its exit code, all that it says and what it keeps."""
    owner = {"owner": "soc@corp.test", "approved_by": "CHG1", "reason": "alerts", "review_by": "2099-01-01"}
    policy = {
        "ports": [port],
        "zones": {
            "vaults": {"group": "vaults", "managed": False},
            "gateway": {"addresses": [network.server[4], network.server[6]], "name": NAME},
        },
        "paths": [{"id": "alerts", "from": "vaults", "to": "gateway", "port": port, "encryption": "starttls", **owner}],
        "sentinels": [{"name": "router", "address": network.router[4]}],
    }
    given = {
        "smtp_policy": policy,
        "path_verification_ca": world.ca.pem,
        "path_verification_folder": str(folder),
        "path_verification_drift": False,
        "path_verification_proof": False,
        "path_verification_locate": "nothing",
        "path_verification_control_ports": [22],
        **variables,
    }
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "smtp_addresses": list(network.client.values()),
    }
    inventory = {"vaults": {"hosts": {"vault1": host}}, "all": {"vars": given}}
    (folder / "inventory.json").write_text(json.dumps(inventory))
    (folder / "play.yml").write_text(_PLAY)
    done = subprocess.run(
        [
            *("ip", "netns", "exec", network.names["client"], str(Path(sys.executable).parent / "ansible-playbook")),
            *("-vvv", "-i", str(folder / "inventory.json"), str(folder / "play.yml")),
        ],
        cwd=CHECKOUT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    kept = folder / "verification.json"
    return done.returncode, done.stdout + done.stderr, json.loads(kept.read_text()) if kept.exists() else {}


def allowed(evidence: Any) -> list[dict[str, Any]]:
    return [row for row in evidence["rows"] if row["expect"] == "allowed"]


ACCOUNT = {"path_verification_username": USER, "path_verification_password": PASSWORD}
MAIL = {
    **ACCOUNT,
    "path_verification_depth": "mail",
    "path_verification_sender": "alerts@corp.test",
    "path_verification_recipient": "soc@corp.test",
}


def test_role_logs_in_and_asks_for_the_recipient(network: Network, world: World, heard: Path, tmp_path: Path) -> None:
    heard.unlink(missing_ok=True)
    code, said, evidence = verify(network, world, tmp_path, **MAIL)
    assert code == 0, said
    assert evidence["passed"] is True
    rows = allowed(evidence)
    assert {row["depth"] for row in rows} == {"mail"}
    assert {row["address"] for row in rows} == set(network.server.values())
    assert all("accepts <soc@corp.test> from <alerts@corp.test>" in row["reason"] for row in rows)
    words = heard.read_text()
    assert "tls MAIL FROM:<alerts@corp.test>" in words
    assert "DATA" not in words
    assert all(line.startswith("tls ") for line in words.splitlines() if "AUTH" in line)
    # The account's name garbles no name of a host, and its password is nowhere.
    assert {row["probe_host"] for row in evidence["rows"]} == {"vault1"}
    everything = said + "".join(file.read_text() for file in tmp_path.glob("*.*") if file.name != "inventory.json")
    assert "vault1" in everything
    assert PASSWORD not in everything


def test_role_fails_when_the_account_is_refused(network: Network, world: World, heard: Path, tmp_path: Path) -> None:
    secret = "another-Xq8-secret"
    wrong = {**ACCOUNT, "path_verification_depth": "auth", "path_verification_password": secret}
    code, said, evidence = verify(network, world, tmp_path, **wrong)
    assert code != 0
    assert {(row["outcome"], row["class"]) for row in allowed(evidence)} == {("auth_failed", "auth_refused")}
    assert "check user name, password" in said
    everything = said + "".join(file.read_text() for file in tmp_path.glob("*.*") if file.name != "inventory.json")
    assert secret not in everything


def test_role_fails_when_the_recipient_is_refused(network: Network, world: World, heard: Path, tmp_path: Path) -> None:
    code, said, evidence = verify(network, world, tmp_path, PORT + 1, **MAIL)
    assert code != 0
    assert {(row["outcome"], row["class"]) for row in allowed(evidence)} == {("mail_refused", "recipient_refused")}
    assert "correct the recipient" in said
    assert "unknown &lt;b&gt;" in (tmp_path / "report.html").read_text()


def test_run_in_which_every_probe_fails_leaves_no_earlier_result(
    network: Network, world: World, heard: Path, tmp_path: Path
) -> None:
    """Else the page of the day before would still say that everything is as declared."""
    assert verify(network, world, tmp_path)[0] == 0
    code, said, evidence = verify(network, world, tmp_path, path_verification_ca="-----BEGIN CERTIFICATE-----")
    assert code != 0, said
    assert evidence["passed"] is False
    (missing,) = evidence["missing"]
    assert missing["host"] == "vault1"
    assert "ca_pem" in missing["reason"]
    assert "everything is as declared" not in (tmp_path / "report.html").read_text().partition("History")[0]
    assert "ca_pem" in (tmp_path / "junit.xml").read_text()
