# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a standing lab offers: real hosts that reach each other, reboot, pause, stop and start."""

from __future__ import annotations

import dataclasses
import json
import ssl
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import LabUnderTest


def test_ansible_reaches_every_host(standing: LabUnderTest) -> None:
    output = standing.ansible("all", "ansible.builtin.ping")
    assert output.count("SUCCESS") == 9


def test_hosts_reach_each_other_in_both_families_by_name(standing: LabUnderTest) -> None:
    for family in ("-4", "-6"):
        for name in ("gateway.corp.test", "publicmx", "vault2", "smtp.corp.test"):
            standing.run("ssh", "vault1", "--", "ping", family, "-c1", "-W2", name)


def test_the_machine_itself_is_attached_to_nothing(
    standing: LabUnderTest, network_of_machine: Callable[[], str]
) -> None:
    for text in ("10.77.", "fd77:", "203.0.113.", "2001:db8:113"):
        assert text not in network_of_machine()


def test_it_is_a_real_debian_with_systemd(standing: LabUnderTest) -> None:
    assert "12" in standing.run("ssh", "client", "--", "cat", "/etc/debian_version")
    assert standing.run("ssh", "client", "--", "systemctl", "is-system-running", "--wait").strip() == "running"
    assert standing.run("ssh", "client", "--", "hostname", "-f").strip() == "client.corp.test"
    listening = standing.run("ssh", "client", "--", "ss", "-Htln")
    assert {line.split()[3].rsplit(":", 1)[1] for line in listening.splitlines()} == {"22"}


def test_keys_and_secrets_are_private(standing: LabUnderTest) -> None:
    private = [standing.state / "id", *standing.state.glob("pki/*.key"), *standing.state.glob("secrets/*")]
    assert len(private) == 1 + 10 + 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(standing.state.stat().st_mode) == 0o700
    assert len({path.read_text() for path in standing.state.glob("secrets/*")}) == 2


def test_certificates_chain_to_the_labs_authority(standing: LabUnderTest) -> None:
    context = ssl.create_default_context(cafile=str(standing.state / "pki/ca.pem"))
    context.load_cert_chain(standing.state / "pki/gateway.pem", standing.state / "pki/gateway.key")
    argv = ("openssl", "verify", "-CAfile", "pki/ca.pem", "-verify_hostname", "smtp.corp.test", "pki/gateway.pem")
    subprocess.run(argv, cwd=standing.state, check=True, capture_output=True)


def test_an_unpinned_host_key_is_refused(standing: LabUnderTest, tmp_path: Path) -> None:
    config = (standing.state / "ssh_config").read_text().replace(str(standing.state / "known_hosts"), "/dev/null")
    other = tmp_path / "config"
    other.write_text(config)
    done = subprocess.run(
        [str(standing.state / "bin/ssh"), "-F", str(other), "vault1", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 255


def test_commands_run_inside_hosts_and_on_the_controller(standing: LabUnderTest) -> None:
    assert standing.run("exec", "tunnel2", "--", "cat", "/etc/hostname").strip() == "tunnel2"
    standing.run("exec", "tunnel2", "--", "sh", "-c", "exit 7", status=7)
    script = "import socket; print(socket.create_connection(('gateway.corp.test', 22), 5).getsockname()[0])"
    assert standing.run("ctl", "--", "python3", "-c", script).strip() in ("10.77.0.10", "fd77::10")


def test_a_reboot_keeps_files_and_loses_what_a_real_one_loses(standing: LabUnderTest) -> None:
    def on_host(command: str) -> str:
        return standing.run("ssh", "vault2", "--", command)

    on_host("nft add table inet lost; sysctl -qw net.ipv4.tcp_syncookies=0; touch /root/kept /run/lost")
    boot = on_host("systemctl show --property UserspaceTimestamp")
    assert "rebooted" in standing.ansible("vault2", "ansible.builtin.reboot", "reboot_timeout=60")
    assert on_host("nft list ruleset; ls /root; sysctl -n net.ipv4.tcp_syncookies") == "kept\n1\n"
    assert on_host("systemctl show --property UserspaceTimestamp") != boot
    on_host("test ! -e /run/lost")
    standing.run("ssh", "client", "--", "ping", "-c1", "-W2", "vault2")


def test_a_router_reboots_and_forwards_again(standing: LabUnderTest) -> None:
    standing.ansible("router", "ansible.builtin.reboot", "reboot_timeout=60")
    standing.run("ssh", "vault1", "--", "ping", "-6", "-c1", "-W2", "publicmx")


def test_a_paused_host_hangs_and_goes_on(standing: LabUnderTest) -> None:
    standing.run("pause", "tunnel1")
    try:
        assert standing.states()["tunnel1"] == "paused"
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(standing.argv("ssh", "tunnel1", "--", "true"), timeout=2, check=True, capture_output=True)
        # Its kernel still answers, as that of a hung machine does.
        standing.run("ssh", "client", "--", "ping", "-c1", "-W2", "tunnel1")
        assert "is paused" in standing.run("exec", "tunnel1", "--", "true", status=1)
    finally:
        standing.run("resume", "tunnel1")
    assert standing.states()["tunnel1"] == "running"
    standing.run("ssh", "tunnel1", "--", "true")


@pytest.mark.parametrize("how", [[], ["--hard"]])
def test_a_stopped_host_is_off_the_network_until_it_is_started(standing: LabUnderTest, how: list[str]) -> None:
    standing.run("ssh", "tunnel2", "--", "touch", "/root/kept; sync")
    standing.run("stop", *how, "tunnel2")
    assert standing.states()["tunnel2"] == "stopped"
    standing.run("ssh", "client", "--", "ping", "-c1", "-W1", "tunnel2", status=1)
    assert "does not run" in standing.run("exec", "tunnel2", "--", "true", status=1)
    assert "does not run" in standing.run("pause", "tunnel2", status=1)
    standing.run("start", "tunnel2")
    standing.run("ssh", "tunnel2", "--", "test", "-e", "/root/kept")


def test_up_again_starts_what_is_missing_and_wakes_what_is_paused(standing: LabUnderTest) -> None:
    standing.run("stop", "--hard", "gateway")
    standing.run("pause", "client")
    assert "1 of 9 hosts started" in standing.up()
    assert set(standing.states().values()) == {"running"}
    started = time.monotonic()
    assert "all hosts run" in standing.up()
    assert time.monotonic() - started < 5


def test_an_unknown_host_is_answered_with_the_known_ones(standing: LabUnderTest) -> None:
    assert "it has router, vault1" in standing.run("exec", "nobody", "--", "true", status=1)


def test_variables_of_the_checkouts_inventory_are_linked(standing: LabUnderTest) -> None:
    own = Path(__file__).resolve().parents[3] / "inventories" / "lab"
    for name in ("group_vars", "host_vars"):
        assert (standing.inventory / name).is_dir() == (own / name).is_dir()
    listed = subprocess.run(
        ["ansible-inventory", "-i", str(standing.inventory), "--list"], capture_output=True, check=True, text=True
    )
    groups = json.loads(listed.stdout)
    assert groups["vaults"]["hosts"] == ["vault1", "vault2"]


def test_another_labs_inventory_is_not_replaced(standing: LabUnderTest) -> None:
    document = yaml.safe_load((standing.inventory / "hosts.yml").read_text())
    assert document["all"]["vars"]["lab_name"] == standing.name
    other = dataclasses.replace(standing, name="other")
    output = other.run("up", "--inventory", str(standing.inventory), status=1)
    assert f"belongs to the lab '{standing.name}'" in output
    assert not other.state.exists()
