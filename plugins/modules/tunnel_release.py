#!/usr/bin/python
# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: tunnel_release
short_description: Install the SMTP tunnel service from wheels built on the controller
version_added: 0.1.0
description:
  - Builds the wheels of C(alertpath-tunnel) and of what it needs on the controller, once for all targets alike.
  - Installs them on the target, in a virtual environment of their own below C(/opt/alertpath-tunnel).
  - The target reaches no package registry. The new release is proven to start before it becomes current.
    The one before is kept.
  - The controller needs C(pip) beside its Python, unless O(wheelhouse) is given.
author:
  - Alertpath contributors (!UNKNOWN)
options:
  state:
    description: Whether the service is installed.
    type: str
    choices: [present, absent]
    default: present
  wheelhouse:
    description:
      - A folder on the controller that holds the wheels already, pip's own among them.
        Nothing is built or downloaded then.
    type: path
  compiled:
    description:
      - Compile what runs for each message to machine code, on the controller. A message takes about a quarter less
        processor time then.
      - The controller must be like the target (the same minor version of Python, the same machine, no newer glibc), and
        have a C compiler and Python's headers.
      - Not together with O(wheelhouse), which may hold compiled wheels.
    type: bool
    default: false
  digest:
    description: Set by the controller's half, never by a play.
    type: str
  folder:
    description: Set by the controller's half, never by a play.
    type: path
extends_documentation_fragment:
  - alertpath.smtp.attributes
  - alertpath.smtp.attributes.actiongroup_smtp
attributes:
  check_mode:
    support: full
    details: Nothing is built, either.
  diff_mode:
    support: full
    details: Shows the names of the releases.
  platform:
    support: full
    platforms: linux
notes:
  - The target needs Python 3.11 or later with its standard module C(venv).
"""

EXAMPLES = r"""
- name: Install the tunnel service
  alertpath.smtp.tunnel_release:

- name: Install it compiled, from a controller like the target
  alertpath.smtp.tunnel_release:
    compiled: true

- name: Install it from wheels that were carried here by hand
  alertpath.smtp.tunnel_release:
    wheelhouse: /srv/wheels/alertpath-tunnel
"""

RETURN = r"""
release:
  description: The release that is, or in check mode would be, current.
  returned: when O(state=present)
  type: str
  sample: 0.1.0-8c1f5e0a9b3d
interpreter:
  description: What wheels for the target must fit.
  returned: success
  type: dict
  sample: {python: "3.11", machine: x86_64, libc: glibc, libc_version: "2.36"}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.alertpath.smtp.plugins.module_utils.command import CommandError
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.release import (
    ReleaseError,
    Releases,
    interpreter,
)


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wheelhouse": {"type": "path"},
            "compiled": {"type": "bool", "default": False},
            "digest": {"type": "str"},
            "folder": {"type": "path"},
        },
        required_by={"folder": ["digest"]},
        supports_check_mode=True,
    )
    releases = Releases()
    before = releases.current()
    result = {"changed": False, "interpreter": interpreter(), "release": before}
    try:
        if module.params["state"] == "absent":
            result.pop("release")
            result["changed"] = releases.root.exists() if module.check_mode else releases.remove()
            result["diff"] = {"before": f"{before or ''}\n", "after": "\n"}
        elif module.params["folder"] is not None:
            releases.install(module.params["digest"], Path(module.params["folder"]))
            result.update(changed=True, release=module.params["digest"])
    except (ReleaseError, CommandError, OSError) as error:
        module.fail_json(msg=f"{error}; the release that was current still is ({before or 'none'})")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
