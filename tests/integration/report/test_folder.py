# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of results as the role writes it, run after run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/unit/plugins/plugin_utils/report"))

import report_samples as samples

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: "{{ written_by }}"
"""


def verify(folder: Path, at: str) -> None:
    """Let the role write what a run at *at* found."""
    evidence = as_data(gather(samples.planned(), samples.results(), samples.drift(), samples.proof()))
    given = {
        "path_verification_folder": str(folder / "results"),
        "path_verification_evidence": {**evidence, "at": at, "digest": samples.DIGEST},
        "smtp_plan": samples.plan(),
        "ansible_python_interpreter": sys.executable,
        "written_by": str(ROOT / "roles/path_verification/tasks/folder.yml"),
    }
    (folder / "play.yml").write_text(PLAY)
    (folder / "given.json").write_text(json.dumps(given))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"@{folder / 'given.json'}", "play.yml"]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_run_replaces_the_page_and_adds_to_the_history(tmp_path: Path) -> None:
    verify(tmp_path, "2026-11-22T03:00:00Z")
    verify(tmp_path, "2026-11-23T03:00:00Z")
    results = tmp_path / "results"
    assert sorted(path.name for path in results.iterdir()) == [
        "history.json",
        "junit.xml",
        "report.html",
        "verification.json",
    ]
    assert {oct(path.stat().st_mode & 0o777) for path in results.iterdir()} == {"0o640"}
    assert [run["at"] for run in json.loads((results / "history.json").read_text())["runs"]] == [
        "2026-11-22T03:00:00Z",
        "2026-11-23T03:00:00Z",
    ]
    page = (results / "report.html").read_text()
    assert "The last 2 runs" in page
    assert "Earlier runs are missing" not in page
    assert json.loads((results / "verification.json").read_text())["at"] == "2026-11-23T03:00:00Z"
    assert ET.parse(results / "junit.xml").getroot().get("failures") != "0"


def test_a_history_that_was_cut_off_loses_no_result(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for broken in (b'{"version": 1, "runs": [{"at"', b"\xff\xfe\x00", b""):
        (results / "history.json").write_bytes(broken)
        verify(tmp_path, "2026-11-23T03:00:00Z")
        assert "Earlier runs are missing" in (results / "report.html").read_text()
        assert len(json.loads((results / "history.json").read_text())["runs"]) == 1
