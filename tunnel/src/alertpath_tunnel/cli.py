# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `alertpath-tunnel`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from alertpath_tunnel import __version__
from alertpath_tunnel.config.load import load
from alertpath_tunnel.config.problems import ConfigError
from alertpath_tunnel.net.runtime import build_runtime
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.service import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "run":
                asyncio.run(serve(options.config, Journal(sys.stdout)))
            case "check":
                _check(options.file, files=not options.no_files)
            case _:
                sys.stdout.write(f"alertpath-tunnel {__version__}\n")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _check(file: Path, files: bool) -> None:
    config, warnings = load(file)
    problems = list(warnings)
    if files:
        try:
            build_runtime(config)
        except ConfigError as error:
            errors = [problem for problem in error.problems if not problem.warning]
            if errors:
                raise ConfigError(str(file), errors) from None
            problems.extend(error.problems)
    for problem in problems:
        sys.stderr.write(problem.render(str(file)) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alertpath-tunnel", description="An inline SMTP data-security proxy.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve in the foreground")
    run.add_argument("--config", type=Path, required=True, metavar="FILE")
    check = commands.add_parser("check", help="tell everything that is wrong with a configuration")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--no-files", action="store_true", help="do not read the files it names")
    commands.add_parser("version", help="print the version")
    return parser
