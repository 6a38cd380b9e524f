# SPDX-License-Identifier: GPL-3.0-or-later
"""Probing from a host without Python: real SSH servers, a jump host, real rules behind them, and SSH that fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import NAME, World
from .network import Network, sh
from .ssh_hosts import JUMP, VAULT, SshHosts

CHECKOUT = Path(__file__).resolve().parents[3]

RULES = {
    1011: "reject with tcp reset",
    1012: "reject with icmpx type admin-prohibited",
    1013: "drop",
    1014: "reject with icmpx type port-unreachable",
}
CLOSED = 1099
FORWARD = "table inet t {{ chain c {{ type filter hook forward priority 0\n{}\n}}\n}}"
HOW_REFUSED = "whether a TCP reset or an ICMP error refused, and whose it was: SSH tells neither"


@pytest.fixture(scope="module")
def hosts(network: Network, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    made = SshHosts(network, tmp_path_factory.mktemp("ssh"))
    try:
        made.up()
        made.serve("jump")
        made.serve("vault")
        network.nft("router", FORWARD.format("\n".join(f"tcp dport {port} {what}" for port, what in RULES.items())))
        yield made
    finally:
        made.down()
        network.nft("router", "")


def one(result: dict[str, Any]) -> dict[str, Any]:
    (row,) = result["rows"]
    return row


def test_refusal_alone_is_no_sign_of_life_over_ssh(hosts: SshHosts, network: Network) -> None:
    """A rule of the host that dials may have refused, whatever becomes of its network."""
    target = {"destination": network.server[4], "port": CLOSED, "expect": "blocked"}
    row = one(hosts.probe([target], control_ports=[1098], require_answer=False))
    assert (row["outcome"], row["control"], row["verdict"]) == ("refused", "none", "unproven")


@pytest.fixture(scope="module")
def rows(hosts: SshHosts, network: Network, world: World) -> dict[tuple[str, str, int], dict[str, Any]]:
    """(expectation, destination, port) → row, probed through the jump host."""
    places = [(network.server[4], port) for port in (*RULES, CLOSED, world.ports["good"], world.ports["silent"])]
    places += [(network.absent[4], 25), ("10.99.0.1", 25), (network.other[4], 1013), (network.server[6], CLOSED)]
    targets = [
        {"destination": address, "port": port, "expect": expect}
        for expect in ("allowed", "blocked")
        for address, port in places
    ]
    found = hosts.probe(targets, depth="connect")
    return {(row["expect"], row["destination"], row["port"]): row for row in found["rows"]}


@pytest.mark.parametrize(
    ("port", "outcome"),
    [(1011, "refused"), (1012, "rejected"), (1013, "filtered"), (1014, "refused"), (CLOSED, "refused")],
)
@pytest.mark.parametrize(("expect", "verdict"), [("allowed", "fail"), ("blocked", "pass")])
def test_what_stops_behind_the_vault(
    rows, network: Network, port: int, outcome: str, expect: str, verdict: str
) -> None:
    row = rows[expect, network.server[4], port]
    assert (row["outcome"], row["verdict"], row["via"]) == (outcome, verdict, VAULT)
    assert row["control"] == ("destination" if expect == "blocked" else None)
    assert row["attempts"] == (2 if expect == "allowed" else 1)
    assert row["evidence"].keys() <= {"text", "errno"}, "more than SSH can tell"
    assert (HOW_REFUSED in row["cannot_tell"]) == (outcome == "refused")


def test_open_is_open(rows, network: Network, world: World) -> None:
    for port in (world.ports["good"], world.ports["silent"]):
        assert rows["allowed", network.server[4], port]["verdict"] == "pass"
        assert rows["blocked", network.server[4], port]["verdict"] == "fail"


def test_other_family(rows, network: Network) -> None:
    assert rows["blocked", network.server[6], CLOSED]["verdict"] == "pass"


def test_absent_host_and_missing_route_never_pass_as_blocked(rows, network: Network) -> None:
    absent, unrouted = rows["blocked", network.absent[4], 25], rows["blocked", "10.99.0.1", 25]
    assert (absent["outcome"], absent["verdict"]) == ("no_route", "error")
    # connect() failed at once, and then OpenSSH says "open failed" and no more.
    assert (unrouted["class"], unrouted["verdict"]) == ("carrier_unclear", "error")


@pytest.mark.parametrize(
    ("server", "outcome", "seen"),
    [
        ("good", "open", "open"),
        ("implicit", "open", "open"),
        ("misnamed", "wrong_server", "wrong_certificate"),
        ("expired", "tls_failed", "tls_failed"),
        ("untrusted", "tls_failed", "tls_failed"),
        ("plain", "tls_missing", "tls_not_offered"),
        ("busy", "greeting_refused", "greeting_421"),
        ("pop3", "not_smtp", "not_smtp"),
        ("hang_up", "not_smtp", "closed_after_accept"),
        ("silent", "banner_timeout", "banner_timeout"),
    ],
)
def test_sessions(hosts: SshHosts, network: Network, world: World, server: str, outcome: str, seen: str) -> None:
    encryption = "implicit" if server == "implicit" else "starttls"
    target = {"destination": network.server[4], "port": world.ports[server], "encryption": encryption, "name": NAME}
    row = one(hosts.probe([target], ca_pem=world.ca.pem, timeout=2.0))
    assert (row["outcome"], row["class"]) == (outcome, seen), row["evidence"]["text"]
    assert row["verdict"] == ("pass" if outcome == "open" else "fail")
    if outcome == "open":
        assert row["evidence"]["name_verified"] is True
    if server in ("expired", "untrusted", "misnamed"):
        assert row["evidence"]["certificate_names"], "the certificate was not looked at"
    if server == "silent":
        assert "whether what was sent is acknowledged: SSH does not tell" in row["cannot_tell"]
    if server == "hang_up":
        assert "whether the connection was closed or reset: over SSH both look the same" in row["cannot_tell"]


def test_flood_is_cut_off_and_drip_ends(hosts: SshHosts, network: Network, world: World) -> None:
    targets = [
        {"destination": network.server[4], "port": world.ports[name], "depth": "banner"} for name in ("flood", "drip")
    ]
    found = hosts.probe(targets, timeout=2.0)
    assert {row["verdict"] for row in found["rows"]} == {"fail"}
    assert found["seconds"] < 15


def test_source_and_name_are_left_open(hosts: SshHosts, network: Network) -> None:
    target = {"destination": network.server[4], "port": CLOSED, "expect": "blocked", "source": network.client[4]}
    row = one(hosts.probe([target], depth="connect"))
    assert f"whether it left {VAULT} from {network.client[4]}: its SSH server takes no source" in row["cannot_tell"]
    named = hosts.probe([{"destination": "localhost", "port": CLOSED, "expect": "blocked"}], depth="connect")["rows"]
    assert any(f"leads to {row['address']} on {VAULT} too" in " ".join(row["cannot_tell"]) for row in named)


# -- whom to trust, who to be ------------------------------------------------------------------------------------

TARGET = [{"destination": "10.91.2.10", "port": CLOSED, "expect": "blocked"}]


def refused(hosts: SshHosts, hops: list[dict[str, Any]], **settings: Any) -> str:
    done = hosts.ask(TARGET, hops, **settings)
    assert done.returncode != 0, "it went ahead"
    return done.stderr


@pytest.mark.parametrize("known", [{}, {JUMP: "jump"}])
def test_unknown_host_is_not_talked_to(hosts: SshHosts, known: dict[str, str]) -> None:
    who = VAULT if known else JUMP
    said = refused(hosts, [hosts.hop(JUMP), hosts.hop()], known_hosts=hosts.know(known, "few"))
    assert f"no host key of {who} is in" in said
    assert sh("ssh-keygen", "-lf", str(hosts.folder / ("vault" if known else "jump"))).split()[1] in said


def test_changed_key_is_not_talked_to(hosts: SshHosts) -> None:
    said = refused(hosts, [hosts.hop(JUMP)], known_hosts=hosts.know({JUMP: "other"}, "changed"))
    assert "has another for 10.91.8.1; nothing was sent" in said


def test_revoked_key_is_not_talked_to(hosts: SshHosts) -> None:
    file = Path(hosts.know({JUMP: "jump"}, "revoked"))
    file.write_text(f"{file.read_text()}@revoked * {hosts.public('jump')}\n")
    assert "is revoked" in refused(hosts, [hosts.hop(JUMP)], known_hosts=str(file))


def test_hashed_names_and_other_ports_are_known(hosts: SshHosts) -> None:
    hosts.serve("jump", extra="", port=2022)
    file = hosts.know({f"[{JUMP}]:2022": "jump"}, "hashed")
    sh("ssh-keygen", "-q", "-H", "-f", file)
    assert JUMP not in Path(file).read_text()
    done = hosts.ask([{**TARGET[0], "destination": JUMP}], [hosts.hop(JUMP, port=2022)], known_hosts=file)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("key", ["locked", "rsa"])
def test_keys_of_other_kinds(hosts: SshHosts, key: str) -> None:
    hop = hosts.hop(JUMP, key, key_passphrase="a phrase" if key == "locked" else None)
    assert hosts.ask([{**TARGET[0], "destination": JUMP}], [hop]).returncode == 0


@pytest.mark.parametrize(
    ("key", "phrase", "word"),
    [
        ("stranger", None, "refuses the login (the key)"),
        ("locked", None, "it is encrypted; give key_passphrase"),
        ("locked", "not this one", "key_passphrase does not open it"),
        ("missing", None, "No such file"),
        ("user.pub", None, "no Ed25519, ECDSA or RSA key"),
    ],
)
def test_keys_that_open_nothing(hosts: SshHosts, key: str, phrase: str | None, word: str) -> None:
    said = refused(hosts, [hosts.hop(JUMP, key, key_passphrase=phrase)])
    assert word in said
    assert phrase is None or phrase not in said.replace("key_passphrase", "")


def test_agent(hosts: SshHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = str(hosts.folder / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 5
        while not Path(socket).exists() and time.monotonic() < until:
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        sh("ssh-add", "-q", str(hosts.folder / "user"))
        question = hosts.question([{**TARGET[0], "destination": JUMP}], [hosts.hop(JUMP, key_file=None)])
        done = subprocess.run(hosts.argv(), input=question, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        agent.terminate()
        agent.wait()
    assert "nothing to try" in refused(hosts, [hosts.hop(JUMP, key_file=None)])


def test_no_server_and_none_that_speaks_ssh(hosts: SshHosts, network: Network, world: World) -> None:
    assert "ssh to root@10.91.8.1:7: Connection refused" in refused(hosts, [hosts.hop(JUMP, port=7)], timeout=3.0)
    said = refused(hosts, [hosts.hop(JUMP), hosts.hop(VAULT, port=7)], timeout=3.0)
    assert "through root@10.91.8.1: Connection refused" in said


# -- SSH that forwards nothing, or breaks ------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["AllowTcpForwarding no", "PermitOpen 10.91.2.10:25"])
def test_forbidden_forwarding_is_no_block(hosts: SshHosts, extra: str) -> None:
    port = 2100 + len(extra)
    hosts.serve("vault", extra=extra, port=port)
    known = hosts.know({JUMP: "jump", f"[{VAULT}]:{port}": "vault"}, "ports")
    found = hosts.probe(TARGET, [hosts.hop(JUMP), hosts.hop(port=port)], known_hosts=known, depth="connect")
    row = one(found)
    assert (row["class"], row["verdict"]) == ("carrier_forbids", "error")
    assert "PermitOpen" in row["evidence"]["text"]


def descendants(pid: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def while_probing(hosts: SshHosts, port: int, meanwhile: Any, targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Probe through a server of its own; *meanwhile* gets its sessions once they try to connect."""
    server = hosts.serve("vault", port=port)
    known = hosts.know({JUMP: "jump", f"[{VAULT}]:{port}": "vault"}, f"known-{port}")
    question = hosts.question(
        targets, [hosts.hop(JUMP), hosts.hop(port=port)], known_hosts=known, depth="connect", timeout=2.0
    )
    asked, said = hosts.folder / f"question-{port}", hosts.folder / f"answer-{port}"
    asked.write_text(question)
    with asked.open() as given, said.open("wb") as out:
        probe = subprocess.Popen(hosts.argv(), stdin=given, stdout=out)
    try:
        until = time.monotonic() + 20
        # Until the vault's server is connecting for us. `ip netns exec` becomes sshd, whose children are the sessions.
        while not sh("ip", "netns", "exec", hosts.vault, "ss", "-Htn", "state", "syn-sent"):
            assert time.monotonic() < until, "nothing was asked for"
            time.sleep(0.02)
        time.sleep(0.2)
        meanwhile(descendants(server.pid))
        assert probe.wait(60) == 0
    finally:
        probe.kill()
        probe.wait()
    rows: list[dict[str, Any]] = json.loads(said.read_text())["rows"]
    return rows


