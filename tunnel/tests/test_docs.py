# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page on operating the tunnel: its examples run, and what it names exists."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from alertpath_tunnel.cli import main
from alertpath_tunnel.config.load import load
from alertpath_tunnel.ops.board import Board
from alertpath_tunnel.ops.metrics import render
from test_config import base

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tunnel.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_configuration_is_valid_without_a_warning(tmp_path: Path) -> None:
    (example,) = blocks("json")
    (tmp_path / "config.json").write_text(example)
    config, warnings = load(tmp_path / "config.json")
    assert not warnings
    assert [tunnel.name for tunnel in config.active_tunnels()] == ["vault-alerts", "partners"]
    assert config.tunnels[1].tls.client_certificates == "CERT_REQUIRED"
    assert config.tunnels[1].tls.client_crl


def test_the_checks_work_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = base()
    config["tunnels"][0]["port"] = 0
    (tmp_path / "config.json").write_text(json.dumps(config))
    commands = [shlex.split(line, comments=True)[1:] for line in PAGE.splitlines() if line.startswith("alertpath-")]
    assert len(commands) == 3
    shown = []
    for command in commands:
        assert main([word.replace("/etc/alertpath-tunnel/current/", "") for word in command]) == 1
        shown.append(capsys.readouterr())
    assert shown[0].err.strip() in PAGE
    (finding,) = json.loads(shown[2].out)
    assert set(finding) == {"file", "kind", "path", "message", "value", "remedy"}


def test_the_metrics_it_names_exist() -> None:
    page = render(Board().totals(), 1)
    named = set(re.findall(r"`(alertpath_tunnel_[^`]+)`", PAGE))
    assert len(named) == 5
    assert all(f"\n{name} " in page for name in named)


def test_the_socket_unit_is_one(tmp_path: Path) -> None:
    (unit,) = blocks("ini")
    (tmp_path / "alertpath-tunnel.socket").write_text(unit)
    service = "[Service]\nType=notify\nExecStart=/bin/true\n"
    (tmp_path / "alertpath-tunnel.service").write_text(service)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "alertpath-tunnel.socket")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "alertpath" in done.stderr) == (0, False), done.stderr
