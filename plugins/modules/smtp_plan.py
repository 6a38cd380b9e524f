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
  - Each reason names file and line (with ansible-core 2.19 and later), path, field, value and a remedy.
  - Of the inventory it reads C(smtp_addresses), C(ansible_host), C(smtp_name) and the groups. No name is resolved.
  - The shape of the plan is described in the collection's C(docs/plan.md), the language in C(docs/policy.md).
author:
  - Alertpath contributors (!UNKNOWN)
options:
  policy:
    description:
      - The policy, a dictionary. The variable C(smtp_policy) when left out.
    type: raw
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
  when: inventory_hostname in smtp_plan.hosts

- name: See which reviews are overdue in the new year, without being refused
  alertpath.smtp.smtp_plan:
    today: 2028-01-01
    review_overdue: warning
    probes_for: []
  register: smtp_plan_new_year
  run_once: true
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
  description: What a person should look at; shown as warnings, too.
  returned: success
  type: list
  elements: dict
  contains: &finding
    severity:
      description: V(warning), or V(error) for what refuses the policy.
      type: str
    file:
      description: Where it was read from, as V(group_vars/all/smtp_policy.yml:14).
      type: str
    path:
      description: The id of the path, the place in the policy, or the host of the inventory.
      type: str
    field:
      description: The key.
      type: str
    value:
      description: What was said there; never a secret.
      type: str
    message:
      description: What is wrong with it.
      type: str
    remedy:
      description: What to do.
      type: str
hosts:
  description: The plan of each host, by its name in the inventory.
  returned: success
  type: dict
errors:
  description: Every reason the policy is refused for.
  returned: failure
  type: list
  elements: dict
  contains: *finding
"""