SILENT = [{"destination": "10.91.2.10", "port": 1013, "expect": expect} for expect in ("allowed", "blocked")] * 20


def test_killed_server_blocks_nothing(hosts: SshHosts) -> None:
    def kill(sessions: list[int]) -> None:
        for session in sessions:
            os.kill(session, signal.SIGKILL)

    found = while_probing(hosts, 2201, kill, SILENT)
    lost = [row for row in found if row["class"] == "carrier_lost"]
    assert lost, "nothing was under way"
    assert all(row["verdict"] == "error" for row in lost)
    # What was asked for later went over a connection of its own, and may be known.
    assert {row["class"] for row in found} <= {"carrier_lost", "filtered"}


def test_server_that_hangs_up_again_and_again_is_given_up(hosts: SshHosts) -> None:
    def kill_each(_sessions: list[int]) -> None:
        until = time.monotonic() + 8
        while time.monotonic() < until:
            # Only those that are in use: who is killed while logging in is no loss, but a failure.
            if sh("ip", "netns", "exec", hosts.vault, "ss", "-Htn", "state", "syn-sent"):
                for session in descendants(hosts.servers[-1].pid):
                    with contextlib.suppress(ProcessLookupError):  # it ended with the one before
                        os.kill(session, signal.SIGKILL)
            time.sleep(0.05)

    found = while_probing(hosts, 2206, kill_each, SILENT * 10)
    logins = (hosts.folder / "vault-2206.log").read_text().count("Accepted publickey")
    assert 1 < logins <= 4
    assert {row["class"] for row in found} <= {"carrier_lost", "filtered"}
    assert "one after the other" in " ".join(row["evidence"]["text"] for row in found)


