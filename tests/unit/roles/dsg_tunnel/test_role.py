# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role makes of a plan: a configuration that the service takes, and a unit that is confined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.generation import Generation

ROOT = Path(__file__).parents[4]
ROLE = ROOT / "roles" / "dsg_tunnel"
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: ["{role}/defaults/main.yml", "{role}/vars/main.yml"]
  tasks:
    - ansible.builtin.copy:
        content: "{{{{ {{'config': dsg_tunnel_config, 'contradictions': dsg_tunnel_contradictions}} | to_json }}}}"
        dest: "{folder}/found.json"
        mode: "0600"
    - ansible.builtin.template:
        src: "{role}/templates/alertpath-tunnel.service.j2"
        dest: "{folder}/alertpath-tunnel.service"
        mode: "0600"
    - ansible.builtin.template:
        src: "{role}/templates/alertpath-tunnel.socket.j2"
        dest: "{folder}/alertpath-tunnel.socket"
        mode: "0600"
"""
HOP = {
    "path": "out",
    "host": "mx",
    "address": "198.51.100.25",
    "port": 465,
    "encryption": "implicit",
    "name": "mx.test",
}


def listener(port: int, encryption: str, *clients: str) -> dict[str, Any]:
    return {"paths": [f"{encryption}-{port}"], "port": port, "encryption": encryption, "clients": list(clients)}


def play(folder: Path, text: str, given: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook *text* with the variables *given*."""
    (folder / "play.yml").write_text(text)
    (folder / "vars.json").write_text(json.dumps(given))
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", *options),
            *("-e", f"ansible_python_interpreter={sys.executable}", "-e", f"@{folder}/vars.json"),
            str(folder / "play.yml"),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def derive(folder: Path, *listeners: dict[str, Any], **variables: Any) -> dict[str, Any]:
    """Return what the role derives from a plan with these listeners; the unit lies in *folder*."""
    host = {"addresses": ["192.0.2.129", "2001:db8::129"], "listeners": list(listeners), "next_hops": [HOP]}
    given = {"smtp_plan": {"hosts": {"localhost": host}}, "dsg_tunnel_certificate": "pem", **variables}
    done = play(folder, PLAYBOOK.format(role=ROLE, folder=folder), given)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "found.json").read_text())


def judged(folder: Path, config: dict[str, Any]) -> str:
    """Return what the service says of a configuration, its files aside."""
    file = folder / "config.json"
    file.write_text(Generation(config, {}).rendered(folder))
    done = subprocess.run(
        [sys.executable, "-m", "alertpath_tunnel", "check", "--no-files", str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tunnel" / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_paths_at_one_port_are_one_tunnel_and_only_listed_clients_may_speak_in_clear_text(tmp_path: Path) -> None:
    found = derive(
        tmp_path,
        listener(587, "none", "192.0.2.11", "192.0.2.12"),
        listener(587, "starttls", "192.0.2.12", "192.0.2.13"),
        listener(25, "none", "192.0.2.14"),
    )
    assert found["contradictions"] == []
    clear, mixed = found["config"]["tunnels"]
    assert (clear["name"], clear["tls"], clear["clients"]) == ("smtp-25", {"mode": "none"}, ["192.0.2.14"])
    assert (mixed["name"], mixed["tls"]["mode"], mixed["tls"]["required"]) == ("smtp-587", "starttls", True)
    # 192.0.2.12 has a path that demands TLS, and keeps to it.
    assert mixed["tls"]["clear_text_clients"] == ["192.0.2.11"]
    assert sorted(mixed["clients"]) == ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    assert judged(tmp_path, found["config"]) == ""


def test_network_that_may_speak_in_clear_text_exempts_nobody_in_it_who_may_not(tmp_path: Path) -> None:
    found = derive(
        tmp_path,
        listener(587, "none", "192.0.2.8/30"),
        listener(587, "starttls", "192.0.2.11"),
    )
    (tunnel,) = found["config"]["tunnels"]
    assert tunnel["tls"]["clear_text_clients"] == ["192.0.2.8/31", "192.0.2.10"]
    assert judged(tmp_path, found["config"]) == ""


def test_implicit_tls_and_anything_else_at_one_port_contradict_each_other(tmp_path: Path) -> None:
    found = derive(tmp_path, listener(465, "implicit", "192.0.2.11"), listener(465, "none", "192.0.2.12"))
    assert found["contradictions"] == [465]


def test_status_port_and_log_levels_can_be_left_out_or_set(tmp_path: Path) -> None:
    plain = derive(tmp_path, listener(465, "implicit", "192.0.2.11"))["config"]
    assert plain["status"] == {"address": "127.0.0.1", "port": 9925}
    other = derive(
        tmp_path,
        listener(465, "implicit", "192.0.2.11"),
        dsg_tunnel_status_port=0,
        dsg_tunnel_log_levels={"Tunnel": "error"},
    )["config"]
    assert (other["status"], other["log_levels"]) == (None, {"Tunnel": "error"})
    assert judged(tmp_path, plain) == judged(tmp_path, other) == ""


@pytest.mark.parametrize("port", [25, 587])
def test_unit_is_confined(tmp_path: Path, port: int) -> None:
    derive(tmp_path, listener(port, "none", "192.0.2.11"), dsg_tunnel_workers=4)
    unit = tmp_path / "alertpath-tunnel.service"
    assert "--workers 4" in unit.read_text()
    # Not even when its address comes a minute late is it given up.
    assert "StartLimitIntervalSec=0" in unit.read_text().partition("[Service]")[0].splitlines()
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "exposure level" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_certificate_for_the_next_hop_is_configured_where_there_is_one(tmp_path: Path) -> None:
    given = {"dsg_tunnel_upstream_certificate": "pem", "dsg_tunnel_upstream_certificate_key": "key"}
    config = derive(tmp_path, listener(465, "implicit", "192.0.2.11"), **given)["config"]
    assert config["upstreams"][0]["tls"]["certificate"] == {"chain": "file:upstream.pem", "key": "file:upstream.key"}
    assert judged(tmp_path, config) == ""


def test_sockets_are_those_of_the_tunnels(tmp_path: Path) -> None:
    found = derive(tmp_path, listener(25, "none", "192.0.2.11"), listener(587, "starttls", "192.0.2.12"))
    text = (tmp_path / "alertpath-tunnel.socket").read_text()
    listening = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ListenStream=")]
    assert listening == ["192.0.2.129:25", "[2001:db8::129]:25", "192.0.2.129:587", "[2001:db8::129]:587"]
    assert len(found["config"]["tunnels"]) == 2
    # Only whether the unit is one: what it starts is not on this machine.
    (tmp_path / "alertpath-tunnel.service").write_text("[Service]\nType=notify\nExecStart=/bin/true\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "alertpath-tunnel.socket")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "alertpath" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("workers", [0, 65, -1])
def test_number_of_workers_that_the_service_would_not_start_with_is_refused(tmp_path: Path, workers: int) -> None:
    host = {"addresses": ["192.0.2.129"], "listeners": [listener(25, "none", "192.0.2.11")], "next_hops": [HOP]}
    given = {"smtp_plan": {"hosts": {"localhost": host}}, "dsg_tunnel_workers": workers}
    text = PLAYBOOK.partition("tasks:")[0].format(role=ROLE)
    text += f"tasks:\n    - ansible.builtin.include_tasks: {ROLE}/tasks/present.yml\n"
    done = play(tmp_path, text, given, "--check")
    assert done.returncode != 0
    assert f"1 to 64 as dsg_tunnel_workers (found {workers})" in " ".join(done.stdout.split())
