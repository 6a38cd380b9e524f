#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: postfix_satellite
short_description: Hand all of a host's mail to pinned next hops through Postfix
version_added: 0.1.0
description:
  - Makes Postfix a null client. It takes no mail from the network, delivers none to mailboxes, and hands all of
    it to O(next_hops), in order of preference.
  - Next hops are addresses. No name is resolved, no MX record is looked up.
  - The module owns C(main.cf) and the folder C(alertpath) beside it, whole. It leaves C(master.cf) alone, and
    refuses to go on when something in it
    would undo the configuration.
  - Every change is a transaction. The files are rendered, staged, read by C(postconf), C(postmap) and C(postfix
    check), then put in place by one replacement of
    C(main.cf). If Postfix does not come up and answer, the configuration that was there before is put back.
  - The C(main.cf) that was there before the first takeover is kept as C(main.cf.before-alertpath).
requirements:
  - Postfix 3.5 or later on the host
  - SASL mechanisms for Postfix when O(user) is given (C(libsasl2-modules) on Debian, C(cyrus-sasl-plain) on Red Hat)
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
    details:
      - When Postfix is not installed, the module cannot show the files and reports a change.
  diff_mode:
    support: full
    details:
      - A secret is never shown, only that it changed.
  platform:
    support: full
    platforms: posix
options:
  state:
    description:
      - V(present) makes the host a satellite.
      - V(absent) puts back the C(main.cf) that was there before the first takeover. Without one, Postfix is stopped.
    type: str
    choices: [present, absent]
    default: present
  next_hops:
    description:
      - The servers that take this host's mail, in order of preference. The next is tried when one does not
        answer or defers.
      - An entry of the plan can be given as it is.
      - Required with O(state=present).
    type: list
    elements: dict
    suboptions:
      address:
        description: The IPv4 or IPv6 address.
        type: str
        required: true
      port:
        description: The TCP port.
        type: int
        required: true
      encryption:
        description: V(implicit) must not stand beside another value, for Postfix has one switch for all next hops.
        type: str
        choices: [starttls, implicit, none]
        required: true
      name:
        description: The name in the server's certificate. Required with O(tls=verify).
        type: str
      fingerprints:
        description:
          - SHA-256 fingerprints of the server's certificate or public key, any of which may match.
            Required with O(tls=fingerprint).
        type: list
        elements: str
        default: []
      host:
        description: The host's name in the inventory, for the reader.
        type: str
      path:
        description: The path of the policy this next hop comes from, for the reader.
        type: str
  hostname:
    description:
      - The name Postfix shows in EHLO.
      - Required with O(state=present).
    type: str
  origin:
    description: The domain that is appended to senders without one. The default is O(hostname).
    type: str
  tls:
    description: The TLS security level for all next hops whose encryption is not V(none).
    type: str
    choices: [none, may, encrypt, fingerprint, verify]
    default: verify
  ca:
    description:
      - The certificates of the authorities that may have signed a next hop's certificate, as PEM text or as
        the absolute path of a file on the host.
      - Required with O(tls=verify). No other authority is trusted.
    type: str
  user:
    description: The user for SMTP AUTH.
    type: str
  password:
    description: The password for SMTP AUTH. It lies in a file that only root reads.
    type: str
  retry:
    description: How long mail waits. Each value is a number with a unit (V(s), V(m), V(h), V(d), V(w)).
    type: dict
    default: {}
    suboptions:
      queue_run:
        description: Time between looks at the deferred queue.
        type: str
        default: 60s
      minimal_backoff:
        description: Shortest time between two attempts.
        type: str
        default: 60s
      maximal_backoff:
        description: Longest time between two attempts.
        type: str
        default: 10m
      lifetime:
        description: When undelivered mail returns to its sender.
        type: str
        default: 5d
      bounce_lifetime:
        description: When an undelivered bounce is given up.
        type: str
        default: 5d
      delay_warning:
        description: When a waiting message is reported. V(0s) turns it off.
        type: str
        default: 15m
      connect_timeout:
        description: How long one connection attempt may take before the next hop is tried.
        type: str
        default: 10s
  root_recipient:
    description: The mail address that gets mail to C(root) and C(postmaster) of this host.
    type: str
  notice_recipient:
    description:
      - Who gets Postfix's notices of delayed and returned mail.
      - A mail address, or the name of a local account. A local account's mailbox takes them though every
        next hop is down.
    type: str
  sender_rewriting:
    description: Replaces sender addresses in the envelope and in headers.
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: An address, a user, or V(@domain).
        type: str
        required: true
      to:
        description: The address that stands in its place.
        type: str
        required: true
  loopback_smtp:
    description:
      - Whether programs of this host may hand in mail by SMTP on loopback. The C(sendmail) command works
        either way.
    type: bool
    default: true
  config_directory:
    description: The configuration directory of the Postfix instance.
    type: path
    default: /etc/postfix
