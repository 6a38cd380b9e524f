#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_firewall
short_description: Let only the declared SMTP connections pass a host, with nftables
version_added: 0.1.0
description:
  - Owns one table of nftables, C(table inet alertpath), whole. No other table, chain or file is touched, so it works
    beside firewalld, ufw and Docker. What it blocks stays blocked whatever other tables accept.
  - Blocks nothing but TCP packets whose destination port is one of O(ports), and first fragments made so short that
    they hide the port, which RFC 7112 lets hosts and routers discard. It cannot cut SSH, and port 22 is refused.
    Traffic on the loopback interface is not touched.
  - The rules are stateless. Loading them for the first time freezes no session, and an established SMTP connection
    that is not allowed any more is cut.
  - Rules sit in verdict maps, so that the cost for a packet does not grow with their number, and are put in place by
    one transaction of the kernel.
  - Blocked attempts are counted, and logged at a limited rate.
  - Three sources are compared and reported apart. They are what is declared, what is loaded, and what a restart would
    bring. An unchanged run does not touch the loaded table.
  - When a step fails, the loaded rules, the boot file and the unit are put back as they were.
  - A table of the same name that was there before the first run is kept, and put back by O(state=absent).
  - With O(lockdown=true), everything else is denied too, in both directions, but for declared management connections.
    Such rules can cut the operator off, so they hold for O(confirm_timeout) seconds only, until the controller has
    confirmed them over a new connection. Without that the host goes back to the rules before, by two means that need
    nothing of each other. The kernel itself does, and a timer of systemd (a detached process where there is none).
    It holds though the session or the controller dies, every process started here is killed, or the host restarts.
    The boot file changes only when the rules are confirmed.
notes:
  - In lockdown, forwarded traffic is governed on O(ports) only. ICMP errors, neighbour discovery and resets pass.
    Answers of TCP are told by their flags, so that loading the rules freezes no session. Answers of UDP and ICMP are
    told by connection tracking.
  - A session counts as new when its ssh daemon (OpenSSH or Dropbear) was started after the rules were applied. Local
    connections, and those into containers and jails of the controller, reach the host without its network and are
    taken at their word. Over any other connection the rules cannot be confirmed, and are taken back.
  - Answers to a client whose own port number is one of O(ports) are blocked too. Clients take such ports only from the
    ephemeral range, by default from 32768; the module warns about O(ports) that lie there.
  - Forwarded traffic, that of containers and virtual machines included, is governed only with O(router=true). Frames
    that a bridge passes on do not go through it unless C(br_netfilter) says so.
  - A changed table starts with its counters at zero.
requirements:
  - nftables 0.9.7 or later and Linux 5.10 or later on the host
  - util-linux (C(unshare)), for a throw-away network namespace in which rules are compared as the kernel lists them
  - systemd, unless O(persist=false)
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
    details:
      - The rules are loaded into a throw-away network namespace, so that what the kernel would refuse is found.
  diff_mode:
    support: full
    details:
      - Shows the table as nft lists it, without the values of counters.
      - The boot file and the unit are shown when they differ.
  platform:
    support: full
    platforms: linux
