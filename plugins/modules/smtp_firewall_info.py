#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_firewall_info
short_description: Prove that a host's loaded rules let exactly the declared SMTP connections pass
version_added: 0.1.0
description:
  - Reads every packet filter rule that the host has loaded, of whatever tool it comes from. nftables, firewalld, ufw,
    Docker, iptables-nft and iptables-legacy are read, with NAT, ipsets, marks, verdict maps and all chains.
  - Works out, for every source and destination of IPv4 and IPv6, whether the first packet of a TCP connection to one of
    O(ports) gets through, and compares that with what is declared. No packet is sent.
  - Three answers are told apart. What the rules surely let through, what they surely do not, and what depends on
    something that the rules do not tell, such as a rate limit. The last never counts as proof of anything.
  - Changes nothing.
notes:
  - What is open on some interface counts as open. A declared path must be open over each interface by which its packets
    can come and go, as the routes of the host say.
  - What egress rules let out is judged for all source addresses, also for those that the host does not have now.
  - What lies outside of the sight of such a proof is listed in RV(out_of_sight) every time.
  - Forwarded traffic is left out unless O(router=true).
requirements:
  - nftables 0.9.7 or later on the host
  - iptables, where rules of iptables-nft or iptables-legacy are loaded
  - ipset, where such rules look at ipsets
  - iproute2 (C(ip)), for the interfaces, addresses and routes of the host. Without it, less can be proved.
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - Nothing is changed.
  platform:
    support: full
    platforms: linux
options:
  ports:
    description: The TCP ports that count as SMTP.
    type: list
    elements: int
    required: true
  egress:
    description:
      - The connections that this host may open, as in O(alertpath.smtp.smtp_firewall#module:egress).
    type: list
    elements: dict
    default: []
  ingress:
    description: The connections that this host may accept. Rules as in O(egress).
    type: list
    elements: dict
    default: []
  forward:
    description: The connections that this host may route. Rules as in O(egress). Allowed with O(router=true) only.
    type: list
    elements: dict
    default: []
  router:
    description: Whether this host routes for others, so that forwarded traffic is looked at too.
    type: bool
    default: false
  expect_proved:
    description: Whether the task fails unless RV(passed) is V(true). The failure names the rules and what to do.
    type: bool
    default: false
author:
  - Alertpath contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Prove that a vault reaches its tunnel and nobody else
  alertpath.smtp.smtp_firewall_info:
    ports: [25, 465, 587]
    egress:
      - {path: vault-to-tunnel, source: 10.77.20.11, destination: 10.77.30.11, port: 587}
    expect_proved: true

- name: See what the plan's host lets pass
  alertpath.smtp.smtp_firewall_info:
    ports: "{{ rules.ports }}"
    egress: "{{ rules.egress }}"
    ingress: "{{ rules.ingress }}"
  register: proof
  vars:
    rules: "{{ smtp_plan.hosts[inventory_hostname].firewall }}"

- name: Show the handles of the rules that intercept
  ansible.builtin.debug:
    msg: "{{ proof.intercepted | map(attribute='by') | flatten | map(attribute='handle') | unique }}"
"""

RETURN = r"""
passed:
  description: Whether exactly what is declared is open and nothing is led elsewhere. The unknown proves nothing.
  returned: success
  type: bool
  sample: false
summary:
  description: The outcome in one line.
  returned: success
  type: str
  sample: >-
    not proved: 1 open but not declared, such as egress from 0.0.0.0/0 to 10.0.0.0/8 port 25 by table inet site chain
    out handle 4 (ip daddr 10.0.0.0/8 accept) (TCP ports 25, 465, 587, egress, ingress)
excess:
  description: What is open and not declared. Entries do not overlap.
  returned: success
  type: list
  elements: dict
  contains: &finding
    direction:
      description: V(egress), V(ingress) or V(forward).
      type: str
      sample: egress
    source:
      description: The source addresses, as an address, a prefix, or first and last address.
      type: str
      sample: 10.77.20.11
    destination:
      description: The destination addresses, as RV(excess[].source).
      type: str
      sample: 10.0.0.0/8
    port:
      description: The destination port.
      type: int
      sample: 25
    certainty:
      description: V(must) when it surely is so, V(may) when it depends on something that the rules do not tell.
      type: str
      sample: must
    paths:
      description: The declared paths it concerns. None for what is not declared.
      type: list
      elements: str
      sample: []
    by:
      description:
        - The rules that decide. For a chain's policy, C(handle) is V(null). None when nothing but the kernel's default
          decides.
      type: list
      elements: dict
      contains:
        family:
          description: The family of the table. For iptables, V(ip) or V(ip6).
          type: str
          sample: inet
        table:
          description: The table.
          type: str
          sample: site
        chain:
          description: The chain.
          type: str
          sample: out
        handle:
          description: The handle of the rule in nft. V(null) for a policy, and for iptables-legacy, which has none.
          type: int
          sample: 4
        rule:
          description: What the rule says.
          type: str
          sample: ip daddr 10.0.0.0/8 accept
        source:
          description:
            - What shows the rule, V(nft), V(iptables-nft) or V(iptables-legacy). The tables of the last are none of
              nft's, though they may be named alike.
          type: str
          sample: nft
missing:
  description: What is declared and not surely open. C(certainty) is V(must) where it surely is blocked.
  returned: success
  type: list
  elements: dict
  contains: *finding
intercepted:
  description: What is open or declared, and led elsewhere than to its destination by NAT, TPROXY or the like.
  returned: success
  type: list
  elements: dict
  contains: *finding
left_out:
  description: How many entries more there would be in RV(excess), RV(missing), RV(intercepted) and RV(anomalies).
  returned: success
  type: dict
  sample: {excess: 0, missing: 0, intercepted: 0, anomalies: 0}
unmodelled:
  description: What an SMTP packet can meet and the rules do not decide. It counts as open, and never as proof.
  returned: success
  type: list
  elements: dict
  sample:
    - {family: inet, table: site, chain: out, handle: 7, rule: limit rate 5/second accept, source: nft,
       what: limit}
out_of_sight:
  description: What such a proof cannot see.
  returned: success
  type: list
  elements: str
  sample: ["other hosts, and what lies between: only this host's own rules were read"]
anomalies:
  description:
    - Rules that touch O(ports) and do not do what they seem to. C(kind) is V(shadowed) when no packet is left for the
      rule, V(redundant) when the rules after it decide the same, V(contradicting) when an earlier rule with the
      opposite verdict takes a part of its packets.
    - C(rule) is the rule, C(others) are those it concerns, each as in RV(excess[].by). C(what) says it in words.
  returned: success
  type: list
  elements: dict
  sample: []
directions:
  description: The directions that were looked at.
  returned: success
  type: list
  elements: str
  sample: [egress, ingress]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.alertpath.smtp.plugins.module_utils.command import CommandError
from ansible_collections.alertpath.smtp.plugins.module_utils.proof import gather, report

ARGUMENT_SPEC = {
    "ports": {"type": "list", "elements": "int", "required": True},
    "egress": {"type": "list", "elements": "dict", "default": []},
    "ingress": {"type": "list", "elements": "dict", "default": []},
    "forward": {"type": "list", "elements": "dict", "default": []},
    "router": {"type": "bool", "default": False},
    "expect_proved": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        report.declared_from(module.params)
        result = report.prove(gather.gather(), module.params)
    except (ValueError, CommandError, OSError) as error:
        module.fail_json(msg=str(error))
    if module.params["expect_proved"] and not result["passed"]:
        module.fail_json(msg=f"{result['summary']}. {report.remedy(result)}", changed=False, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
