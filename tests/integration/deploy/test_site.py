# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml and verify.yml as users run them. The tests build on each other, from hosts that know nothing to the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from .conftest import LAB, ROOT, Controller

POLICY = ROOT / "inventories" / "lab" / "group_vars" / "all" / "smtp_policy.yml"


def on_host(host: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "lab" / "lab"), "exec", "--name", LAB, host, "--", *argv],
        capture_output=True,
        text=True,
        check=False,
    )


def with_policy(folder: Path, change) -> str:
    """Write the lab's policy, changed by *change*, as extra variables; return the option for ansible-playbook."""
    policy = yaml.safe_load(POLICY.read_text())
    change(policy["smtp_policy"])
    file = folder / "policy.json"
    file.write_text(json.dumps(policy, default=str))
    return f"-e@{file}"


# What no check can ask about: systemd knows nothing of a unit that is not there yet.
UNASKED = {
    (f"alertpath.smtp.dsg_tunnel : {task}", host)
    for task in (
        "Start it, now and with the host",
        "Have systemd hold the ports from the start of the host",
        "Hand the ports over to systemd, one host after the other",
    )
    for host in ("tunnel1", "tunnel2")
}


def allow_vaults_to_mailserver(policy: dict) -> None:
    policy["paths"].append(
        {
            "id": "vault-to-mailserver",
            "from": "vaults",
            "to": "mailserver",
            "port": 25,
            "encryption": "starttls",
            "owner": "soc@corp.test",
            "approved_by": "CHG0099999",
            "reason": "A second way out for alerts",
            "review_by": "2027-06-30",
        }
    )


@pytest.fixture(scope="module")
def first_check(oldest: Controller):
    """`site.yml --check --diff` before anything was ever applied."""
    return oldest.run("playbooks/site.yml", "--check", "--diff")


def test_check_of_clean_hosts_shows_what_would_come_and_touches_nothing(first_check) -> None:
    assert first_check.returncode == 0, first_check.output
    assert "10.77.30.11" in first_check.output
    assert on_host("vault1", "nft", "list", "tables").stdout == ""
    for path in ("/etc/alertpath", "/etc/postfix/alertpath"):
        assert on_host("vault1", "test", "-e", path).returncode == 1
    for path in ("/opt/alertpath-tunnel", "/etc/alertpath-tunnel"):
        assert on_host("tunnel1", "test", "-e", path).returncode == 1


def test_verify_fails_before_the_policy_is_applied(oldest: Controller) -> None:
    verified = oldest.run("playbooks/verify.yml")
    assert verified.returncode != 0
    assert "203.0.113.25" in verified.output


def test_site_from_nothing_does_what_the_check_said(first_check, newest: Controller) -> None:
    applied = newest.run("playbooks/site.yml")
    assert applied.returncode == 0, applied.output
    assert applied.changes - first_check.changes == UNASKED
    assert first_check.changes - applied.changes == set()


def test_second_run_changes_nothing(oldest: Controller) -> None:
    again = oldest.run("playbooks/site.yml")
    assert again.returncode == 0, again.output
    assert again.changes == set()


def test_check_of_an_applied_policy_reports_nothing(newest: Controller) -> None:
    checked = newest.run("playbooks/site.yml", "--check", "--diff")
    assert checked.returncode == 0, checked.output
    assert checked.changes == set()


def test_check_of_a_changed_policy_says_what_applying_it_then_does(oldest: Controller, tmp_path: Path) -> None:
    policy = with_policy(tmp_path, allow_vaults_to_mailserver)
    before = on_host("vault1", "nft", "-s", "list", "table", "inet", "alertpath").stdout
    checked = oldest.run("playbooks/firewall.yml", "--check", "--diff", policy)
    assert checked.returncode == 0, checked.output
    assert any(line.startswith("+") and "10.77.10.25" in line for line in checked.output.splitlines())
    assert {host for _, host in checked.changes} == {"vault1", "vault2", "router"}
    assert on_host("vault1", "nft", "-s", "list", "table", "inet", "alertpath").stdout == before
    applied = oldest.run("playbooks/firewall.yml", policy)
    assert applied.changes == checked.changes
    back = oldest.run("playbooks/firewall.yml")
    assert back.returncode == 0
    assert on_host("vault1", "nft", "-s", "list", "table", "inet", "alertpath").stdout == before


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda policy: policy["paths"][0].pop("owner"), ["owner"]),
        (lambda policy: policy["paths"][0].update(to="tunnells"), ["tunnells", "tunnels"]),
        (lambda policy: policy["zones"]["gateway"].update(addresses=["1.1.1.1"]), ["1.1.1.1"]),
    ],
)
def test_mistake_in_the_policy_is_named_and_stops_everything(
    oldest: Controller, tmp_path: Path, mistake, words
) -> None:
    refused = oldest.run("playbooks/site.yml", with_policy(tmp_path, mistake))
    assert refused.returncode != 0
    for word in words:
        assert word in refused.output
    assert refused.changes == set()


@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_built_collection_works_from_where_it_is_installed(
    request: pytest.FixtureRequest, version: str, tmp_path: Path
) -> None:
    controller: Controller = request.getfixturevalue(version)
    galaxy = [str(controller.bin / "ansible-galaxy"), "collection"]
    subprocess.run([*galaxy, "build", str(ROOT), "--output-path", str(tmp_path)], check=True, capture_output=True)
    (archive,) = tmp_path.glob("alertpath-smtp-*.tar.gz")
    installed = tmp_path / "collections"
    subprocess.run(
        [*galaxy, "install", "--offline", str(archive), "-p", str(installed)],
        cwd=tmp_path,  # out of reach of the checkout's settings, by which the collection is there already
        check=True,
        capture_output=True,
    )
    settings = tmp_path / "ansible.cfg"
    settings.write_text("[ssh_connection]\npipelining = True\n")
    env = {"ANSIBLE_CONFIG": str(settings), "ANSIBLE_COLLECTIONS_PATH": str(installed)}
    verified = controller.run("alertpath.smtp.verify", **env)
    assert verified.returncode == 0, verified.output
    again = controller.run("alertpath.smtp.site", **env)
    assert again.returncode == 0, again.output
    assert again.changes == set()


def test_runs_under_ansible_runner_laid_out_as_awx_does(oldest: Controller, tmp_path: Path) -> None:
    import ansible_runner

    shutil.copytree(
        ROOT,
        tmp_path / "project",
        symlinks=True,
        ignore=shutil.ignore_patterns(".git", ".cache", "*_cache", ".hypothesis"),
    )
    shutil.copytree(oldest.inventory, tmp_path / "inventory")
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "envvars").write_text(json.dumps({"ANSIBLE_CONFIG": str(tmp_path / "project" / "ansible.cfg")}))
    (tmp_path / "env" / "settings").write_text(json.dumps({"job_timeout": 600}))
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{oldest.bin}:{path}"
    try:
        for playbook in ("playbooks/site.yml", "playbooks/verify.yml"):
            job = ansible_runner.run(private_data_dir=str(tmp_path), playbook=playbook, quiet=True)
            assert job.status == "successful", job.stdout.read()
            assert not any(job.stats["changed"].values()), job.stats["changed"]
    finally:
        os.environ["PATH"] = path
