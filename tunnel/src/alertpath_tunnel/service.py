# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: runs a configuration until it is told to stop, and takes a new one when it is told to reload."""

from __future__ import annotations

import resource
from pathlib import Path

from alertpath_tunnel.config.load import load
from alertpath_tunnel.net.runtime import Runtime, build_runtime
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.process.supervisor import Supervisor


def prepare(file: Path, journal: Journal) -> Runtime:
    """Load `file` and read all it names; warnings go to the journal. Raises ConfigError."""
    config, warnings = load(file)
    for warning in warnings:
        journal.write({"event": "warning", "reason": warning.render(str(file))})
    return build_runtime(config)


def serve(file: Path, workers: int, journal: Journal) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError when it cannot begin."""
    # Keys and mail lie in the memory of every process of ours, and none of it belongs into a file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Supervisor(file, workers, journal, prepare).run()
