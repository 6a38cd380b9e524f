# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `alertpath-tunnel`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from alertpath_tunnel import __version__
from alertpath_tunnel.config.load import examine, read_text
from alertpath_tunnel.config.problems import ConfigError, Problem
from alertpath_tunnel.net.runtime import assemble, read_files
from alertpath_tunnel.ops.journal import Journal
from alertpath_tunnel.ops.sink import Sink
from alertpath_tunnel.service import serve

_MOST_WORKERS = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "run" if sys.stdout is None:
                sys.stderr.write("standard output is closed, where the journal goes: redirect it, if only to a file\n")
                return 1
            case "run":
                serve(options.config, options.workers, Journal(Sink(sys.stdout.fileno())))
            case "check":
                return _check(options.file, files=not options.no_files, as_json=options.json)
            case _:
                sys.stdout.write(f"alertpath-tunnel {__version__}\n")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _check(file: Path, files: bool, as_json: bool) -> int:
    """Tell everything that is wrong with `file` and with what it names; return the exit status."""
    problems = _findings(file, files)
    if as_json:
        sys.stdout.write(json.dumps([problem.as_dict(str(file)) for problem in problems], indent=2) + "\n")
    else:
        sys.stderr.write("".join(problem.render(str(file)) + "\n" for problem in problems))
    return int(any(not problem.warning for problem in problems))


def _findings(file: Path, files: bool) -> list[Problem]:
    try:
        config, problems = examine(read_text(file), file)
    except ConfigError as error:
        return list(error.problems)
    if files:
        told = {problem.path for problem in problems}
        contents, more = read_files(config)
        problems += [problem for problem in more if problem.path not in told]
        if not problems:
            assemble(config, contents)
    return problems


def _workers(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"use 1 to {_MOST_WORKERS}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alertpath-tunnel", description="An inline SMTP data-security proxy.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve in the foreground")
    run.add_argument("--config", type=Path, required=True, metavar="FILE")
    run.add_argument(
        "--workers", type=_workers, default=1, metavar="N", help=f"processes that carry mail, 1 to {_MOST_WORKERS}"
    )
    check = commands.add_parser("check", help="tell everything that is wrong with a configuration")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--no-files", action="store_true", help="do not read the files it names")
    check.add_argument("--json", action="store_true", help="write the findings to standard output as JSON")
    commands.add_parser("version", help="print the version")
    return parser
