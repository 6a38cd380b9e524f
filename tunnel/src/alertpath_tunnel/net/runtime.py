# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration made ready to run: contexts, secrets, rules. Built whole before anything uses it."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from alertpath_tunnel.config.model import Config, File, Service, Tunnel, Upstream
from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.config.secrets import FileProblem, read_secret
from alertpath_tunnel.mime.walk import MimeLimits
from alertpath_tunnel.net.tls import client_context, server_context
from alertpath_tunnel.protect.methods import LEAST_KEY, Protect, build
from alertpath_tunnel.rules.engine import Engine
from alertpath_tunnel.rules.message import Processor
from alertpath_tunnel.smtp.server import ServerPolicy

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class NextHop:
    """An upstream with what is needed to reach it."""

    upstream: Upstream
    context: ssl.SSLContext | None
    password: bytes


@dataclass(frozen=True, slots=True)
class RunningService:
    service: Service
    processor: Processor
    hops: Mapping[str, NextHop]  # host name, address or * -> where the mail goes

    def hop(self, *names: str | None) -> NextHop | None:
        """Return the next hop of the first name that is mapped, else that of `*`."""
        for name in names:
            if name and name in self.hops:
                return self.hops[name]
        return self.hops.get("*")


@dataclass(frozen=True, slots=True)
class RunningTunnel:
    tunnel: Tunnel
    context: ssl.SSLContext | None
    service: RunningService | None
    policy: ServerPolicy  # for clients from whom TLS is demanded if it is from any


@dataclass(frozen=True, slots=True)
class Runtime:
    config: Config
    tunnels: tuple[RunningTunnel, ...]


@dataclass(frozen=True, slots=True)
class Files:
    """What the files that a configuration names came to."""

    contexts: Mapping[str, ssl.SSLContext | None]  # of tunnels
    hops: Mapping[str, NextHop]
    elements: Mapping[str, Protect]


def read_files(config: Config) -> tuple[Files, list[Problem]]:
    """Read every file the configuration names; return what they hold and everything that is wrong with them."""
    collector = _Collector()
    contexts = {tunnel.name: collector.attempt(server_context, tunnel.tls) for tunnel in config.tunnels}
    hops = {upstream.name: _hop(upstream, collector) for upstream in config.upstreams}
    elements: dict[str, Protect] = {}
    for element in config.data_elements:
        key = b""
        if element.key_file:
            key = collector.attempt(_key, File(element.key_file, element.at)) or b""
        elements[element.name] = build(element, key)
    return Files(contexts, hops, elements), collector.problems


def build_runtime(config: Config) -> Runtime:
    """Read every file the configuration names. Raises ConfigError with all that cannot be used."""
    files, problems = read_files(config)
    if problems:
        raise ConfigError(str(config.file), problems)
    return assemble(config, files)


def assemble(config: Config, files: Files) -> Runtime:
    """Put together what runs."""
    running = {service.name: _service(service, config, files.hops, files.elements) for service in config.services}
    tunnels = []
    for tunnel in config.active_tunnels():
        service = config.service_of(tunnel.name)
        tunnels.append(
            RunningTunnel(
                tunnel,
                files.contexts[tunnel.name],
                running[service.name] if service else None,
                _policy(tunnel, config),
            )
        )
    return Runtime(config, tuple(tunnels))


def identity(config: Config) -> bytes:
    """Return the word by which the workers of one service know each other's greeting; it tells nothing else."""
    return hashlib.sha256(config.hostname.encode() + b"\n" + os.fsencode(config.file)).hexdigest()[:16].encode()


def _policy(tunnel: Tunnel, config: Config) -> ServerPolicy:
    starttls = tunnel.tls.mode == "starttls"
    return ServerPolicy(
        hostname=config.hostname.encode(),
        identity=identity(config),
        size=config.limits.message_bytes,
        recipients=config.limits.recipients,
        errors=config.limits.errors,
        tls_offered=starttls,
        tls_required=starttls and tunnel.tls.required,
        auth=tunnel.auth == "pass",
    )


def _service(
    service: Service, config: Config, hops: Mapping[str, NextHop], elements: Mapping[str, Protect]
) -> RunningService:
    limits = MimeLimits(config.limits.mime_depth, config.limits.mime_parts, config.limits.header_bytes)
    processor = Processor(service.profiles, Engine(service.profiles, elements), limits)
    return RunningService(service, processor, {name: hops[hop] for name, hop in service.hostnames.items()})


def _hop(upstream: Upstream, collector: _Collector) -> NextHop:
    context = collector.attempt(client_context, upstream.tls)
    password = collector.attempt(read_secret, upstream.auth.password) if upstream.auth else None
    return NextHop(upstream, context, password or b"")


def _key(file: File) -> bytes:
    return read_secret(file, LEAST_KEY)


class _Collector:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def attempt(self, read: Callable[[_Argument], _Result], argument: _Argument) -> _Result | None:
        try:
            return read(argument)
        except FileProblem as error:
            self.problems.append(error.problem)
            return None
