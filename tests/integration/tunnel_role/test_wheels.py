# SPDX-License-Identifier: GPL-3.0-or-later
"""The service is installed from a wheelhouse, without a registry, and judges a configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.release import Releases, interpreter
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.build import wheelhouse
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.source import Source
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.target import Target

CONFIG = {
    "hostname": "tunnel.example",
    "tunnels": [
        {
            "name": "plain",
            "interface": "127.0.0.1",
            "port": 2525,
            "tls": {"mode": "none", "required": False},
            "clients": ["127.0.0.1"],
        }
    ],
    "upstreams": [
        {
            "name": "gateway",
            "forwarding_addresses": [{"address": "127.0.0.1", "port": 2526, "name": "gateway.example"}],
            "tls": {"mode": "none"},
        }
    ],
    "services": [
        {"name": "alerts", "type": "SMTP", "tunnels": ["plain"], "hostnames": {"*": "gateway"}, "profiles": []}
    ],
}


@pytest.fixture(scope="module", params=[False, True], ids=["interpreted", "compiled"])
def compiled(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def wheels(compiled: bool) -> Path:
    return wheelhouse(Source.read(), Target.of(interpreter()), compiled)


@pytest.fixture(scope="module")
def program(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service, installed in a network namespace in which nothing can be reached."""
    root = tmp_path_factory.mktemp("releases")
    code = (
        "import sys; from pathlib import Path;"
        "from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.release import Releases;"
        "Releases(Path(sys.argv[1])).install(sys.argv[2], Path(sys.argv[3]))"
    )
    path = str(Path(__file__).resolve().parents[3] / "collections")
    subprocess.run(
        ["unshare", "-n", sys.executable, "-c", code, str(root), "a", str(wheels)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "HOME": "/nonexistent"},
        check=True,
    )
    assert Releases(root).current() == "a"
    return root / "current" / "bin" / "alertpath-tunnel"


def check(program: Path, file: Path, config: object) -> subprocess.CompletedProcess[str]:
    file.write_text(json.dumps(config))
    return subprocess.run([str(program), "check", str(file)], capture_output=True, text=True, check=False)


def test_installed_service_takes_a_good_configuration(program: Path, tmp_path: Path) -> None:
    done = check(program, tmp_path / "config.json", CONFIG)
    assert done.returncode == 0, done.stderr


def test_installed_service_refuses_a_bad_one_and_says_where(program: Path, tmp_path: Path) -> None:
    done = check(program, tmp_path / "config.json", {**CONFIG, "tunnels": [{**CONFIG["tunnels"][0], "port": 0}]})
    assert done.returncode == 1
    assert "$.tunnels[0].port" in done.stderr


def test_what_runs_is_compiled_if_that_was_asked_for(program: Path, compiled: bool) -> None:
    code = "from alertpath_tunnel.smtp import server; print(server.__file__)"
    found = subprocess.run(
        [str(program.with_name("python")), "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert Path(found.strip()).suffix == (".so" if compiled else ".py")


def test_same_sources_and_target_name_the_same_release() -> None:
    target = Target.of(interpreter())
    assert Source.read().release(target) == Source.read().release(target)
    assert Source.read().release(target) != Source.read().release(Target("3.12", "aarch64", 31))


def test_release_that_cannot_be_made_leaves_the_current_one(program: Path, tmp_path: Path) -> None:
    releases = Releases(program.parents[2])
    (tmp_path / "pip-0-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(Exception, match="failed"):
        releases.install("b", tmp_path)
    assert releases.current() == "a"
    assert subprocess.run([str(program), "version"], check=False).returncode == 0
