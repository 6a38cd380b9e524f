# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself, as Ansible runs it, in network namespaces of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render
from ansible_collections.alertpath.smtp.plugins.modules import smtp_firewall_info

ROOT = Path(__file__).resolve().parents[4]
PATH = {"path": "p", "source": "10.0.0.1", "destination": "10.0.0.2", "port": 25}
OURS = render.render(model.from_options({"ports": [25, 587], "egress": [PATH]})).text
# The rules arrive as the first argument, the module's arguments on the standard input.
SCRIPT = """
import json, subprocess, sys
subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, check=True)
before = subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
from ansible.module_utils.testing import patch_module_args
from ansible_collections.alertpath.smtp.plugins.modules import smtp_firewall_info
try:
    with patch_module_args(json.load(sys.stdin)):
        smtp_firewall_info.main()
finally:
    after = subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert before == after, "the rules were changed"
"""


def run(rules: str = OURS, **args: Any) -> dict[str, Any]:
    """What the module returns in a namespace with *rules*."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", SCRIPT, rules],
        input=json.dumps({"ports": [25, 587], **args}),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AssertionError" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_declared_rules_are_proved_and_nothing_changes() -> None:
    for check in (False, True):
        result = run(egress=[PATH], expect_proved=True, _ansible_check_mode=check)
        assert (result["passed"], result["changed"]) == (True, False)
        assert result["summary"].startswith("proved")


def test_a_difference_is_returned_and_fails_only_when_asked_for() -> None:
    result = run()
    assert result["passed"] is False
    assert "failed" not in result
    assert [entry["destination"] for entry in result["excess"]] == ["10.0.0.2"]
    failed = run(expect_proved=True)
    assert failed["failed"] is True
    assert "table inet alertpath chain output handle" in failed["msg"]
    assert "apply the policy" in failed["msg"]
    assert failed["excess"] == result["excess"]


def test_what_it_returns_is_documented() -> None:
    documented = yaml.safe_load(smtp_firewall_info.RETURN)
    result = run()
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert set(documented["excess"]["contains"]) == set(result["excess"][0])
    assert set(documented["excess"]["contains"]["by"]["contains"]) == set(result["excess"][0]["by"][0])


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({"egress": [{**PATH, "port": 99}]}, "egress[0]: port: 99 is not governed"),
        ({"forward": [PATH]}, "set router to true"),
        ({"ports": []}, "ports: none given"),
    ],
)
def test_refused_options_name_themselves(capsys, args, word) -> None:
    with patch_module_args({"ports": [25], **args}), pytest.raises(SystemExit):
        smtp_firewall_info.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] is True
    assert word in result["msg"]
