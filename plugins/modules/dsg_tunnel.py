#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: dsg_tunnel
short_description: Configure the SMTP tunnel service
version_added: 0.1.0
description:
  - Writes the configuration of C(alertpath-tunnel) together with the certificates, keys and passwords that it names,
    as one generation below C(/etc/alertpath-tunnel).
  - The generation is judged by C(alertpath-tunnel check) before it is put live, and is put live in one step.
    What was live before goes on when it is refused.
  - Where RV(restart_needed) is V(true) and nothing else changes, what is live is judged once more, as another release
    may refuse it. The module fails then, and what runs goes on.
  - The service itself is installed by M(alertpath.smtp.tunnel_release). The caller tells it to reload or restart
    when RV(reload_needed) or RV(restart_needed) says so.
author:
  - Alertpath contributors (!UNKNOWN)
options:
  state:
    description: Whether the configuration is there.
    type: str
    choices: [present, absent]
    default: present
  config:
    description:
      - The configuration, as C(tunnel/README.md) describes it.
      - A value V(file:NAME) stands for the path of the file NAME of O(files).
      - Required with O(state=present).
    type: dict
  files:
    description:
      - Content of the files that O(config) names, by plain file name. Names of private keys end in C(.key).
      - Written readable for the service alone; never shown, not even in diffs.
    type: dict
    default: {}
  group:
    description: The group that the service runs as, which may read the files.
    type: str
    default: alertpath-tunnel
  certificates:
    description:
      - Certificates among O(files) that are proven by a TLS handshake in memory before they go live.
      - Key and certificate must belong together, and neither dates, names nor chain may make a client refuse them.
      - One that expires within 30 days is warned about.
    type: list
    elements: dict
    default: []
    suboptions:
      chain:
        description: The name of the certificate among O(files), leaf first.
        type: str
        required: true
      key:
        description: The name of its private key among O(files).
        type: str
        required: true
      names:
        description: The names and addresses by which clients ask for it.
        type: list
        elements: str
        default: []
      authorities:
        description: The authorities that clients trust, PEM text. Without them the chain is not looked at.
        type: str
  unit:
    description: The service, for RV(reload_needed) and RV(restart_needed).
    type: str
    default: alertpath-tunnel.service
  restart_after:
    description: Files and links whose change asks for a restart.
    type: list
    elements: path
    default: []
  command:
    description: The program that judges the configuration.
    type: path
    default: /opt/alertpath-tunnel/current/bin/alertpath-tunnel
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
    details: Names are checked; the judgement of C(alertpath-tunnel check) is left to the real run.
  diff_mode:
    support: full
    details: Shows the configuration; of other files, only whether they change.
  platform:
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Configure the tunnel
  alertpath.smtp.dsg_tunnel:
    config:
      hostname: tunnel1.corp.example
      tunnels:
        - name: vault-alerts
          interface: 192.0.2.129
          port: 587
          tls: {mode: starttls, certificate: {chain: "file:server.pem", key: "file:server.key"}}
          clients: [192.0.2.11]
      upstreams:
        - name: gateway
          forwarding_addresses: [{address: 198.51.100.25, port: 465, name: smtp.corp.example}]
          tls: {mode: implicit, ca_file: "file:upstream-ca.pem"}
      services:
        - name: alerts
          type: SMTP
          tunnels: [vault-alerts]
          hostnames: {"*": gateway}
          profiles: []
    files:
      server.pem: "{{ lookup('ansible.builtin.file', 'pki/tunnel1.pem') }}"
      server.key: "{{ lookup('ansible.builtin.file', 'pki/tunnel1.key') }}"
      upstream-ca.pem: "{{ lookup('ansible.builtin.file', 'pki/ca.pem') }}"
"""

RETURN = r"""
reload_needed:
  description:
    - Whether the service runs by an older configuration and must be reloaded.
    - True also when an earlier run was cut short before it could do so.
  returned: when O(state=present)
  type: bool
