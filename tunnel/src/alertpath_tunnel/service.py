# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: runs a configuration until it is told to stop, and takes a new one when it is told to reload."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from alertpath_tunnel.config.load import load
from alertpath_tunnel.config.problems import ConfigError
from alertpath_tunnel.net.runtime import Runtime, build_runtime
from alertpath_tunnel.net.server import Server
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.ops.notify import notify, reloading


def prepare(file: Path, journal: Journal) -> Runtime:
    """Load `file` and read all it names; warnings go to the journal. Raises ConfigError."""
    config, warnings = load(file)
    for warning in warnings:
        journal.write({"event": "warning", "reason": warning.render(str(file))})
    return build_runtime(config)


async def serve(file: Path, journal: Journal) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError when it cannot begin."""
    loop = asyncio.get_running_loop()
    stop, reload = asyncio.Event(), asyncio.Event()
    runtime = prepare(file, journal)
    server = Server(runtime, journal)
    await server.apply(runtime)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    journal.write({"event": "ready", "listening": [f"{host} {port}" for host, port in server.addresses]})
    notify("READY=1")
    while not stop.is_set():
        await _either(stop, reload)
        if reload.is_set() and not stop.is_set():
            reload.clear()
            runtime = await _reload(file, server, runtime, journal)
    notify("STOPPING=1")
    broken = await server.drain(runtime.config.timeouts.drain)
    journal.write({"event": "stopped", "sessions_broken_off": broken})


async def _reload(file: Path, server: Server, current: Runtime, journal: Journal) -> Runtime:
    reloading()
    try:
        runtime = prepare(file, journal)
        await server.apply(runtime)
    except ConfigError as error:
        journal.write({"event": "reload refused", "reason": str(error)})
        runtime = current
    else:
        journal.write({"event": "reloaded", "listening": [f"{host} {port}" for host, port in server.addresses]})
    notify("READY=1")
    return runtime


async def _either(*waited: asyncio.Event) -> None:
    tasks = [asyncio.ensure_future(event.wait()) for event in waited]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
