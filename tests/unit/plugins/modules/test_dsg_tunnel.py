# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself: what it refuses, and what it says is to be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.generation import Store
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.running import Running
from ansible_collections.alertpath.smtp.plugins.modules import dsg_tunnel

CONFIG = {"a": "file:x.key"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the module on a store of its own, with a service that runs since the epoch and a checker that says *says*."""
    monkeypatch.setattr(dsg_tunnel, "Store", lambda group=None: Store(tmp_path / "etc"))
    monkeypatch.setattr(dsg_tunnel, "_group", lambda module: None)
    monkeypatch.setattr(dsg_tunnel.running, "look", lambda unit: Running("active", 1.0, 1.0))
    (tmp_path / "release").touch()

    def judged(says: str = "", restart: bool = True, **args: Any) -> dict[str, Any]:
        program = tmp_path / "checker"
        program.write_text("#!/bin/sh\n" + (f"echo '{says}' >&2\nexit 1\n" if says else ""))
        program.chmod(0o755)
        after = [str(tmp_path / "release")] if restart else []
        given = {
            "config": CONFIG,
            "files": {"x.key": "a secret"},
            "command": str(program),
            "restart_after": after,
            **args,
        }
        capsys.readouterr()
        with patch_module_args(given), pytest.raises(SystemExit):
            dsg_tunnel.main()
        return json.loads(capsys.readouterr().out)

    return judged


def test_release_that_refuses_what_is_live_is_not_restarted_into(run: Any) -> None:
    assert run()["restart_needed"]
    again = run()
    assert (again["changed"], again["restart_needed"]) == (False, True)
    refused = run(says="$.a: is not a known key")
    assert refused["failed"]
    assert "$.a: is not a known key" in refused["msg"]
    # Nobody is about to restart it.
    assert not run(says="$.a: is not a known key", restart=False).get("failed")
    assert not run(says="$.a: is not a known key", _ansible_check_mode=True).get("failed")


def test_file_without_content_is_refused(run: Any, tmp_path: Path) -> None:
    refused = run(files={"x.key": None})
    assert refused["failed"]
    assert "x.key has no content" in refused["msg"]
    assert not (tmp_path / "etc").exists()