options:
  state:
    description:
      - V(present) makes the rules given here the only ones of the table.
      - V(absent) removes the table and, with O(persist=true), the boot file and the unit.
    type: str
    choices: [present, absent]
    default: present
  ports:
    description:
      - The TCP ports that count as SMTP. What no rule accepts on them is blocked.
      - Required with O(state=present).
    type: list
    elements: int
  egress:
    description:
      - The connections this host may open. Each rule is a dictionary with the following keys.
      - C(source) and C(destination), each one IPv4 or IPv6 address, or one network in prefix form, both of the same
        version.
      - C(port), one of O(ports).
      - C(path), the name of the policy's path, for the reader. It stands as a comment in the table. Optional.
    type: list
    elements: dict
    default: []
  ingress:
    description: The connections this host may accept. Rules as in O(egress).
    type: list
    elements: dict
    default: []
  forward:
    description: The connections this host may route. Rules as in O(egress). Allowed with O(router=true) only.
    type: list
    elements: dict
    default: []
  router:
    description: Whether this host routes for others, so that forwarded traffic is governed too.
    type: bool
    default: false
  blocked:
    description:
      - How a blocked attempt is answered.
      - V(reset) answers at once and, unlike ICMP, is not rationed by the kernel. V(admin-prohibited) is an ICMP error.
        V(drop) is silence.
    type: str
    choices: [reset, admin-prohibited, drop]
    default: reset
  log:
    description: Whether blocked attempts are logged, with the prefix C(alertpath blocked egress) or the like.
    type: bool
    default: true
  log_rate:
    description: How many blocked attempts of each direction are logged at most, as a number per V(second), V(minute),
      V(hour) or V(day).
    type: str
    default: 10/minute
  log_group:
    description: The netlink group that log messages go to, for C(ulogd2). Without it they go to the kernel's log.
    type: int
  lockdown:
    description:
      - Whether everything is denied, in both directions, but SMTP's paths, O(management) and the loopback interface.
    type: bool
    default: false
  management:
    description:
      - What may pass in lockdown besides SMTP. At least one incoming TCP connection must be named, or nobody could log
        in any more. Each rule is a dictionary with the following keys.
      - C(direction), V(ingress) for connections to this host, V(egress) for those it opens.
      - C(protocol), V(tcp), V(udp), or V(icmp) for an echo request and its answer. V(tcp) when left out.
      - C(source) and C(destination), as in O(egress).
      - C(port), the destination port, not one of O(ports) for TCP. Left out for V(icmp).
      - C(path), the name of the connection, for the reader. Optional.
    type: list
    elements: dict
    default: []
  commit_confirm:
    description:
      - Whether other rules than the loaded ones hold for a while only, until the controller has confirmed them over a
        new connection.
      - V(auto) does so with O(lockdown=true). Rules for SMTP alone cannot cut SSH.
    type: str
    choices: [auto, always, never]
    default: auto
  confirm_timeout:
    description: How many seconds the controller has to confirm the rules, from 5 to 3600.
    type: int
    default: 30
  transaction:
    description: Filled in by the controller's half of this module. Leave it out.
    type: dict
    suboptions:
      id:
        description: The id of the change, made by the controller, so that it knows it though the first answer is lost.
        type: str
        required: true
      phase:
        description: Whether the change is begun, confirmed, or asked for.
        type: str
        choices: [begin, confirm, ask]
        required: true
      remote:
        description: Whether the controller comes over the network.
        type: bool
        default: true
  persist:
    description:
      - Whether the rules come back after a restart, by the boot file C(/etc/alertpath/firewall.nft) and the unit
        C(alertpath-firewall.service), which loads it before the network is up.
      - A drop-in for C(nftables.service), which removes every table when it starts, stops or reloads, puts the rules
        back at once.
    type: bool
    default: true
  lock_timeout:
    description: How many seconds to wait while another run of this module works on the same host.
    type: int
    default: 30
author:
  - Alertpath contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Let a vault reach its two tunnels and nobody else
  alertpath.smtp.smtp_firewall:
    ports: [25, 465, 587]
    egress:
      - {path: vault-to-tunnel, source: 10.77.20.11, destination: 10.77.30.11, port: 587}
      - {path: vault-to-tunnel, source: "fd77:20::11", destination: "fd77:30::11", port: 587}

- name: Apply what the plan says for this host
  alertpath.smtp.smtp_firewall:
    ports: "{{ rules.ports }}"
    egress: "{{ rules.egress }}"
    ingress: "{{ rules.ingress }}"
    blocked: "{{ rules.blocked }}"
  vars:
    rules: "{{ smtp_plan.hosts[inventory_hostname].firewall }}"

- name: Let a LAN gateway pass the mail server's SMTP only
  alertpath.smtp.smtp_firewall:
    ports: [25, 465, 587]
    router: true
    forward:
      - {path: mail-out, source: 10.77.10.25, destination: 0.0.0.0/0, port: 25}

- name: Let a vault be reached by SSH and its clients only, and have it taken back when that cuts SSH
  alertpath.smtp.smtp_firewall:
    ports: [25, 465, 587]
    egress:
      - {path: vault-to-tunnel, source: 10.77.20.11, destination: 10.77.30.11, port: 587}
    lockdown: true
    management:
      - {path: admin-ssh, direction: ingress, source: 10.77.0.0/24, destination: 10.77.20.11, port: 22}
      - {path: names, direction: egress, protocol: udp, source: 10.77.20.11, destination: 10.77.0.53, port: 53}
    confirm_timeout: 30

- name: Remove the rules
  alertpath.smtp.smtp_firewall:
    state: absent