def test_stopped_server_blocks_nothing(hosts: SshHosts) -> None:
    stopped: list[int] = []

    def stop(sessions: list[int]) -> None:
        stopped.extend(sessions)
        for session in sessions:
            os.kill(session, signal.SIGSTOP)

    try:
        found = while_probing(hosts, 2202, stop, SILENT)
    finally:
        for session in stopped:
            os.kill(session, signal.SIGCONT)
    lost = [row for row in found if row["class"] == "carrier_lost"]
    assert lost
    assert all(row["verdict"] == "error" for row in lost)
    assert not [row for row in found if row["class"] not in ("carrier_lost", "filtered")]


def test_answer_that_waits_in_the_connection_is_no_silence(hosts: SshHosts, network: Network, world: World) -> None:
    """The server's side pauses for longer than silence takes; what it says then still counts."""

    def pause(sessions: list[int]) -> None:
        for session in sessions:
            os.kill(session, signal.SIGSTOP)
        time.sleep(1.6)
        for session in sessions:
            os.kill(session, signal.SIGCONT)

    # The first ones fill the room, so that the open ones are asked for while the server stands still.
    targets = [
        *SILENT,
        *SILENT,
        *([{"destination": "10.91.2.10", "port": world.ports["good"], "expect": "blocked"}] * 40),
    ]
    found = while_probing(hosts, 2203, pause, targets)
    silent = [row for row in found if row["port"] == world.ports["good"] and row["verdict"] == "pass"]
    assert not silent, "an open port passed as blocked"


