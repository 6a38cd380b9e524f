# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself, on loopback, as Ansible runs it."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import options
from ansible_collections.alertpath.smtp.plugins.modules import smtp_probe


def run(capsys: pytest.CaptureFixture[str], **args: Any) -> dict[str, Any]:
    with patch_module_args(args), pytest.raises(SystemExit):
        smtp_probe.main()
    return json.loads(capsys.readouterr().out)


HOP = {"host": "127.0.0.1", "user": "probe"}
BLOCKED = {"destination": "127.0.0.1", "port": 1, "expect": "blocked", "encryption": None, "name": None, "source": None}


def test_blocked_path_passes_and_nothing_changes(capsys) -> None:
    result = run(capsys, targets=[BLOCKED])
    assert result["changed"] is False
    assert [row["verdict"] for row in result["rows"]] == ["pass"]
    assert "failed" not in result


def test_check_mode_probes_just_the_same(capsys) -> None:
    result = run(capsys, targets=[BLOCKED], _ansible_check_mode=True)
    assert result["summary"]["pass"] == 1


def test_difference_fails_with_the_rows_and_can_be_let_pass(capsys) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        targets = [{**BLOCKED, "port": server.getsockname()[1]}, BLOCKED]
        failed = run(capsys, targets=targets)
        assert failed["failed"] is True
        assert "1 of 2 rows differ: [127.0.0.1]" in failed["msg"]
        assert len(failed["rows"]) == 2
        assert "failed" not in run(capsys, targets=targets, fail_on_difference=False)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({"targets": [{**BLOCKED, "port": 99999}]}, r"targets[0].port"),
        ({"targets": [{**BLOCKED, "port": 0}]}, r"targets[0].port: 0 is no TCP port; give a number from 1"),
        ({"targets": [{**BLOCKED, "port": 65536}]}, r"targets[0].port: 65536"),
        ({"targets": []}, "targets: is empty"),
        ({"targets": [BLOCKED], "username": "x", "password": "tls"}, "password: is a short number or part of a word"),
        ({"targets": [BLOCKED], "ca_pem": "nonsense"}, "ca_pem"),
        ({"targets": [BLOCKED], "ca_pem": "x", "ca_file": "/x"}, "mutually exclusive"),
        ({"targets": [BLOCKED], "username": "x"}, "required together"),
        ({"targets": [BLOCKED], "client_key": "/x"}, "client_cert"),
        ({"targets": [BLOCKED], "client_cert": "/nowhere.pem"}, "client_cert /nowhere.pem"),
        ({"targets": [BLOCKED], "depth": "mail"}, "recipient"),
        ({"targets": [BLOCKED], "via": "ssh"}, "ssh"),
        ({"targets": [BLOCKED], "via": "ssh", "ssh": []}, "ssh: names no host"),
        ({"targets": [BLOCKED], "ssh": [HOP]}, "give via: ssh"),
        ({"targets": [BLOCKED], "via": "ssh", "ssh": [HOP], "locate": "all"}, "locate: cannot be done over SSH"),
        ({"targets": [BLOCKED], "via": "ssh", "ssh": [{**HOP, "port": 0}]}, "ssh[0].port: 0 is no TCP port"),
        ({"targets": [BLOCKED], "via": "ssh", "ssh": [HOP, {**HOP, "host": "a b"}]}, "ssh[1].host: 'a b' is neither"),
        ({"targets": [BLOCKED], "via": "ssh", "ssh": [{**HOP, "user": ""}]}, "ssh[0].user: is empty"),
        (
            {"targets": [BLOCKED], "via": "ssh", "ssh": [HOP], "known_hosts": "/nowhere"},
            "known_hosts /nowhere: No such",
        ),
    ],
)
def test_unusable_option_is_named(capsys, args: dict[str, Any], word: str) -> None:
    result = run(capsys, **args)
    assert result["failed"] is True
    assert word in result["msg"]


def test_secrets_are_in_no_result(capsys) -> None:
    said = json.dumps(run(capsys, targets=[BLOCKED], username="relay@corp.test", password="s3cret word"))
    assert "s3cret" not in said
    assert "relay@" not in said


@pytest.mark.parametrize("username", ["mail", "pass", "vault", "1"])
def test_account_whose_name_is_a_word_garbles_nothing(capsys, username: str) -> None:
    target = {**BLOCKED, "host": "vault1", "path": "vault-to-mail"}
    result = run(capsys, targets=[target], username=username, password="s3cret word")
    (row,) = result["rows"]
    assert (row["host"], row["path"], row["port"]) == ("vault1", "vault-to-mail", 1)
    assert (row["verdict"], row["destination"]) == ("pass", "127.0.0.1")
    # From ansible-core 2.21 on what the module was given is part of a result only at -vvv.
    given = result.get("invocation", {"module_args": {"username": "not shown"}})
    assert given["module_args"]["username"] == "not shown"


def test_documentation_describes_every_option() -> None:
    documented = yaml.safe_load(smtp_probe.DOCUMENTATION)["options"]
    assert set(documented) == set(options.ARGUMENT_SPEC)
    assert set(documented["targets"]["suboptions"]) == set(options.ARGUMENT_SPEC["targets"]["options"])
    for name, spec in options.ARGUMENT_SPEC.items():
        assert documented[name].get("default") == spec.get("default"), name


def test_missing_paramiko_is_told(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    failed = run(capsys, targets=[BLOCKED], via="ssh", ssh=[HOP])
    assert "paramiko" in failed["msg"]
    assert "to probe over SSH" in failed["msg"]
