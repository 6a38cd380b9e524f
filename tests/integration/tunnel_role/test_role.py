# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on a real host. The tests build on each other, from a host that knows nothing."""

from __future__ import annotations

import json
import re

from .conftest import Site

CONFIGURE = "Configure it"
RELOAD = "Tell the service to look at its configuration again"
RESTART = "Restart it, one host after the other"
HAND_OVER = "Hand the ports over to systemd, one host after the other"
SOCKET = "Write the socket unit"
# Connects without pause while the service restarts four times; prints how often in vain, and how often it was greeted.
KNOCK = """
import socket, subprocess, threading
refused, answered, over = [], [], threading.Event()
def knock(address):
    while not over.is_set():
        try:
            with socket.create_connection((address, 587), 20) as raw:
                answered.append(raw.recv(3))
        except OSError as error:
            refused.append(repr(error))
addresses = ["10.77.30.11", "fd77:30::11"] * 3
threads = [threading.Thread(target=knock, args=(address,)) for address in addresses]
for thread in threads:
    thread.start()
for _ in range(4):
    subprocess.run(["systemctl", "restart", "alertpath-tunnel.service"], check=True)
over.set()
for thread in threads:
    thread.join()
print(len(refused), len(answered), sorted(set(answered)))
"""
INSTALL = "Install the service"


def test_check_of_a_clean_host_tells_what_would_change_and_touches_nothing(site: Site) -> None:
    code, output, changed = site.play("--check", "--diff")
    assert code == 0, output
    assert {INSTALL, CONFIGURE, "Write the unit"} <= changed
    assert (
        site.run("sh", "-c", "ls -d /opt/alertpath-tunnel /etc/alertpath-tunnel /etc/systemd/system/alertpath*") == ""
    )


def test_tunnel_comes_up_on_every_address_and_stays_as_it_is(site: Site) -> None:
    code, output, _changed = site.play()
    assert code == 0, output
    listening = site.run("ss", "-Hltn", "sport = :587")
    assert "10.77.30.11:587" in listening
    assert "[fd77:30::11]:587" in listening
    pid = site.main_pid()
    code, output, changed = site.play()
    assert (code, changed, site.main_pid()) == (0, set(), pid), output


def test_no_connection_is_refused_while_the_service_restarts(site: Site) -> None:
    # A tunnel's own addresses are no client's: it is turned away, by the service itself.
    refused, answered, greetings = site.run("python3", "-c", KNOCK).split(maxsplit=2)
    assert (refused, greetings.strip()) == ("0", "[b'554']")
    assert int(answered) > 100
    # What was passed is what it listens at: nothing was opened besides.
    assert site.run("systemctl", "show", "--property=NAccepted,ActiveState", "alertpath-tunnel.socket") != ""
    warned = site.run("journalctl", "--quiet", "--output=cat", "--unit=alertpath-tunnel", "--grep=no tunnel has it")
    assert warned == ""


def test_new_port_is_listened_at_first_and_handed_over_then(site: Site) -> None:
    site.run("sed", "-i", "s/587$/588/", "/etc/systemd/system/alertpath-tunnel.socket")
    code, output, changed = site.play()
    assert code == 0, output
    assert changed == {SOCKET, HAND_OVER}
    held = site.run("systemctl", "show", "--property=Listen", "alertpath-tunnel.socket")
    assert "10.77.30.11:587" in held
    assert "[fd77:30::11]:587" in held
    code, output, changed = site.play()
    assert (code, changed) == (0, set()), output


def test_ports_are_held_by_the_service_alone_where_that_is_asked_for(site: Site) -> None:
    code, output, changed = site.play(dsg_tunnel_socket_activation=False)
    assert code == 0, output
    assert changed == {"Write the unit", RESTART, "Have systemd let go of the ports", "Remove the socket unit"}
    code, output, changed = site.play(dsg_tunnel_socket_activation=False)
    assert (code, changed) == (0, set()), output
    assert site.run("systemctl", "is-active", "alertpath-tunnel.socket").strip() == "inactive"
    site.run("systemctl", "restart", "alertpath-tunnel.service")
    assert "10.77.30.11:587" in site.run("ss", "-Hltn", "sport = :587")
    code, output, changed = site.play()
    assert code == 0, output
    assert {SOCKET, HAND_OVER} <= changed
    assert site.run("systemctl", "is-active", "alertpath-tunnel.socket").strip() == "active"


def test_service_is_confined(site: Site) -> None:
    said = site.run("systemd-analyze", "security", "--no-pager", "alertpath-tunnel")
    exposure = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert exposure
    assert float(exposure[1]) <= 2.0
    assert site.run("ps", "-o", "user=", "-p", site.main_pid()).strip() != "root"


