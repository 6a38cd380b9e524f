# SPDX-License-Identifier: GPL-3.0-or-later
"""One locked host and the controller, with real ssh between them, and two ways to change its rules.

`playbook` goes the user's way, through ansible-playbook. `phase` runs the module on the host over one ssh session, so
that a test can stop between the phases, or use the wrong session.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
LAB = f"cc{os.getpid() % 100000}"
HOST = "vault"
ADDRESS = {4: "10.88.0.11", 6: "fd88::11"}
CONTROLLER = {4: "10.88.0.10", 6: "fd88::10"}
MODULE = "ansible_collections.alertpath.smtp.plugins.modules.smtp_firewall"
PLAIN = {"ports": [25, 465, 587]}
SECONDS = 5


def ssh_in(port: int) -> list[dict[str, Any]]:
    return [
        {"path": "ssh", "direction": "ingress", "source": CONTROLLER[v], "destination": ADDRESS[v], "port": port}
        for v in (4, 6)
    ]


GOOD = {**PLAIN, "lockdown": True, "confirm_timeout": SECONDS, "management": ssh_in(22)}
CUTS = {**GOOD, "management": ssh_in(2222)}


@dataclass(frozen=True)
class Target:
    """The locked host, seen from the controller and, past any firewall, from inside."""

    inventory: Path
    folder: Path

    def lab(self, *words: str, check: bool = True) -> str:
        argv = [str(ROOT / "lab" / "lab"), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def inside(self, *argv: str, check: bool = True) -> str:
        """Run a command on the host without its network."""
        return self.lab("exec", "--name", LAB, HOST, "--", *argv, check=check)

    def rules(self) -> str:
        """Our tables as they are loaded, without what each load renews."""
        return self.inside("sh", "-c", "nft -s list ruleset | grep -v 'expires'")

    def boot_file(self) -> str:
        return self.inside("cat", "/etc/alertpath/firewall.nft", check=False)

    def waits(self) -> bool:
        return "chain unconfirmed" in self.inside("nft", "list", "chains", "inet")

    def reachable(self) -> bool:
        """Whether a new ssh session can begin."""
        return self.ssh("true", "-o", "ConnectTimeout=2", check=False).returncode == 0

    def ssh(self, command: str, *options: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        wrapper = Path("/run/alertpath-lab") / LAB / "bin" / "ssh"
        argv = [str(wrapper), *options, f"{HOST}.corp.test", command]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def phase(self, phase: str, identity: str, options: dict[str, Any], *ssh: str) -> dict[str, Any]:
        """Run one phase of a change on the host, over one ssh session with the given options of ssh."""
        done = self._phase(phase, identity, options, *ssh)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def cut_off(self, phase: str, identity: str, options: dict[str, Any]) -> None:
        """Run one phase that cuts its own session, and so gives no answer."""
        done = self._phase(phase, identity, options, "-o", "ControlPath=none")
        assert not done.stdout
        assert self.waits()

    def _phase(self, phase: str, identity: str, options: dict[str, Any], *ssh: str) -> subprocess.CompletedProcess[str]:
        words = {**options, "transaction": {"id": identity, "phase": phase}}
        text = json.dumps({"ANSIBLE_MODULE_ARGS": words})
        return self.ssh(f"cd /root/code && python3 -m {MODULE}", *ssh, text=text, check=False)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a play that applies the rules; it is a process group of its own."""
        play = self.folder / "play.yml"
        tasks = [{"name": "Rules", "alertpath.smtp.smtp_firewall": options}]
        play.write_text(yaml.safe_dump([{"hosts": HOST, "gather_facts": False, "tasks": tasks}]))
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory), *words, str(play)],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def playbook(self, *words: str, **options: Any) -> tuple[int, str]:
        """Apply the rules by a play; return its exit code and output, in one line."""
        process = self.start(*words, **options)
        output = process.communicate(timeout=120)[0]
        return process.returncode, " ".join(output.split())

    def until(self, what: str, seconds: float = 20.0) -> None:
        """Wait until the method *what* says yes."""
        deadline = time.monotonic() + seconds
        while not getattr(self, what)():
            assert time.monotonic() < deadline, f"not {what} within {seconds} s"
            time.sleep(0.1)

    def settled(self) -> bool:
        """Whether no change waits any more: the rules are those of before, or the new ones for good."""
        return not self.waits()


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a controller with everything that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def code() -> bytes:
    """The module and what it imports, as a tar file."""
    stream = io.BytesIO()
    ansible = Path(importlib.util.find_spec("ansible").submodule_search_locations[0])
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("__init__.py", "release.py", "_vendor", "module_utils"):
            tar.add(ansible / name, f"ansible/{name}")
        for name in ("modules", "module_utils"):
            tar.add(ROOT / "plugins" / name, f"ansible_collections/alertpath/smtp/plugins/{name}")
    return stream.getvalue()


@pytest.fixture(scope="session")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("lab")
    shipped = yaml.safe_load((ROOT / "lab" / "topology.yml").read_text())
    topology = {
        **{"domain": "corp.test", "base": shipped["base"]},
        "segments": {"mgmt": {"ipv4": "10.88.0.0/24", "ipv6": "fd88::/64"}},
        "controller": {"interfaces": {"mgmt": list(CONTROLLER.values())}},
        "hosts": {HOST: {"groups": ["vaults"], "interfaces": {"mgmt": list(ADDRESS.values())}}},
    }
    (folder / "topology.yml").write_text(yaml.safe_dump(topology))
    inventory = folder / "inventory"
    inventory.mkdir()
    target = Target(inventory, folder)
    target.lab("down", "--name", LAB)
    try:
        target.lab("up", "--name", LAB, "--topology", str(folder / "topology.yml"), "--inventory", str(inventory))
        wrapper = Path("/run/alertpath-lab") / LAB / "bin" / "ssh"
        unpack = "mkdir -p code && tar -xf - -C code"
        subprocess.run([str(wrapper), f"{HOST}.corp.test", unpack], input=code(), check=True, timeout=60)
        yield target
    finally:
        target.lab("down", "--name", LAB)


@pytest.fixture
def target(raised: Target) -> Target:
    """The host with rules for SMTP alone, whatever the test before left."""
    clean = "nft list tables | grep -q alertpath && nft -f - <<X\n"
    clean += "".join(
        f"table inet {name} {{}}\ndelete table inet {name}\n" for name in ("alertpath", "alertpath_before")
    )
    raised.inside("sh", "-c", f"rm -rf /run/alertpath-firewall; {clean}X\ntrue")
    status, output = raised.playbook(**PLAIN)
    assert status == 0, output
    return raised


@pytest.fixture
def killer():
    """Kills a controller and all it started."""
    return kill
