# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tunnel costs: one generator, one sink, and between them nothing, the tunnel, Postfix, or Haraka.

All in one run, in rounds in which every peer has its turn under the same load; generator, peer and sink share the
machine, so the ratios count, not the rates. Everything runs in namespaces of its own. Needs root, and for Haraka
Node 20 with npm; Debian's packages that the chosen peers need, and Haraka, are installed when they are missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "collections"), str(HERE.parents[2] / "tunnel" / "tests")]

from tunnelbench import cases, footprint, room
from tunnelbench.prepare import prepare
from tunnelbench.rounds import Settings, play
from tunnelbench.setup import PEERS, QUICK


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Progress goes to stderr, the tables to stdout. Peers: " + "; ".join(PEERS)
    )
    parser.add_argument("--quick", action="store_true", help=f"four loads in clear text for {', '.join(QUICK)}")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="loads whose name fits, as 'plain/1KB/*'"
    )
    parser.add_argument("--peer", action="append", default=[], metavar="NAME", help="this peer and the direct way")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the time of a measurement, one second")
    parser.add_argument("--list", action="store_true", help="name the loads and end")
    options = parser.parse_args()
    if options.rounds < 1 or not 0 < options.scale <= 10:
        parser.error("--rounds is at least 1, --scale above 0 and at most 10")
    for name in options.peer:
        if name not in PEERS:
            parser.error(f"there is no peer {name!r}; there are: {'; '.join(PEERS)}")
    return options


def main() -> int:
    options = arguments()
    loads = cases.chosen(cases.quick() if options.quick else cases.every(), options.only)
    still = [] if options.quick else footprint.chosen(options.only)
    if not loads and not still:
        print("no load fits; --list names them", file=sys.stderr)
        return 2
    if options.list:
        print(*(load.name for load in loads), *still, sep="\n")
        return 0
    names = set(options.peer or (QUICK if options.quick else PEERS)) | {"direct"}
    home = room.home()
    if home is None:
        prepare(names)
        return room.enter(__file__, sys.argv[1:])
    room.furnish()
    return play(home, loads, still, names, Settings(3 if options.quick else options.rounds, options.scale))


if __name__ == "__main__":
    sys.exit(main())
