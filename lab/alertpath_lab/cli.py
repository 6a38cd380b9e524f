# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import control, preflight, recipe
from .base import ensure_base
from .errors import LabError
from .inventory import check_inventory, default_inventory
from .lab import Lab, Record, labs, locked
from .layout import cache_folder, layout
from .parse import parse_topology
from .raising import raise_lab
from .teardown import tear_down
from .topology import Topology
from .yaml_source import loads

_TOPOLOGY = Path(__file__).resolve().parents[1] / "topology.yml"
_EPILOG = """\
examples:
  lab/lab up                                   raise lab/topology.yml as the lab called "lab"
  lab/lab up --name two --inventory /tmp/two   a second one beside it, with the same addresses
  lab/lab ssh vault1 -- nft list ruleset       run a command on a host
  lab/lab ctl -- nc -v gateway.corp.test 465   run a command of this machine where the controller stands
  lab/lab down                                 remove it

A lab needs root on Linux. It is attached to no network of this machine.
"""


class _Progress:
    """Lines with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._start:7.1f} s  {text}\n")
        sys.stderr.flush()


def _read_topology(path: Path) -> tuple[str, Topology]:
    """The text of the file and what it says; one reading, so that both agree."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path}: cannot be read: {error}; name another file with --topology") from error
    return text, parse_topology(loads(text, str(path)), str(path))


def _up(options: argparse.Namespace) -> int:
    progress = _Progress()
    text, topology = _read_topology(options.topology)
    preflight.check_machine()
    lab = Lab.called(layout(options.name))
    check_inventory(lab.layout, options.inventory)
    if lab.read() is None:
        # Not under the lab's lock: it may take a minute, and concerns all labs.
        ensure_base(topology.base, progress)
    wanted = Record(str(options.topology.absolute()), text, base="")
    with locked(lab.layout):
        raise_lab(lab, wanted, options.inventory.absolute(), progress)
    return 0


def _down(options: argparse.Namespace) -> int:
    preflight.check_root()
    progress = _Progress()
    lab = Lab.called(layout(options.name))
    with locked(lab.layout):
        if not tear_down(lab, progress):
            progress(f"there is no lab {options.name!r}")
    return 0


def _status(options: argparse.Namespace) -> int:
    preflight.check_root()
    lab = Lab.called(layout(options.name))
    try:
        rows = [("HOST", "ADDRESSES", "STATE"), *control.status_rows(lab)]
    except LabError as error:
        others = [name for name in labs() if name != options.name]
        raise LabError(f"{error}; labs here: {', '.join(others)}" if others else str(error)) from error
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for host, addresses, state in rows:
        sys.stdout.write(f"{host:<{widths[0]}}  {state:<8}  {addresses}\n")
    return 0


def _base(options: argparse.Namespace) -> int:
    _text, topology = _read_topology(options.topology)
    if options.print_path:
        digest = recipe.digest(topology.base, platform.machine())
        sys.stdout.write(f"{cache_folder() / f'lab-base-{digest}'}\n")
        return 0
    tree = ensure_base(topology.base, _Progress(), options.rebuild)
    sys.stdout.write(f"{tree}\n")
    return 0


def _pause(options: argparse.Namespace) -> int:
    control.pause(_standing(options), options.host)
    return 0


def _resume(options: argparse.Namespace) -> int:
    control.resume(_standing(options), options.host)
    return 0


def _start(options: argparse.Namespace) -> int:
    lab = _standing(options)
    with locked(lab.layout):
        control.start(lab, options.host)
    return 0


def _stop(options: argparse.Namespace) -> int:
    lab = _standing(options)
    with locked(lab.layout):
        control.stop(lab, options.host, options.hard)
    return 0


def _exec(options: argparse.Namespace) -> int:
    control.execute(_standing(options), options.host, _command(options))


def _ssh(options: argparse.Namespace) -> int:
    control.connect(_standing(options), options.host, _words(options.command))


def _ctl(options: argparse.Namespace) -> int:
    control.on_controller(_standing(options), _command(options))


def _standing(options: argparse.Namespace) -> Lab:
    preflight.check_machine()
    return Lab.called(layout(options.name))


def _command(options: argparse.Namespace) -> list[str]:
    words = _words(options.command)
    if not words:
        raise LabError("give the command to run after --")
    return words


def _words(command: list[str]) -> list[str]:
    return command[1:] if command[:1] == ["--"] else command


def build_parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    parser = argparse.ArgumentParser(
        prog="lab/lab",
        description="Raise a lab of Debian hosts on this machine, from a topology in YAML.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")

    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="lab", help="the lab's name, which keeps labs apart (default: %(default)s)")
    shaped = argparse.ArgumentParser(add_help=False)
    shaped.add_argument("--topology", type=Path, default=_TOPOLOGY, help="default: lab/topology.yml")
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("host", metavar="HOST")
    trailing = argparse.ArgumentParser(add_help=False)
    trailing.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its words")

    up = commands.add_parser("up", parents=[named, shaped], help="raise the lab, or what is missing of it")
    up.add_argument(
        "--inventory", type=Path, default=default_inventory(), help="folder for hosts.yml (default: inventories/lab)"
    )
    up.set_defaults(run=_up)
    commands.add_parser("down", parents=[named], help="remove the lab, leaving nothing behind").set_defaults(run=_down)
    commands.add_parser("status", parents=[named], help="list hosts, what they do, and addresses").set_defaults(
        run=_status
    )
    commands.add_parser("pause", parents=[named, one], help="freeze every process of a host").set_defaults(run=_pause)
    commands.add_parser("resume", parents=[named, one], help="let a paused host go on").set_defaults(run=_resume)
    commands.add_parser("start", parents=[named, one], help="boot a stopped host").set_defaults(run=_start)
    stop = commands.add_parser("stop", parents=[named, one], help="shut a host down; its files stay")
    stop.add_argument("--hard", action="store_true", help="pull the plug")
    stop.set_defaults(run=_stop)
    commands.add_parser("exec", parents=[named, one, trailing], help="run a command inside a host").set_defaults(
        run=_exec
    )
    commands.add_parser("ssh", parents=[named, one, trailing], help="connect to a host, as root").set_defaults(run=_ssh)
    commands.add_parser(
        "ctl", parents=[named, trailing], help="run a command of this machine in the controller's network"
    ).set_defaults(run=_ctl)
    base = commands.add_parser("base", parents=[shaped], help="build the hosts' base tree, and print where it is")
    base.add_argument("--rebuild", action="store_true", help="build it anew, with the packages of today")
    base.add_argument("--print-path", action="store_true", help="only print where it is or would be")
    base.set_defaults(run=_base)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*; returns the exit status."""
    options = build_parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except LabError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"lab: {line}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted; lab/lab up goes on from here, lab/lab down removes what is there\n")
        return 130
    return status
