# SPDX-License-Identifier: GPL-3.0-or-later
"""The role as a play calls it, on this machine: what it writes, that it changes nothing twice, and contacts no host."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.filter.instagate_worksheet import instagate_worksheet
from ansible_collections.alertpath.smtp.plugins.filter.plan_matrix import plan_matrix
from ansible_collections.alertpath.smtp.plugins.filter.policy_audit import policy_audit
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather

ROOT = Path(__file__).parents[4]
TODAY = "2026-11-23"
INJECTED = "{{ 7 * 7 }} {{ lookup('pipe', 'echo was here') }} <script>"


@dataclass(frozen=True)
class Run:
    """How a play ended."""

    code: int
    shown: str

    @property
    def changed(self) -> int:
        return sum(map(int, re.findall(r"changed=(\d+)", self.shown)))


def play(*options: str, **variables: Any) -> Run:
    """Run playbooks/documents.yml for the example. Whoever opens a connection to a host fails."""
    given = {"ansible_ssh_executable": "/bin/false", "policy_documents_today": TODAY, **variables}
    done = subprocess.run(
        [
            *(
                Path(sys.executable).with_name("ansible-playbook"),
                "-i",
                "inventories/example",
                "playbooks/documents.yml",
            ),
            *("-e", json.dumps(given), *options),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout)


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    """A folder after a check, and two runs."""
    folder = tmp_path_factory.mktemp("role") / "documents"
    check = play("--check", "--diff", policy_documents_folder=str(folder))
    assert not folder.exists()
    return folder, [check, *(play(policy_documents_folder=str(folder)) for _turn in range(2))]


def test_check_tells_and_two_runs_change_once(written) -> None:
    folder, (check, first, second) = written
    assert (check.code, first.code, second.code) == (0, 0, 0), first.shown
    assert check.changed == 5
    assert "+# SMTP policy audit, 2026-11-23" in check.shown
    assert (first.changed, second.changed) == (5, 0)
    assert "unreachable=0" in first.shown
    assert sorted(texts(folder)) == ["audit.html", "audit.md", "instagate-routers.md", "matrix.txt", "plan.json"]


def test_files_are_what_the_filters_give(written) -> None:
    folder, _runs = written
    found = texts(folder)
    plan = json.loads(found["plan.json"])
    assert sorted(plan) == ["digest", "findings", "hosts", "lockdown", "paths", "ports", "sentinels", "zones"]
    assert found["audit.md"] == policy_audit(plan, "markdown", today=TODAY)
    assert found["audit.html"] == policy_audit(plan, "html", today=TODAY)
    assert found["matrix.txt"].splitlines() == plan_matrix(plan, form="lines")
    assert found["instagate-routers.md"] == instagate_worksheet(plan)[0]["markdown"]
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in found.values())


@pytest.fixture(scope="module")
def full(written, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Run]:
    """What is written with evidence, for a cloud and a Vault, beside what other hands and an earlier plan left."""
    hosts = json.loads((written[0] / "plan.json").read_text())["hosts"]
    seen = {"outcome": "open", "evidence": {}, "verdict": "pass", "reason": INJECTED}
    results = {n: {"rows": [{**p, **seen, "address": p["destination"]} for p in h["probes"]]} for n, h in hosts.items()}
    evidence = tmp_path_factory.mktemp("evidence") / "evidence.json"
    evidence.write_text(json.dumps(as_data(gather(hosts, results))))
    os.utime(evidence, (0, 1795240800))
    folder = tmp_path_factory.mktemp("full")
    (folder / "instagate-gone.md").write_text((written[0] / "instagate-routers.md").read_text())
    (folder / "instagate-notes.md").write_text("My own notes on the InstaGate.\n")
    run = play(
        policy_documents_folder=str(folder),
        policy_documents_evidence=[str(evidence)],
        policy_documents_cloud=[{"provider": "aws", "names": ["vaults"], "file": "vaults"}],
        policy_documents_dbparm=["vault1"],
    )
    assert run.code == 0, run.shown
    return texts(folder), run


def test_evidence_proves_and_its_texts_are_never_templates(full) -> None:
    found, _run = full
    assert "- **Last proven:** 2026-11-21T06:00:00Z" in found["audit.md"]
    assert "{{ 7 \\* 7 }} {{ lookup('pipe', 'echo was here') }} \\<script\\>" in found["audit.md"]
    assert "<script" not in found["audit.html"]


def test_evidence_that_is_not_there_stops_the_play(tmp_path) -> None:
    run = play(policy_documents_folder=str(tmp_path / "d"), policy_documents_evidence=[str(tmp_path / "none.json")])
    assert run.code != 0
    assert "none.json" in run.shown
    assert not (tmp_path / "d" / "audit.md").exists()


def test_worksheets_of_earlier_plans_go_and_other_files_stay(full) -> None:
    found, _run = full
    assert {"instagate-routers.md", "instagate-notes.md"} == {name for name in found if name.startswith("instagate-")}


def test_clouds_and_vaults_are_written_where_asked_for(full) -> None:
    found, run = full
    cloud = json.loads(found["cloud-vaults.json"])
    assert (cloud["provider"], [group["name"] for group in cloud["groups"]]) == ("aws", ["vaults"])
    assert "no SMTP egress" in run.shown
    assert json.loads(found["dbparm.json"])["hosts"]["vault1"]["lines"] == [
        "AllowNonStandardFWAddresses=[192.0.2.129],Yes,587:outbound/tcp"
    ]


def test_acls_are_written_or_it_is_said_what_they_need(tmp_path) -> None:
    wanted = [{"target": "cisco", "families": ["ipv4"], "file": "edge"}]
    run = play(policy_documents_folder=str(tmp_path), policy_documents_perimeter=wanted)
    if importlib.util.find_spec("aerleon") is None:
        assert run.code != 0
        assert "install it for the Python" in " ".join(run.shown.split())
        return
    assert run.code == 0, run.shown
    assert "permit tcp host 192.0.2.11 host 192.0.2.129 eq 587" in (tmp_path / "perimeter-edge.txt").read_text()
    assert json.loads((tmp_path / "perimeter-edge.json").read_text())["target"] == "cisco"
    assert play(policy_documents_folder=str(tmp_path), policy_documents_perimeter=wanted).changed == 0