def test_many_silent_targets_wear_out_no_server(hosts: SshHosts, network: Network, world: World) -> None:
    """More requests than one server has descriptors for: OpenSSH holds each for two minutes."""
    targets = [{"destination": "10.91.2.10", "port": 1013, "expect": "blocked"}] * 400
    targets += [{"destination": "10.91.2.10", "port": world.ports["good"], "expect": "allowed"}] * 50
    server = hosts.serve("vault", port=2204)
    sh("prlimit", f"--pid={server.pid}", "--nofile=1024:1024")
    known = hosts.know({JUMP: "jump", f"[{VAULT}]:2204": "vault"}, "many")
    found = hosts.probe(targets, [hosts.hop(JUMP), hosts.hop(port=2204)], known_hosts=known, depth="connect")
    assert found["summary"] == {"pass": 450, "fail": 0, "error": 0, "unproven": 0}
    assert found["seconds"] < 60


def test_server_out_of_descriptors_is_no_block(hosts: SshHosts) -> None:
    server = hosts.serve("vault", port=2205)
    sh("prlimit", f"--pid={server.pid}", "--nofile=24:24")
    known = hosts.know({JUMP: "jump", f"[{VAULT}]:2205": "vault"}, "starved")
    targets = [{"destination": "10.91.2.10", "port": 1013, "expect": "blocked"}] * 30
    found = hosts.probe(targets, [hosts.hop(JUMP), hosts.hop(port=2205)], known_hosts=known, depth="connect")
    starved = [row for row in found["rows"] if row["outcome"] == "local_error"]
    assert starved
    assert all(row["verdict"] == "error" for row in starved)
    assert {row["outcome"] for row in found["rows"]} <= {"local_error", "filtered"}