"""

RETURN = r"""
drift:
  description: Which of the three sources differed from what is declared, before this run changed anything.
  returned: success
  type: dict
  contains:
    live:
      description: Whether the loaded table differed.
      type: bool
      sample: true
    boot:
      description:
        - Whether a restart would have brought something else, because of the boot file, the unit, or the unit's state.
        - Always V(false) with O(persist=false).
      type: bool
      sample: false
blocked:
  description:
    - The blocked attempts counted for each direction since the table was loaded. Zero when this run changed the table.
    - With O(state=absent), the last counts of the removed table.
  returned: success
  type: dict
  sample:
    egress: {packets: 3, bytes: 180}
    ingress: {packets: 0, bytes: 0}
rules:
  description: How many elements the verdict maps hold. Rules that other rules contain are not among them.
  returned: success
  type: int
  sample: 4
confirmed:
  description: Whether other rules were applied for a while first and then confirmed over a new connection.
  returned: success
  type: bool
  sample: false
transaction:
  description:
    - The change that was to be confirmed. C(id), and C(state), which is V(confirmed), or V(rolled-back), V(pending) or
      V(unknown) in a failure. C(dead_men) says what would have taken it back.
  returned: when the rules were applied for a while first
  type: dict
  sample: {id: 5d1f6a0c2b7e4f19, state: confirmed, dead_men: "the kernel; alertpath-firewall-5d1f6a0c2b7e4f19.timer"}
nft_version:
  description: The version of nft on the host.
  returned: success
  type: str
  sample: 1.0.6
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.alertpath.smtp.plugins.module_utils.command import CommandError
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import commit, forwarding, model
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall.firewall import Firewall
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall.lock import LockBusy
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall.undo import ChangeFailed

ARGUMENT_SPEC = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ports": {"type": "list", "elements": "int"},
    "egress": {"type": "list", "elements": "dict", "default": []},
    "ingress": {"type": "list", "elements": "dict", "default": []},
    "forward": {"type": "list", "elements": "dict", "default": []},
    "router": {"type": "bool", "default": False},
    "blocked": {"type": "str", "choices": list(model.BLOCKED), "default": "reset"},
    "log": {"type": "bool", "default": True},
    "log_rate": {"type": "str", "default": "10/minute"},
    "log_group": {"type": "int"},
    "lockdown": {"type": "bool", "default": False},
    "management": {"type": "list", "elements": "dict", "default": []},
    "commit_confirm": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "confirm_timeout": {"type": "int", "default": 30},
    "transaction": {
        "type": "dict",
        "options": {
            "id": {"type": "str", "required": True},
            "phase": {"type": "str", "choices": ["begin", "confirm", "ask"], "required": True},
            "remote": {"type": "bool", "default": True},
        },
    },
    "persist": {"type": "bool", "default": True},
    "lock_timeout": {"type": "int", "default": 30},
}


def run(params: Dict[str, Any], check: bool, diff: bool) -> Dict[str, Any]:
    """Do what *params* ask for and return the result's fields; warnings are among them."""
    change = commit.from_options(params)
    ruleset = model.from_options(params) if params["state"] == "present" else None
    firewall = Firewall(params["persist"], check, diff, params["lock_timeout"])
    if change and params["transaction"]["phase"] == "ask":
        return {"changed": False, "transaction": {"id": change.id, "state": commit.state(change.id)}}
    if change and ruleset and params["transaction"]["phase"] == "confirm":
        firewall.confirm(ruleset, change)
        return {"changed": True, "transaction": {"id": change.id, "state": "confirmed"}}
    waits = commit.needed(params, ruleset, change) if ruleset and not check else None
    outcome = firewall.present(ruleset, waits) if ruleset else firewall.absent()
    result = {
        "changed": outcome.changed,
        "diff": outcome.diff,
        "drift": {"live": outcome.live_differs, "boot": outcome.boot_differs},
        "blocked": outcome.blocked,
        "rules": outcome.elements,
        "confirmed": False,
        "nft_version": firewall.nft.version(),
        "warnings": model.warnings(ruleset) + forwarding.warnings(ruleset) if ruleset else [],
    }
    if outcome.begun:
        words = {"id": outcome.begun.id, "state": "pending", "dead_men": outcome.begun.dead_men}
        result["transaction"] = words
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC, required_if=[("state", "present", ["ports"])], supports_check_mode=True
    )
    try:
        result = run(module.params, module.check_mode, module._diff)
    except commit.NotConfirmed as refused:
        module.fail_json(msg=str(refused), refused=refused.kind)
    except (ValueError, CommandError, LockBusy, ChangeFailed, OSError) as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