def test_changed_configuration_is_reloaded_by_the_same_process(site: Site) -> None:
    pid = site.main_pid()
    _code, _output, foreseen = site.play("--check", dsg_tunnel_timeouts={"drain": 31})
    code, output, changed = site.play(dsg_tunnel_timeouts={"drain": 31})
    assert code == 0, output
    assert changed == foreseen == {CONFIGURE, RELOAD}
    assert site.main_pid() == pid
    assert '"event":"reloaded"' in site.last_event("reloaded", "reload refused")


def test_reload_that_an_earlier_run_did_not_come_to_is_made_up_for(site: Site) -> None:
    # What a play leaves behind that is cut short after the configuration was put live.
    site.run("touch", "--no-dereference", "/etc/alertpath-tunnel/current")
    code, output, changed = site.play(dsg_tunnel_timeouts={"drain": 31})
    assert code == 0, output
    assert changed == {RELOAD}


def test_restart_that_an_earlier_run_did_not_come_to_is_made_up_for(site: Site) -> None:
    pid = site.main_pid()
    site.run("touch", "/etc/systemd/system/alertpath-tunnel.service")
    code, output, changed = site.play(dsg_tunnel_timeouts={"drain": 31})
    assert code == 0, output
    assert changed == {RESTART}
    assert site.main_pid() != pid


def test_configuration_that_the_service_refuses_to_load_fails_the_play(site: Site) -> None:
    # Without its address a new listener cannot be had, which no check of a file can know.
    variables = site.inventory / "host_vars" / "tunnel1.yml"
    variables.parent.mkdir()
    variables.write_text('smtp_addresses: [10.77.30.11, "fd77:30::11", 10.77.30.99]\n')
    code, output, _changed = site.play()
    variables.unlink()
    assert code != 0
    assert "reload refused" in output
    assert "10.77.30.99" in output
    code, output, _changed = site.play()
    assert code == 0, output
    assert '"event":"reloaded"' in site.last_event("reloaded", "reload refused")


def test_clients_may_log_in_at_the_next_hop_themselves(site: Site) -> None:
    live = "/etc/alertpath-tunnel/current"
    before = site.run("readlink", live)
    code, output, changed = site.play(dsg_tunnel_auth="pass")
    assert code != 0  # whose login would it be?
    assert "auth" in output
    assert (changed, site.run("readlink", live)) == (set(), before)
    code, output, changed = site.play(
        dsg_tunnel_auth="pass", dsg_tunnel_upstream_user="", dsg_tunnel_upstream_password=""
    )
    assert code == 0, output
    assert changed == {CONFIGURE, RELOAD}
    (tunnel,) = json.loads(site.run("cat", f"{live}/config.json"))["tunnels"]
    assert tunnel["auth"] == "pass"
    assert '"event":"reloaded"' in site.last_event("reloaded", "reload refused")
    code, output, _changed = site.play()
    assert code == 0, output


def test_certificate_of_another_name_is_refused_and_the_old_one_served_on(site: Site) -> None:
    before = site.run("readlink", "/etc/alertpath-tunnel/current")
    code, output, changed = site.play(dsg_tunnel_certificate_names=["somebody.else.test"])
    assert code != 0
    assert "somebody.else.test" in output
    assert changed == set()
    assert site.run("readlink", "/etc/alertpath-tunnel/current") == before


def test_compiled_service_replaces_the_interpreted_one_and_runs_as_confined(site: Site) -> None:
    _code, _output, foreseen = site.play("--check", dsg_tunnel_compiled=True)
    code, output, changed = site.play(dsg_tunnel_compiled=True)
    assert code == 0, output
    assert changed == foreseen == {INSTALL, RESTART}
    worker = site.run("pgrep", "--parent", site.main_pid()).split()[0]
    assert "__mypyc.cpython-" in site.run("cat", f"/proc/{worker}/maps")
    code, output, changed = site.play(dsg_tunnel_compiled=True)
    assert (code, changed) == (0, set()), output


def test_compiled_and_wheelhouse_contradict_each_other(site: Site) -> None:
    before = site.run("readlink", "/opt/alertpath-tunnel/current")
    code, output, changed = site.play(dsg_tunnel_compiled=True, dsg_tunnel_wheelhouse=str(site.inventory))
    assert code != 0
    assert "compiled and wheelhouse" in output
    assert changed == set()
    assert site.run("readlink", "/opt/alertpath-tunnel/current") == before


def test_no_secret_is_shown(site: Site) -> None:
    code, output, _changed = site.play("--diff", "-vvv", dsg_tunnel_upstream_password="Xq7-not-for-logs")
    assert code == 0, output
    assert "Xq7-not-for-logs" not in output
    assert "Xq7-not-for-logs" not in site.run("journalctl", "--quiet", "--output=cat", "--no-pager")