def test_host_that_gives_no_threads_blocks_nothing(hosts: SshHosts) -> None:
    targets = [{"destination": "10.91.2.10", "port": 1013, "expect": "blocked"}] * 60
    question = hosts.question(targets, [hosts.hop(JUMP), hosts.hop()], depth="connect")
    words = ["prlimit", f"--as={700 << 20}:{700 << 20}"]  # each thread's stack is 8 MB of addresses
    argv = hosts.argv()
    done = subprocess.run(
        [*argv[:4], *words, *argv[4:]], input=question, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["rows"]
    starved = [row for row in found if "no thread" in row["evidence"]["text"]]
    assert starved
    assert all(row["verdict"] == "error" for row in starved)
    assert {row["outcome"] for row in found} <= {"local_error", "filtered"}


LOSS = "table inet loss { chain c { type filter hook prerouting priority -300; numgen random mod 100 < 5 drop\n}\n}"


def test_lossy_network(hosts: SshHosts, network: Network, world: World) -> None:
    """5 % of the packets are lost each way, of the SSH connections and behind the vault."""
    targets = [
        {"destination": "10.91.2.10", "port": port, "expect": expect}
        for port, expect in ((world.ports["good"], "allowed"), (1013, "blocked"), (CLOSED, "blocked"))
    ] * 40
    ends = (hosts.vault, hosts.names["jump"], network.names["server"])
    try:
        for namespace in ends:
            sh("ip", "netns", "exec", namespace, "nft", "-f", "-", text=LOSS)
        found = hosts.probe(targets, depth="connect")
    finally:
        for namespace in ends:
            sh("ip", "netns", "exec", namespace, "nft", "delete", "table", "inet", "loss")
    assert found["summary"] == {"pass": 120, "fail": 0, "error": 0, "unproven": 0}
    assert {row["outcome"] for row in found["rows"] if row["port"] == CLOSED} == {"refused"}


# -- the role ----------------------------------------------------------------------------------------------------

_PLAY = """
- hosts: all
  gather_facts: false
  roles:
    - alertpath.smtp.policy_plan
    - alertpath.smtp.path_verification
"""


def verify(hosts: SshHosts, network: Network, world: World, known: str, **more: str) -> tuple[int, str, dict[str, Any]]:
    """Run the role over SSH from the controller, for a vault that has no Python; return what it says and kept."""
    folder = hosts.folder / f"role-{Path(known).name}"
    folder.mkdir()
    owner = {"owner": "soc@corp.test", "approved_by": "CHG1", "reason": "alerts", "review_by": "2099-01-01"}
    port = world.ports["good"]
    policy = {
        "ports": [port, CLOSED],
        "zones": {
            "vaults": {"group": "vaults", "managed": False},
            "gateway": {"addresses": [network.server[4]], "name": NAME},
        },
        "paths": [{"id": "alerts", "from": "vaults", "to": "gateway", "port": port, "encryption": "starttls", **owner}],
        "sentinels": [{"name": "router", "address": network.router[4]}],
    }
    variables = {
        "smtp_policy": policy,
        "path_verification_ca": world.ca.pem,
        "path_verification_via": "ssh",
        "path_verification_ssh_jumps": [{"host": JUMP, "user": "root", "key_file": str(hosts.folder / "user")}],
        "path_verification_known_hosts": known,
        "path_verification_folder": str(folder),
    }
    host = {
        "ansible_host": VAULT,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(hosts.folder / "user"),
        "ansible_python_interpreter": "/there/is/none",
        **more,
    }
    inventory = {"vaults": {"hosts": {"vault1": host}}, "all": {"vars": variables}}
    (folder / "inventory.json").write_text(json.dumps(inventory))
    (folder / "play.yml").write_text(_PLAY)
    done = subprocess.run(
        [
            *("ip", "netns", "exec", hosts.names["control"], str(Path(sys.executable).parent / "ansible-playbook")),
            *("-vvv", "-i", str(folder / "inventory.json"), str(folder / "play.yml")),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    kept = folder / "verification.json"
    return done.returncode, done.stdout + done.stderr, json.loads(kept.read_text()) if kept.exists() else {}


def test_role_verifies_a_host_without_python(hosts: SshHosts, network: Network, world: World, router_ssh: None) -> None:
    code, said, evidence = verify(hosts, network, world, str(hosts.folder / "known"))
    assert code == 0, said
    assert evidence["passed"] is True
    assert {row["via"] for row in evidence["rows"]} == {VAULT}
    (path,) = [row for row in evidence["rows"] if row["expect"] == "allowed"]
    assert path["evidence"]["name_verified"] is True
    assert sum(row["expect"] == "blocked" for row in evidence["rows"]) >= 3


def test_role_shows_no_secret_of_the_way(hosts: SshHosts, network: Network, world: World, router_ssh: None) -> None:
    known = hosts.know({JUMP: "jump", VAULT: "vault"}, "known-secret")
    code, said, evidence = verify(hosts, network, world, known, ansible_password="Xq7-not-for-logs")
    assert code == 0, said
    assert "Xq7-not-for-logs" not in said + json.dumps(evidence)


def test_role_stops_at_a_host_it_does_not_know(hosts: SshHosts, network: Network, world: World) -> None:
    code, said, _evidence = verify(hosts, network, world, hosts.know({JUMP: "other"}, "not-known"))
    assert code != 0
    assert "has another for 10.91.8.1" in said
