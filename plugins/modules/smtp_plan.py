#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_plan
short_description: Compile the SMTP policy into a plan for every host
version_added: 0.1.0
description:
  - Reads the policy and the inventory on the controller.
  - Returns what every host must enforce and what every probe must find.
  - Nothing is sent to any host. A policy that is refused fails the task with every reason at once.
  - The shape of the plan is described in the collection's C(docs/plan.md), the language in C(docs/policy.md).
author:
  - Alertpath contributors (!UNKNOWN)
options:
  policy:
    description:
      - The policy. The variable C(smtp_policy) when left out.
    type: dict
  review_overdue:
    description:
      - Whether a path whose review date has passed refuses the policy. Overrides the policy's own C(review_overdue).
    type: str
    choices: [error, warning]
  today:
    description:
      - The day to compile for, as V(2026-11-30). The current day when left out.
    type: str
  probes_for:
    description:
      - Hosts whose row of the probe matrix is wanted. All when left out; in a large inventory the matrix is large.
    type: list
    elements: str
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: It changes nothing.
  platform:
    support: full
    platforms: all
"""

EXAMPLES = r"""
- name: Compile the policy once for all hosts of the play
  alertpath.smtp.smtp_plan:
  register: smtp_plan
  run_once: true

- name: Show what this host lets out
  ansible.builtin.debug:
    var: smtp_plan.hosts[inventory_hostname].firewall.egress
"""

RETURN = r"""
digest:
  description: SHA-256 over the policy and the hosts that the plan was made from.
  returned: success
  type: str
  sample: 9f2c1d0be3a1
ports:
  description: The TCP ports that count as SMTP.
  returned: success
  type: list
  elements: int
  sample: [25, 465, 587]
findings:
  description: Warnings, each with severity, path, field, value, message, remedy and file.
  returned: success
  type: list
  elements: dict
paths:
  description: Every way that is open, with its addresses, ports, owner, approval, reason and review date.
  returned: success
  type: list
  elements: dict
zones:
  description: Every zone with the addresses and networks it stands for.
  returned: success
  type: list
  elements: dict
sentinels:
  description: The destinations that must be unreachable.
  returned: success
  type: list
  elements: dict
hosts:
  description: The plan of each host, by its name in the inventory.
  returned: success
  type: dict
errors:
  description: Every reason the policy is refused for, in the shape of the findings.
  returned: failure
  type: list
  elements: dict
"""
