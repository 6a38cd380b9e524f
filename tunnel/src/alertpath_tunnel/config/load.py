# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a configuration file, or tells everything that is wrong with it."""

from __future__ import annotations

import dataclasses
import re
import socket
from pathlib import Path

from alertpath_tunnel.config.elements import read_element
from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.model import Config, Limits, Timeouts
from alertpath_tunnel.config.operation import read_log_levels, read_status
from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.config.references import check_references
from alertpath_tunnel.config.services import read_service
from alertpath_tunnel.config.text import NotJson, read_json
from alertpath_tunnel.config.tunnels import read_interfaces, read_tunnel
from alertpath_tunnel.config.upstreams import read_upstream

_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_LARGEST = 16 * 1024 * 1024
_BOUNDS = {"mime_depth": 100, "errors": 1000}
# Workers give a sign of life each second: one that is a little late must not be taken for hung.
_LEAST = {"hang": 3}


def load(file: Path) -> tuple[Config, tuple[Problem, ...]]:
    """Return the configuration of `file` and the warnings about it. Raises ConfigError with every error."""
    return _accepted(*examine(read_text(file), file))


def parse(text: str, file: Path) -> tuple[Config, tuple[Problem, ...]]:
    """The same for the text of a file."""
    return _accepted(*examine(text, file))


def read_text(file: Path) -> str:
    """Return the text of a configuration file. Raises ConfigError when it cannot be read or is too large."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(str(file), [Problem("$", None, f"is larger than {_LARGEST} octets", "shorten it")])
        return content.decode("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(str(file), [Problem("$", None, f"cannot be read: {error}", "check path and mode")]) from error


def examine(text: str, file: Path) -> tuple[Config, list[Problem]]:
    """Return what can be understood of a configuration, and every problem, errors among them.

    Raises ConfigError when the text is not JSON at all.
    """
    try:
        document = read_json(text)
    except NotJson as error:
        raise ConfigError(str(file), [Problem("$", None, f"is no JSON: {error}", "correct the syntax")]) from error
    problems: list[Problem] = []
    config = _read(Fields(document, "$", problems), file)
    check_references(config, problems)
    return config, problems


def _accepted(config: Config, problems: list[Problem]) -> tuple[Config, tuple[Problem, ...]]:
    if any(not problem.warning for problem in problems):
        raise ConfigError(str(config.file), [problem for problem in problems if not problem.warning])
    return config, tuple(problems)


def _read(fields: Fields, file: Path) -> Config:
    # Only then: a resolver that does not answer would hold up the service for a minute, its start and each reload.
    default = "localhost" if fields.has("hostname") else socket.getfqdn()
    hostname = fields.string("hostname", default, longest=255)
    if not _HOSTNAME.fullmatch(hostname):
        fields.wrong("hostname", "is no host name", "use letters, digits, dots and hyphens")
    interfaces = read_interfaces(fields.child("interfaces"))
    config = Config(
        file=file,
        hostname=hostname,
        tunnels=tuple(read_tunnel(item, interfaces) for item in fields.children("tunnels")),
        upstreams=tuple(read_upstream(item) for item in fields.children("upstreams")),
        data_elements=tuple(read_element(item) for item in fields.children("data_elements", required=False)),
        services=tuple(read_service(item) for item in fields.children("services")),
        limits=Limits(**_numbers(fields.child("limits"), Limits(), 2**40)),
        timeouts=Timeouts(**_numbers(fields.child("timeouts"), Timeouts(), 86400)),
        node_labels=fields.strings("node_labels", ()),
        status=read_status(fields.child("status")) if fields.has("status") else None,
        log_levels=read_log_levels(fields.child("log_levels")),
    )
    fields.close()
    return config


def _numbers(fields: Fields, defaults: Limits | Timeouts, high: int) -> dict[str, int]:
    numbers = {
        field.name: fields.integer(
            field.name, _LEAST.get(field.name, 1), _BOUNDS.get(field.name, high), getattr(defaults, field.name)
        )
        for field in dataclasses.fields(defaults)
    }
    fields.close()
    return numbers
