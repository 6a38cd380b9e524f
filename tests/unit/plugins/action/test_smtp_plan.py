# SPDX-License-Identifier: GPL-3.0-or-later
"""smtp_plan as a play calls it: ansible-core reads the inventory, templates the policy and shows the result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[4]
SECRET = "hunter2-hunter2"

INVENTORY = """\
all:
  vars:
    soc: soc@corp.test
  children:
    vaults:
      hosts:
        vault1: {ansible_host: 10.0.1.1}
        vault2: {ansible_host: vault2.corp.test, smtp_addresses: ["{{ net }}.2", "FD00:1::2"], net: 10.0.1}
    tunnels:
      hosts:
        10.0.2.1: {smtp_name: Tunnel1.Corp.Test}
    others:
      hosts:
        elsewhere: {ansible_host: 127.0.0.1}
        elsewhere2: {ansible_host: 127.0.0.1}
"""

POLICY = """\
smtp_policy:
  zones:
    vaults: {group: vaults}
    tunnels: {group: tunnels}
  paths:
    - id: vault-to-tunnel
      from: vaults
      to: tunnels
      port: 587
      encryption: starttls
      owner: "{{ soc }}"
      approved_by: CHG1
      reason: Alerts
      review_by: 2027-06-30
draft:
  zones:
    vaults: {group: vaults}
    tunnels: {group: tunnels, password: hunter2-hunter2}
  paths:
    - id: vault-to-tunnel
      from: vaults
      to: tunnells
      port: 587
      encryption: none
      owner: soc
      approved_by: CHG1
      reason: Alerts
      review_by: 2027-06-30
"""

CALLS: dict[str, Any] = {
    "plain": {"today": "2026-11-23"},
    "given": {"policy": "{{ smtp_policy }}", "today": "2026-11-23"},
    "refused": {"policy": "{{ draft }}"},
    "soon": {"today": "2027-06-20"},
    "overdue": {"today": "2028-01-01"},
    "allowed": {"today": "2028-01-01", "review_overdue": "warning"},
    "rows": {"today": "2026-11-23", "probes_for": ["vault1"]},
    "day": {"today": "tomorrow"},
    "list": {"policy": ["paths"]},
}


@dataclass(frozen=True)
class Run:
    """What came of CALLS: the result of each, and all that was shown."""

    results: dict[str, Any]
    shown: str


def play(folder: Path, calls: dict[str, Any], inventory: str, policy: str, *options: str) -> Run:
    (folder / "group_vars" / "all").mkdir(parents=True)
    (folder / "hosts.yml").write_text(inventory)
    (folder / "group_vars" / "all" / "smtp_policy.yml").write_text(policy)
    tasks: list[dict[str, Any]] = [
        {"alertpath.smtp.smtp_plan": arguments, "register": f"r_{name}", "ignore_errors": True, "run_once": True}
        for name, arguments in calls.items()
    ]
    content = "{{ {" + ", ".join(f"'{name}': r_{name}" for name in calls) + "} | to_json }}"
    keep = {"content": content, "dest": str(folder / "results.json"), "mode": "0600"}
    tasks.append(
        {
            "ansible.builtin.copy": keep,
            "delegate_to": "localhost",
            "run_once": True,
            "check_mode": False,
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        }
    )
    (folder / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-v", "-i", "hosts.yml", "play.yml", *options],
        cwd=folder,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return Run(json.loads((folder / "results.json").read_text()), done.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("plan"), CALLS, INVENTORY, POLICY)


def test_plan_of_the_inventory(run: Run) -> None:
    plan = run.results["plain"]
    assert not plan["changed"]
    assert sorted(plan["hosts"]) == ["10.0.2.1", "vault1", "vault2"]
    assert plan["hosts"]["vault2"]["addresses"] == ["10.0.1.2", "fd00:1::2"]
    assert plan["hosts"]["vault1"]["next_hops"] == [
        {
            "path": "vault-to-tunnel",
            "host": "10.0.2.1",
            "address": "10.0.2.1",
            "port": 587,
            "encryption": "starttls",
            "name": "tunnel1.corp.test",
        }
    ]
    assert len(plan["digest"]) == 64
    assert plan["ports"] == [25, 465, 587]


def test_policy_may_be_given(run: Run) -> None:
    assert run.results["given"]["hosts"] == run.results["plain"]["hosts"]
    assert run.results["given"]["digest"] == run.results["plain"]["digest"]


def test_refusal_names_every_place_in_the_file(run: Run) -> None:
    refused = run.results["refused"]
    line = next(n for n, text in enumerate(POLICY.splitlines(), 1) if "tunnells" in text)
    assert [(e["path"], e["field"], e["value"]) for e in refused["errors"]] == [
        ("vault-to-tunnel", "encryption", "none"),
        ("vault-to-tunnel", "to", "tunnells"),
        ("zones.tunnels", "password", None),
    ]
    assert refused["errors"][1]["file"] == f"group_vars/all/smtp_policy.yml:{line}"
    assert "is refused for 3 errors:\n" in refused["msg"]
    assert "did you mean 'tunnels'?" in refused["msg"]
    assert "hosts" not in refused


def test_secret_is_never_shown(run: Run) -> None:
    assert SECRET not in run.shown
    assert SECRET not in json.dumps(run.results)


def test_warnings_are_findings_and_shown(run: Run) -> None:
    (finding,) = [f for f in run.results["soon"]["findings"] if f["field"] == "review_by"]
    assert finding["message"] == "is due in 10 days"
    assert "is due in 10 days" in run.shown.replace("\n", " ")
    assert run.results["soon"]["warnings"]


def test_overdue_review_refuses_unless_told_otherwise(run: Run) -> None:
    assert "review_by: 2027-06-30 was 185 days ago" in run.results["overdue"]["msg"]
    assert any(f["field"] == "review_by" for f in run.results["allowed"]["findings"])


def test_probes_of_some_hosts_only(run: Run) -> None:
    hosts = run.results["rows"]["hosts"]
    assert hosts["vault1"]["probes"]
    assert not hosts["vault2"]["probes"]


def test_wrong_options_say_so(run: Run) -> None:
    assert "'tomorrow' is not a date" in run.results["day"]["msg"]
    assert "smtp_policy is not a mapping" in run.results["list"]["msg"]


def test_check_mode_compiles_all_the_same(run: Run, tmp_path: Path) -> None:
    checked = play(tmp_path, {"plain": CALLS["plain"]}, INVENTORY, POLICY, "--check")
    assert checked.results["plain"]["hosts"] == run.results["plain"]["hosts"]


def test_inventory_and_policy_are_refused_together(tmp_path: Path) -> None:
    inventory = INVENTORY.replace("10.0.1.1}", "10.0.1.1, smtp_addresses: [10.0.1.999], smtp_name: not a name}")
    policy = POLICY.replace("to: tunnels", "to: nowhere").partition("draft:")[0]
    refused = play(tmp_path, {"it": {"today": "2026-11-23"}}, inventory, policy).results["it"]
    assert [(e["path"], e["field"], e["file"]) for e in refused["errors"]] == [
        ("vault-to-tunnel", "to", "group_vars/all/smtp_policy.yml:8"),
        ("vault1", "smtp_addresses", None),
        ("vault1", "smtp_addresses", None),
        ("vault1", "smtp_name", None),
    ]


def test_missing_policy_says_where_to_declare_it(tmp_path: Path) -> None:
    result = play(tmp_path, {"it": {}}, INVENTORY, "soc: x").results["it"]
    assert "smtp_policy is not defined" in result["msg"]
