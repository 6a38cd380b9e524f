# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Whether the module can run in C(check_mode) and report what it would change.
  diff_mode:
    description: Whether the module shows what changed, or would change, in diff mode.
  platform:
    description: The systems the module runs on.
    platforms: posix
"""

    ACTIONGROUP_SMTP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/alertpath.smtp.smtp) in C(module_defaults) to set options for all modules at once.
    support: full
    membership:
      - alertpath.smtp.smtp
"""