author:
  - Alertpath contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Send the vault's mail to two tunnels, verified against the company's CA
  alertpath.smtp.postfix_satellite:
    hostname: vault1.corp.test
    origin: corp.test
    next_hops:
      - {address: 10.77.30.11, port: 587, encryption: starttls, name: tunnel1.corp.test}
      - {address: "fd77:30::12", port: 587, encryption: starttls, name: tunnel2.corp.test}
    ca: /etc/ssl/certs/corp-ca.pem
    root_recipient: soc@corp.test
    notice_recipient: root

- name: Take the next hops from the plan
  alertpath.smtp.postfix_satellite:
    hostname: "{{ smtp_name }}"
    next_hops: "{{ smtp_plan.hosts[inventory_hostname].next_hops }}"
    ca: "{{ lookup('ansible.builtin.file', 'files/corp-ca.pem') }}"

- name: Give the host's Postfix back
  alertpath.smtp.postfix_satellite:
    state: absent
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  returned: always
  type: list
  elements: str
  sample: [/etc/postfix/main.cf, /etc/postfix/alertpath/tls_policy]
action:
  description: What Postfix was, or would be, told to do.
  returned: always
  type: str
  sample: reload
next_hops:
  description: The next hops in use, in order.
  returned: when O(state=present)
  type: list
  elements: dict
  contains:
    next_hop:
      description: The next hop as Postfix writes it.
      type: str
      sample: "[10.77.30.11]:587"
    tls:
      description: Its TLS security level.
      type: str
      sample: verify
    name:
      description: The name its certificate must carry.
      type: str
      sample: tunnel1.corp.test
postfix_version:
  description: The version of Postfix, empty when it is not installed.
  returned: always
  type: str
  sample: 3.7.11
backup:
  description: Where the previous C(main.cf) was kept.
  returned: on the first takeover
  type: str
  sample: /etc/postfix/main.cf.before-alertpath
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.alertpath.smtp.plugins.module_utils.command import CommandError
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix import options
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.takeover import Takeover, TakeoverError
from ansible_collections.alertpath.smtp.plugins.module_utils.postfix.values import ValueRefused


def main() -> None:
    module = AnsibleModule(
        argument_spec=options.ARGUMENT_SPEC,
        required_if=[("state", "present", ["next_hops", "hostname"])],
        required_together=[("user", "password")],
        supports_check_mode=True,
    )
    try:
        satellite = options.satellite(module.params) if module.params["state"] == "present" else None
        if module.check_mode and not options.postfix_installed():
            module.exit_json(**options.without_postfix(satellite))
        takeover = Takeover(module.params["config_directory"], module.check_mode)
        outcome = takeover.present(satellite) if satellite else takeover.absent()
    except (ValueRefused, CommandError, TakeoverError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**options.result(outcome, satellite))


if __name__ == "__main__":
    main()
