# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m alertpath_tunnel` is the command `alertpath-tunnel`."""

from alertpath_tunnel.cli import main

raise SystemExit(main())
