# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter perimeter_acl, and that the examples of docs/perimeter.md run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jmespath
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.perimeter_acl import FilterModule

from ..plugin_utils.outputs.audit_samples import plan

ROOT = Path(__file__).resolve().parents[4]
perimeter_acl = FilterModule().filters()["perimeter_acl"]


def test_it_gives_plain_data() -> None:
    found = perimeter_acl(plan(), "cisco", today="2026-11-23")
    assert json.loads(json.dumps(found)) == found
    assert jmespath.search("terms[?path=='vault-to-tunnel'].owner | [0]", found) == "soc@corp.test"
    assert "permit tcp host 10.77.20.11 host 10.77.30.11 eq 587" in found["text"]


def test_single_words_count_as_lists() -> None:
    found = perimeter_acl(plan(), "cisco", families="ipv6", paths="vault-to-tunnel", today="2026-11-23")
    assert jmespath.search("acls[].family", found) == ["ipv6"]
    assert jmespath.search("terms[].path", found) == ["vault-to-tunnel"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"plan": {}}, "perimeter_acl: digest is missing; give what alertpath.smtp.smtp_plan returned"),
        ({"today": "soon"}, "perimeter_acl: today 'soon' is not a date"),
        ({"rest": "maybe"}, "perimeter_acl: rest: maybe is not a choice; say one of none, permit, deny"),
        ({"target": "k8s", "options": "x"}, "perimeter_acl: target: k8s is not offered: a NetworkPolicy cannot deny"),
    ],
)
def test_it_refuses_with_the_remedy(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        perimeter_acl(**{"plan": plan(), "target": "cisco", **given})


def test_without_aerleon_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aerleon.lib.naming", None)
    with pytest.raises(AnsibleFilterError, match="perimeter_acl: the Python package aerleon cannot be imported"):
        perimeter_acl(plan(), "cisco")


EXAMPLES = re.findall(r"```yaml\n(- hosts:.*?)```", (ROOT / "docs/perimeter.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_run(number: int, tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(f"---\n{EXAMPLES[number]}")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", str(ROOT / "inventories/example"), "play.yml"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PWD": str(tmp_path),
            "HOME": str(tmp_path),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if number == 0:
        assert " permit tcp host 192.0.2.11 host 192.0.2.129 eq 587\n" in (tmp_path / "border.acl").read_text()
        assert "<member>servers</member>" in (tmp_path / "centre.xml").read_text()
        assert json.loads((tmp_path / "vaults.json").read_text())[0]["FromPort"] == 587
        assert "[192.0.2.129],Yes,587:outbound/tcp" in (tmp_path / "dbparm.txt").read_text()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3