running:
  description: Whether the service runs.
  returned: when O(state=present)
  type: bool
restart_needed:
  description: Whether something in O(restart_after) is newer than the service's start, or the service fails to start.
  returned: when O(state=present)
  type: bool
generation:
  description: The name of the generation that is, or in check mode would be, live.
  returned: when O(state=present)
  type: str
  sample: 5f3a9c21d4b8e607
"""

import grp

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.alertpath.smtp.plugins.module_utils.command import CommandError
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel import running
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.certificates import (
    WARN_DAYS,
    CertificateError,
    prove,
)
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.generation import (
    CONFIG,
    Generation,
    GenerationError,
    Store,
)


def _group(module):
    try:
        return grp.getgrnam(module.params["group"]).gr_gid
    except KeyError:
        if module.check_mode:
            return None
        return module.fail_json(msg=f"there is no group {module.params['group']}; create the service's user first")


def _prove(module, files):
    for entry in module.params["certificates"]:
        lacking = [entry[part] for part in ("chain", "key") if entry[part] not in files]
        if lacking:
            module.fail_json(msg=f"certificates: {', '.join(lacking)} is not among files")
        try:
            found = prove(
                files[entry["chain"]], files[entry["key"]], entry["names"], entry["authorities"], module.tmpdir
            )
        except CertificateError as error:
            module.fail_json(msg=f"{entry['chain']} would be refused by clients and was not put live: {error}")
        if found.days_left < WARN_DAYS:
            module.warn(f"{entry['chain']} expires in {found.days_left} days, on {found.expires:%Y-%m-%d}; renew it")


def _present(module):
    empty = [name for name, text in module.params["files"].items() if text is None]
    if empty:
        module.fail_json(msg=f"files: {', '.join(empty)} has no content; give its text, or leave it out")
    wanted = Generation(module.params["config"], {name: str(text) for name, text in module.params["files"].items()})
    problems = wanted.problems()
    if problems:
        module.fail_json(msg="; ".join(problems))
    _prove(module, wanted.files)
    store = Store(group=_group(module))
    changed = not store.is_live(wanted)
    before, after = store.live_text(), wanted.rendered(store.current_link)
    if changed and before == after:
        after += "# the files it names change, or their modes\n"
    if changed and not module.check_mode:
        store.put_live(wanted, module.params["command"])
    path = str(store.current_link / CONFIG)
    state = running.look(module.params["unit"])
    restart = state is not None and state.restart_needed(module.params["restart_after"])
    if restart and not changed and not module.check_mode:
        # By another release, perhaps, than the one that runs: if that cannot run it, what runs had better go on.
        store.judge_live(module.params["command"])
    reload = state is not None and not restart and (changed or state.reload_needed([str(store.current_link)]))
    module.exit_json(
        changed=changed,
        generation=wanted.digest(),
        reload_needed=reload and state.alive,
        running=state is not None and state.alive,
        restart_needed=restart,
        diff={"before_header": path, "after_header": path, "before": before, "after": after} if changed else {},
    )


def _absent(module):
    store = Store()
    before = store.live_text()
    changed = store.root.exists() if module.check_mode else store.remove()
    module.exit_json(changed=changed, diff={"before": before, "after": ""})


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "config": {"type": "dict"},
            "files": {"type": "dict", "default": {}, "no_log": True},
            "group": {"type": "str", "default": "alertpath-tunnel"},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "chain": {"type": "str", "required": True},
                    "key": {"type": "str", "required": True, "no_log": False},
                    "names": {"type": "list", "elements": "str", "default": []},
                    "authorities": {"type": "str"},
                },
            },
            "unit": {"type": "str", "default": "alertpath-tunnel.service"},
            "restart_after": {"type": "list", "elements": "path", "default": []},
            "command": {"type": "path", "default": "/opt/alertpath-tunnel/current/bin/alertpath-tunnel"},
        },
        required_if=[("state", "present", ["config"])],
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "present":
            _present(module)
        _absent(module)
    except (GenerationError, CommandError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
